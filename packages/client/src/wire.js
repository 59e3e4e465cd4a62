/**
 * The requests that go to the login server itself. A request ends with an answer, never with an exception: no connection
 * is an answer too (status 0). Redirects are not followed: what is sent here is passwords and refresh tokens.
 */
import { noAnswer, readAnswer } from "./answer.js";
import { ClientFault } from "./faults.js";
/** The server's address as a base for relative paths, checked to be one that tokens may travel to. */
export function serverUrl(server) {
    const url = new URL(server);
    if (!isSecure(url))
        throw new ClientFault("insecure_server");
    url.search = "";
    url.hash = "";
    if (!url.pathname.endsWith("/"))
        url.pathname += "/";
    return url;
}
/** Bearer tokens ask for TLS (RFC 6750 §5.3); traffic within the machine leaves no wire to listen on. */
export function isSecure(url) {
    if (url.protocol === "https:")
        return true;
    const host = url.hostname;
    const loopback = host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
    return url.protocol === "http:" && loopback;
}
export function createWire(options) {
    const { server, mode, clock, timeoutMs } = options;
    async function call(request) {
        const { method, path, body, headers = {}, send = options.fetch, signal } = request;
        const tooLong = new AbortController();
        const answered = new AbortController();
        clock.sleep(timeoutMs, answered.signal).then(() => tooLong.abort(new DOMException("no answer in time", "TimeoutError")), () => { });
        try {
            const response = await send(new URL(path, server), {
                method,
                headers: { accept: "application/json", ...(body && { "content-type": "application/json" }), ...headers },
                body: body === undefined ? null : JSON.stringify(body),
                credentials: mode === "cookie" && !request.withoutCookies ? "include" : "omit",
                redirect: "error",
                cache: "no-store",
                signal: signal === undefined ? tooLong.signal : AbortSignal.any([signal, tooLong.signal]),
            });
            return await readAnswer(response, clock.now());
        }
        catch (cause) {
            if (signal?.aborted)
                throw signal.reason;
            if (cause instanceof ClientFault)
                throw cause;
            return noAnswer(cause);
        }
        finally {
            answered.abort();
        }
    }
    return {
        mode,
        call,
        refresh: ({ refreshToken, key }, audience) => call({
            method: "POST",
            path: mode === "cookie" ? "v1/sessions/refresh?mode=cookie" : "v1/sessions/refresh",
            headers: { "idempotency-key": key },
            body: {
                ...(refreshToken !== null && { refresh_token: refreshToken }),
                ...(audience !== "" && { audience }),
                ...(options.clientId !== null && { client_id: options.clientId }),
            },
        }),
    };
}

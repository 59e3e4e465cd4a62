/**
 * `fetch` with a token. It answers what the resource server answers; the token is its own affair:
 *
 *   1. the token goes to the allowed origins and to no other, over redirects too;
 *   2. a 401 that says "this token is no good" is answered by renewing it and asking once more, where the body can be
 *      sent again; every other answer, 503 included, is the caller's: only the caller knows what may be sent twice.
 */
import { readAnswer } from "./answer.js";
import { ClientFault } from "./faults.js";
/** What may be read again as often as needed; a stream may not. */
function isReplayable(body) {
    return (body === null ||
        body === undefined ||
        typeof body === "string" ||
        body instanceof URLSearchParams ||
        body instanceof FormData ||
        body instanceof Blob ||
        body instanceof ArrayBuffer ||
        ArrayBuffer.isView(body));
}
/** Takes a request apart, so that it can be sent more than once. A `Request`'s body is read into memory. */
async function plan(input, init, base) {
    if (!(input instanceof Request)) {
        const headers = new Headers(init.headers);
        return { url: new URL(input, base), init, headers, signal: init.signal ?? undefined };
    }
    const request = new Request(input, init);
    const body = request.body === null ? null : await request.arrayBuffer();
    const { method, headers, signal, credentials, cache, redirect, referrerPolicy, integrity, keepalive } = request;
    const taken = { method, body, signal, credentials, cache, redirect, referrerPolicy, integrity, keepalive };
    return { url: new URL(request.url), init: taken, headers: new Headers(headers), signal };
}
/** Problem codes with which a token, and not the request, is refused. */
const TOKEN_CODES = new Set(["invalid_token", "token_expired", "session_ended"]);
/** Whether a 401 is about the token (RFC 6750 §3.1), and a new one might help. */
async function refusesToken({ response, carried }) {
    if (!carried || response.status !== 401)
        return false;
    if (/\berror="?invalid_token\b/i.test(response.headers.get("www-authenticate") ?? ""))
        return true;
    const { problem } = await readAnswer(response.clone(), 0);
    return problem !== null && TOKEN_CODES.has(problem.code);
}
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** As many as the Fetch standard follows (§4.4, HTTP-redirect fetch). */
const MOST_REDIRECTS = 20;
/** The request that a redirect asks for (Fetch standard §4.4): 303, and 301/302 after a POST, become a GET without a body. */
function redirected({ url, init, headers, signal }, status, location) {
    const next = new URL(location, url);
    if (next.hash === "")
        next.hash = url.hash;
    const method = (init.method ?? "GET").toUpperCase();
    const toGet = status === 303 ? method !== "GET" && method !== "HEAD" : status < 303 && method === "POST";
    if (!toGet) {
        if (!isReplayable(init.body))
            throw new ClientFault("redirect_refused");
        return { url: next, init, headers, signal };
    }
    const kept = new Headers(headers);
    for (const name of ["content-encoding", "content-language", "content-location", "content-type"])
        kept.delete(name);
    return { url: next, init: { ...init, method: "GET", body: null }, headers: kept, signal };
}
/** `base` resolves relative addresses: the page's own in a browser. */
export function fetchWithToken(send, origins, source, base = globalThis.location?.href) {
    /** Origins where a brand-new token was refused as well: their configuration is wrong, and renewing more does not help. */
    const hopeless = new Map();
    async function follow(first, token) {
        const mode = first.init.redirect ?? "follow";
        let plan = first;
        for (let hops = 0; hops <= MOST_REDIRECTS; hops += 1) {
            // RFC 9700 §4.11: a redirect is where a token leaves for a stranger. So none is followed unseen.
            if (!origins.has(plan.url.origin)) {
                return { response: await send(plan.url, { ...plan.init, headers: plan.headers }), carried: false };
            }
            const headers = new Headers(plan.headers);
            headers.set("authorization", `Bearer ${token}`);
            const response = await send(plan.url, { ...plan.init, headers, redirect: mode === "follow" ? "manual" : mode });
            if (mode !== "follow")
                return { response, carried: true };
            // A browser does not show where a redirect leads.
            if (response.type === "opaqueredirect")
                throw new ClientFault("redirect_refused");
            const location = response.headers.get("location");
            if (!REDIRECTS.has(response.status) || location === null)
                return { response, carried: true };
            await response.body?.cancel();
            plan = redirected(plan, response.status, location);
        }
        throw new ClientFault("redirect_refused");
    }
    return async (input, init = {}) => {
        const first = await plan(input, init, base);
        if (!origins.has(first.url.origin) || first.headers.has("authorization")) {
            return send(first.url, { ...first.init, headers: first.headers });
        }
        const token = await source.token(first.signal);
        const answer = await follow(first, token);
        const { response } = answer;
        if (!isReplayable(first.init.body) || hopeless.get(first.url.origin) === token)
            return response;
        if (!(await refusesToken(answer)))
            return response;
        source.refused(token);
        const renewed = await source.token(first.signal);
        await response.body?.cancel();
        const second = await follow(first, renewed);
        if (await refusesToken(second))
            hopeless.set(first.url.origin, renewed);
        else
            hopeless.delete(first.url.origin);
        return second.response;
    };
}

/**
 * The requests that go to the login server itself. A request ends with an answer, never with an exception: no connection
 * is an answer too (status 0). Redirects are not followed: what is sent here is passwords and refresh tokens.
 */
import { type Answer, noAnswer, readAnswer } from "./answer.ts";
import type { Credential } from "./document.ts";
import { ClientFault } from "./faults.ts";
import type { Clock } from "./world.ts";

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** How a browser or an app carries its refresh token: itself, or in HttpOnly cookies that no script sees. */
export type Mode = "tokens" | "cookie";

export interface Call {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Leaves cookies alone, in both directions. */
  readonly withoutCookies?: boolean;
  /** Fetches the answer; left out: the plain `fetch`. */
  readonly send?: Fetch;
  readonly signal?: AbortSignal | undefined;
}

export interface Wire {
  readonly mode: Mode;
  call(call: Call): Promise<Answer>;
  /** Presents a credential for an access token; `audience` "" stands for the server's default. */
  refresh(credential: Credential, audience: string): Promise<Answer>;
}

export interface WireOptions {
  readonly server: URL;
  readonly mode: Mode;
  readonly clientId: string | null;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** The server's address as a base for relative paths, checked to be one that tokens may travel to. */
export function serverUrl(server: string | URL): URL {
  const url = new URL(server);
  if (!isSecure(url)) throw new ClientFault("insecure_server");
  url.search = "";
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/** Bearer tokens ask for TLS (RFC 6750 §5.3); traffic within the machine leaves no wire to listen on. */
export function isSecure(url: URL): boolean {
  if (url.protocol === "https:") return true;
  const host = url.hostname;
  const loopback =
    host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
  return url.protocol === "http:" && loopback;
}

export function createWire(options: WireOptions): Wire {
  const { server, mode, clock, timeoutMs } = options;

  async function call(request: Call): Promise<Answer> {
    const { method, path, body, headers = {}, send = options.fetch, signal } = request;
    const tooLong = new AbortController();
    const answered = new AbortController();
    clock.sleep(timeoutMs, answered.signal).then(
      () => tooLong.abort(new DOMException("no answer in time", "TimeoutError")),
      () => {},
    );
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
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      if (cause instanceof ClientFault) throw cause;
      return noAnswer(cause);
    } finally {
      answered.abort();
    }
  }

  return {
    mode,
    call,
    refresh: ({ refreshToken, key }, audience) =>
      call({
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

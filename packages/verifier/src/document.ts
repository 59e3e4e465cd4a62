/**
 * Fetches one small JSON object from the issuer, trusting nothing about the answer: a bound on its size and on the time,
 * no redirect, status 200 only, strict JSON. That it cannot be had is an ordinary event, so it is a value.
 */
import { type JsonObject, parseJsonObject } from "./jose/json.ts";

/** The outside world of the key sources; tests pass their own. */
export interface Net {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Calls `run` once after `ms`, without keeping the process alive for it; the result cancels. */
  readonly after: (ms: number, run: () => void) => () => void;
}

export type FetchedDocument =
  | { readonly ok: true; readonly value: JsonObject; readonly cacheControl: string | null; readonly age: string | null }
  | { readonly ok: false; readonly reason: string; readonly status: number | null };

/** Largest document read: a JWKS of a hundred RSA keys with certificates has some 200 KiB. */
export const DOCUMENT_MAX = 256 * 1024;

// Browsers keep their own cache in front of fetch. Node has none, and some runtimes refuse the member.
const PAST_CACHES: RequestInit = "cache" in Request.prototype ? { cache: "no-cache" } : {};

/**
 * @param timeout milliseconds for the whole exchange
 * @param stop aborts it
 */
export async function fetchDocument(
  url: string,
  net: Net,
  timeout: number,
  stop: AbortSignal,
): Promise<FetchedDocument> {
  const abort = new AbortController();
  const onStop = () => abort.abort();
  if (stop.aborted) return fault("the verifier was closed");
  stop.addEventListener("abort", onStop, { once: true });
  let late = false;
  const cancelTimer = net.after(timeout, () => {
    late = true;
    abort.abort();
  });
  try {
    // "manual" and not "error": the runtimes at the edge know no other way to be told not to follow.
    const init: RequestInit = { headers: { accept: "application/json" }, redirect: "manual", signal: abort.signal };
    const response = await net.fetch(url, { ...init, ...PAST_CACHES });
    if (response.status !== 200) {
      await response.body?.cancel();
      const redirect = response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400);
      const what = redirect ? "a redirect, which is not followed" : `status ${response.status}`;
      return fault(`the answer was ${what}`, response.status);
    }
    const octets = await readBounded(response);
    if (octets === null) return fault(`the answer was not a text of at most ${DOCUMENT_MAX / 1024} KiB`);
    const value = parseJsonObject(octets);
    if (value === null) return fault("the answer was not a JSON object with unique members");
    return { ok: true, value, cacheControl: response.headers.get("cache-control"), age: response.headers.get("age") };
  } catch (error) {
    if (late) return fault(`there was no answer within ${timeout / 1000} s`);
    if (stop.aborted) return fault("the verifier was closed");
    return fault(networkReason(error));
  } finally {
    cancelTimer();
    stop.removeEventListener("abort", onStop);
  }
}

function fault(reason: string, status: number | null = null): FetchedDocument {
  return { ok: false, reason, status };
}

/** fetch says only "fetch failed"; the reason that helps an operator is one level down. */
function networkReason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return typeof code === "string" ? `the connection failed (${code})` : "the connection failed";
}

async function readBounded(response: Response): Promise<Uint8Array | null> {
  if (response.body === null) return null;
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > DOCUMENT_MAX) {
      await reader.cancel();
      return null;
    }
    parts.push(value);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

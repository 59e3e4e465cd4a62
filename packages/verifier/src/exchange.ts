/**
 * One HTTP request of ours, trusting nothing about the answer: a bound on its size and on the time, no redirect, status 200
 * only. That it fails is an ordinary event, so it is a value.
 */

/** The outside world of whatever asks the issuer; tests pass their own. */
export interface Net {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Calls `run` once after `ms`, without keeping the process alive for it; the result cancels. */
  readonly after: (ms: number, run: () => void) => () => void;
}

export interface Inquiry {
  readonly url: string;
  /** GET without one. */
  readonly body?: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Most octets that are read. */
  readonly most: number;
  /** Milliseconds for the whole exchange. */
  readonly timeout: number;
  /** Most milliseconds in which nothing comes, where that is to be less than the whole. */
  readonly silence?: number;
  /** Called with each piece of the answer as it arrives. */
  readonly onPiece?: (piece: Uint8Array) => void;
}

export type Exchanged =
  | { readonly ok: true; readonly octets: Uint8Array<ArrayBuffer>; readonly headers: Headers }
  | {
      readonly ok: false;
      readonly reason: string;
      readonly status: number | null;
      /** Of an answer that was not what was asked for. */
      readonly headers?: Headers;
    };

// Browsers keep their own cache in front of fetch. Node has none, and some runtimes refuse the member.
const PAST_CACHES: RequestInit = "cache" in Request.prototype ? { cache: "no-cache" } : {};

/** @param stop aborts it */
export async function exchange(inquiry: Inquiry, net: Net, stop: AbortSignal): Promise<Exchanged> {
  const { url, body, headers, most, timeout, silence = timeout, onPiece } = inquiry;
  const abort = new AbortController();
  const onStop = () => abort.abort();
  if (stop.aborted) return fault("the verifier was closed");
  stop.addEventListener("abort", onStop, { once: true });
  let late: number | null = null;
  const giveUpAfter = (ms: number) =>
    net.after(ms, () => {
      late = ms;
      abort.abort();
    });
  const cancelTimer = giveUpAfter(timeout);
  let cancelSilence = silence < timeout ? giveUpAfter(silence) : () => {};
  const heard = (piece: Uint8Array) => {
    cancelSilence();
    if (silence < timeout) cancelSilence = giveUpAfter(silence);
    onPiece?.(piece);
  };
  try {
    const method: RequestInit = body === undefined ? {} : { method: "POST", body };
    // "manual" and not "error": the runtimes at the edge know no other way to be told not to follow.
    const init: RequestInit = { ...method, headers: { ...headers }, redirect: "manual", signal: abort.signal };
    const response = await net.fetch(url, { ...init, ...PAST_CACHES });
    if (response.status !== 200) {
      await response.body?.cancel();
      const redirect = response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400);
      const what = redirect ? "a redirect, which is not followed" : `status ${response.status}`;
      return { ok: false, reason: `the answer was ${what}`, status: response.status, headers: response.headers };
    }
    const octets = await readBounded(response, most, heard);
    if (octets === null) return fault(`the answer was not a text of at most ${Math.floor(most / 1024)} KiB`);
    return { ok: true, octets, headers: response.headers };
  } catch (error) {
    if (late !== null) return fault(`there was no answer within ${late / 1000} s`);
    if (stop.aborted) return fault("the verifier was closed");
    return fault(networkReason(error));
  } finally {
    cancelTimer();
    cancelSilence();
    stop.removeEventListener("abort", onStop);
  }
}

function fault(reason: string): Exchanged {
  return { ok: false, reason, status: null };
}

/** fetch says only "fetch failed"; the reason that helps an operator is one level down. */
function networkReason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return typeof code === "string" ? `the connection failed (${code})` : "the connection failed";
}

const ROOM_FIRST = 16 * 1024;

/** Into one buffer that grows, so that a large answer is not copied in one piece at its end. */
async function readBounded(
  response: Response,
  most: number,
  onPiece: (piece: Uint8Array) => void,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (response.body === null) return null;
  const announced = Number(response.headers.get("content-length"));
  let octets = new Uint8Array(Math.min(announced > 0 ? announced : ROOM_FIRST, most));
  let size = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return octets.subarray(0, size);
    const needed = size + value.byteLength;
    if (needed > most) {
      await reader.cancel();
      return null;
    }
    if (needed > octets.length) {
      const larger = new Uint8Array(Math.min(Math.max(needed, octets.length * 2), most));
      larger.set(octets.subarray(0, size));
      octets = larger;
    }
    octets.set(value, size);
    size = needed;
    onPiece(value);
  }
}

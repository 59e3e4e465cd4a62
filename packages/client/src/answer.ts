/**
 * What came back from the server, read once and without trust: anything between here and there may have answered instead
 * (a proxy's HTML, a hotel's sign-in page with status 200, nothing at all).
 */

/** The members of a problem that are read here (RFC 9457); the others are kept as they are. */
export interface Problem {
  /** Stable, the thing to branch on. */
  readonly code: string;
  readonly detail?: unknown;
  readonly reason?: unknown;
  readonly sessions?: unknown;
  readonly [member: string]: unknown;
}

export interface Answer {
  /** The HTTP status; 0 where no whole answer came. */
  readonly status: number;
  /** The body where it is an `application/json` object. */
  readonly body: Readonly<Record<string, unknown>> | null;
  /** The body where it is `application/problem+json` with a `code`: the server's own word, which no proxy says by chance. */
  readonly problem: Problem | null;
  /** `Retry-After` in milliseconds; `null` where there is none that can be read. */
  readonly retryAfterMs: number | null;
  /** What went wrong where status is 0. */
  readonly cause?: unknown;
}

export function noAnswer(cause: unknown): Answer {
  return { status: 0, body: null, problem: null, retryAfterMs: null, cause };
}

function isProblem(value: Record<string, unknown>): value is Record<string, unknown> & Problem {
  return typeof value.code === "string";
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value))
      : null;
  } catch {
    return null;
  }
}

/** `Retry-After` is a number of seconds or an HTTP date (RFC 9110 §10.2.3). */
export function parseRetryAfter(value: string | null, now: number): number | null {
  if (value === null) return null;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** Reads a response to its end. A body that breaks off is no answer. `now` is the wall clock, for a date in `Retry-After`. */
export async function readAnswer(response: Response, now: number): Promise<Answer> {
  const type = (response.headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase();
  const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), now);
  let object: Record<string, unknown> | null;
  try {
    object = parseObject(await response.text());
  } catch (cause) {
    return noAnswer(cause);
  }
  return {
    status: response.status,
    body: type === "application/json" ? object : null,
    problem: type === "application/problem+json" && object !== null && isProblem(object) ? object : null,
    retryAfterMs,
  };
}

/**
 * When to ask the issuer for its keys: the pure part of jwks.ts. Times are milliseconds of one clock, durations too.
 *
 *             began              succeeded
 *   NEVER ──────────► asking ──────────────► fresh ──── freshFor passes ────► due again
 *                       │                      │
 *                       │ failed               └─ a token with an unknown key: at most once per `cooldown`
 *                       ▼
 *                  waiting 1, 2, 4 … 30 s, with the last good set kept
 *
 * A clock that was set back counts as "long ago": the worst it does is one fetch too many.
 */
export interface Freshness {
  /** When the set at hand arrived; null before the first. */
  readonly fetchedAt: number | null;
  readonly freshFor: number;
  /** When the last attempt began, whatever came of it. */
  readonly attemptedAt: number | null;
  /** Failed attempts since the last that succeeded. */
  readonly failures: number;
  /** When an attempt last began for the sake of an unknown key. */
  readonly soughtAt: number | null;
}

/** Why somebody asks: the set has aged (or there is none), or a token names a key that is not in it. */
export type Cause = "age" | "unknown_key";

export const NEVER: Freshness = Object.freeze({
  fetchedAt: null,
  freshFor: 0,
  attemptedAt: null,
  failures: 0,
  soughtAt: null,
});

const BACKOFF_FIRST = 1_000;
/** Long enough not to hammer an issuer that is coming back, short enough that nobody waits for us after it has. */
const BACKOFF_LONGEST = 30_000;

function passed(since: number | null, now: number): number {
  return since === null || now < since ? Number.POSITIVE_INFINITY : now - since;
}

function backoff(failures: number): number {
  return failures === 0 ? 0 : Math.min(BACKOFF_FIRST * 2 ** (failures - 1), BACKOFF_LONGEST);
}

/** May a fetch begin now? @param cooldown shortest time between two fetches on behalf of unknown keys */
export function mayFetch(state: Freshness, cause: Cause, now: number, cooldown: number): boolean {
  if (passed(state.attemptedAt, now) < backoff(state.failures)) return false;
  if (passed(state.fetchedAt, now) >= state.freshFor) return true;
  return cause === "unknown_key" && passed(state.soughtAt, now) >= cooldown;
}

export function began(state: Freshness, cause: Cause, now: number): Freshness {
  return { ...state, attemptedAt: now, soughtAt: cause === "unknown_key" ? now : state.soughtAt };
}

export function succeeded(state: Freshness, now: number, freshFor: number): Freshness {
  return { ...state, fetchedAt: now, freshFor, failures: 0 };
}

export function failed(state: Freshness): Freshness {
  return { ...state, failures: state.failures + 1 };
}

/** Milliseconds until a fetch will be due because of age, 0 when it is. */
export function untilDue(state: Freshness, now: number): number {
  const wait = backoff(state.failures) - passed(state.attemptedAt, now);
  const age = state.freshFor - passed(state.fetchedAt, now);
  return Math.max(0, wait, age);
}

export interface AgeBounds {
  readonly shortest: number;
  readonly longest: number;
  /** Where the response does not say. */
  readonly usual: number;
}

/**
 * How long a response may be used (RFC 9111 §5.2.2), within bounds: an issuer that says "never" is still asked at most
 * every `shortest`, and one that says "a year" cannot keep a removed key alive beyond `longest`.
 */
export function freshForOf(cacheControl: string | null, age: string | null, bounds: AgeBounds): number {
  const within = (value: number) => Math.min(Math.max(value, bounds.shortest), bounds.longest);
  if (cacheControl === null) return within(bounds.usual);
  const directives = cacheControl.toLowerCase().split(",");
  let seconds: number | null = null;
  for (const directive of directives) {
    const [name = "", value = ""] = directive.split("=", 2).map((part) => part.trim());
    if (name === "no-store" || name === "no-cache") return bounds.shortest;
    if (name === "max-age" && /^"?\d{1,10}"?$/.test(value)) seconds = Number(value.replaceAll('"', ""));
  }
  if (seconds === null) return within(bounds.usual);
  const already = age !== null && /^\d{1,10}$/.test(age) ? Number(age) : 0;
  return within((seconds - already) * 1000);
}

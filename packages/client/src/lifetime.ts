/**
 * How long an access token is good for, told without trusting any clock of the server's.
 *
 *   sent ──────────────── fresh ────────────────┬──── aging ────┬─ spent ─┤ sent + expires_in
 *                        use it                 use it, renew    renew first
 *
 * The life is counted from the moment the request *left*, on this machine's own clocks: `exp` against a wall clock that is
 * ten minutes off would throw good tokens away or send dead ones.
 */
import { type Clock, elapsed, type Instant, instant } from "./world.ts";

export interface AccessToken {
  readonly token: string;
  /** The session it belongs to. */
  readonly session: string;
  /** When the request for it left. */
  readonly sentAt: Instant;
  readonly lifetimeMs: number;
}

export type Freshness = "fresh" | "aging" | "spent";

/** Renewal begins in the last fifth of the life, at most a minute before its end. */
const AGING = { share: 0.2, mostMs: 60_000 };
/** In the last tenth, at most five seconds, a token could die on its way to the resource server. */
const SPENT = { share: 0.1, mostMs: 5_000 };

function margin(lifetimeMs: number, rule: { share: number; mostMs: number }): number {
  return Math.min(lifetimeMs * rule.share, rule.mostMs);
}

/** Milliseconds until the token is no longer accepted; 0 when it is over. */
export function remainingMs(token: AccessToken, clock: Clock): number {
  return Math.max(0, token.lifetimeMs - elapsed(token.sentAt, instant(clock)));
}

export function freshness(token: AccessToken, clock: Clock): Freshness {
  const left = remainingMs(token, clock);
  if (left <= margin(token.lifetimeMs, SPENT)) return "spent";
  return left <= margin(token.lifetimeMs, AGING) ? "aging" : "fresh";
}

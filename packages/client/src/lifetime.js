/**
 * How long an access token is good for, told without trusting any clock of the server's.
 *
 *   sent ──────────────── fresh ────────────────┬──── aging ────┬─ spent ─┤ sent + expires_in
 *                        use it                 use it, renew    renew first
 *
 * The life is counted from the moment the request *left*, on this machine's own clocks: `exp` against a wall clock that is
 * ten minutes off would throw good tokens away or send dead ones.
 */
import { elapsed, instant } from "./world.js";
/** Renewal begins in the last fifth of the life, at most a minute before its end. */
const AGING = { share: 0.2, mostMs: 60_000 };
/** In the last tenth, at most five seconds, a token could die on its way to the resource server. */
const SPENT = { share: 0.1, mostMs: 5_000 };
function margin(lifetimeMs, rule) {
    return Math.min(lifetimeMs * rule.share, rule.mostMs);
}
/** Milliseconds until the token is no longer accepted; 0 when it is over. */
export function remainingMs(token, clock) {
    return Math.max(0, token.lifetimeMs - elapsed(token.sentAt, instant(clock)));
}
export function freshness(token, clock) {
    const left = remainingMs(token, clock);
    if (left <= margin(token.lifetimeMs, SPENT))
        return "spent";
    return left <= margin(token.lifetimeMs, AGING) ? "aging" : "fresh";
}

/**
 * How long an entry of the log must be remembered: until no token that it concerns can be accepted by anyone.
 *
 *   highest exp ever signed  +  the tolerance of verifiers  +  the skew margin
 *
 * The mark is the highest `exp` of every key, not the life of tokens as configured now, so that a lowered setting
 * changes nothing for tokens that are out already.
 */
import { isBefore, type Position, type RevocationEntry, type RevocationKind, SKEW_MARGIN_SECONDS } from "./entry.ts";

/** The widest clock tolerance with which a verifier may accept a token after its `exp`, in seconds. */
export const CLOCK_TOLERANCE_SECONDS = 60;

/** Unix seconds until which an entry written `now` (Unix milliseconds) is kept; `highestExp` in Unix seconds. */
export function entryExpires(highestExp: number, now: number): number {
  return Math.max(Math.ceil(now / 1000), highestExp + CLOCK_TOLERANCE_SECONDS + SKEW_MARGIN_SECONDS);
}

/** Kinds of entry that end sessions or grants, not just tokens. */
const ENDS_SESSIONS: Partial<Record<RevocationKind, true>> = {
  session: true,
  grant: true,
  user: true,
  client: true,
  all: true,
};

/**
 * Unix seconds until which the log keeps an entry: while it concerns a token, and while what it ended could be alive in
 * another store that forgot about it. Not what ran out: there the clock says so again.
 * @param sessionsUntil the latest end of any session that another store holds, in Unix seconds; 0 where none does
 */
export function entryKept(
  { kind, reason, expires }: Pick<RevocationEntry, "kind" | "reason" | "expires">,
  sessionsUntil: number,
): number {
  if (ENDS_SESSIONS[kind] !== true || reason === "expired" || sessionsUntil === 0) return expires;
  return Math.max(expires, sessionsUntil + SKEW_MARGIN_SECONDS);
}

/**
 * Whether a later entry for everyone makes this one needless: whatever token it kills was issued before it, so that the
 * later one kills it too. Not one of kind `key`: who stole the key writes the position of his tokens as he likes.
 * @param all the position of the last entry of kind `all`; `null` where there is none
 */
export function isCovered(entry: RevocationEntry, all: Position | null): boolean {
  return all !== null && entry.kind !== "key" && isBefore(entry, all);
}

/**
 * Whether an entry may go. One of kind `key` stays while the key may be known to anyone: whoever stole the key writes
 * `exp` as he likes (REVOCATION §3).
 * @param keptUntil by `entryKept`, when it was written
 * @param keyKnown whether a record of the key that is not gone exists
 */
export function isForgettable(kind: RevocationKind, keptUntil: number, keyKnown: boolean, now: number): boolean {
  return keptUntil * 1000 < now && !(kind === "key" && keyKnown);
}

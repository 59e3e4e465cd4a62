/**
 * The lease: until when a verifier may trust its copy of the log (Gray & Cheriton, 1989).
 *
 *   ping n sent at s(n) ─────► the node reads the head ─────► heartbeat: echo n, head
 *        │                                                        │ everything up to the head is applied
 *        └──────────── the lease runs until s(n) + N ◄────────────┘
 *
 * Counted from sending and not from receipt: however long the echo took, the head was read after s(n), so a revocation
 * that was committed before s(n) is applied. That bounds staleness by N on any network, without comparing clocks.
 */

/** What the local clocks say at one moment. */
export interface Moment {
  /** Milliseconds of a clock that is never set, from any beginning. It may stand still while the machine sleeps. */
  readonly mono: number;
  /** Milliseconds since 1970. May be set forwards and back. */
  readonly wall: number;
}

export interface Lease {
  /** When the ping left that it is counted from. */
  readonly sent: Moment;
  /** Milliseconds. */
  readonly ms: number;
  /** By how many milliseconds what is known by it may be older than that ping: 0, but behind a relay. */
  readonly age: number;
  /** When the echo came, and by how many milliseconds the server's clock was ahead of ours then. */
  readonly heard: Moment;
  readonly behind: number;
}

/**
 * How far clocks may be apart, in milliseconds: an entry is kept this much longer than any token that it names can live,
 * so a verifier that is further behind could accept a token whose entry is gone.
 */
export const SKEW_MARGIN_MS = 600_000;

/** Milliseconds from one moment to another: the larger of what the two clocks say, as either may have stood still. */
export function elapsed(since: Moment, now: Moment): number {
  return Math.max(now.mono - since.mono, now.wall - since.wall);
}

/**
 * Is the copy to be trusted now?
 * @param extra milliseconds beyond the lease, for an owner who chose `accept`
 */
export function holds(lease: Lease | null, now: Moment, extra = 0): boolean {
  if (lease === null) return false;
  const { sent, ms, heard, behind } = lease;
  // Written so that a broken clock (NaN) does not hold.
  if (!(elapsed(sent, now) < ms + extra)) return false;
  // A wall clock that was set back since makes us fall behind the server's.
  const setBack = now.mono - heard.mono - (now.wall - heard.wall);
  return behind + setBack <= SKEW_MARGIN_MS;
}

/** Is the server's time, said between `sent` and `heard`, within the margin of ours? */
export function clocksAgree(serverTime: number, sent: Moment, heard: Moment): boolean {
  return serverTime - heard.wall <= SKEW_MARGIN_MS && sent.wall - serverTime <= SKEW_MARGIN_MS;
}

/** The part of a lease that is left, in milliseconds; 0 without one. */
export function leaseLeft(lease: Lease | null, now: Moment): number {
  return lease !== null && holds(lease, now) ? lease.ms - elapsed(lease.sent, now) : 0;
}

/**
 * How long a lease can outlast what gave it, on clocks that are not the same.
 *
 * A verifier's lease runs for N by its own clock, from before it sent its ping. This node gives it by its own clock,
 * after the ping arrived. Neither knows the other's time; all that is assumed is that no clock's *rate* is off by more
 * than ρ. The slowest verifier measures N while N/(1−ρ) pass, and the fastest node counts (1+ρ) for each of them:
 *
 *   N (1+ρ)/(1−ρ)      by this node's clock, and every lease given before has ended by the verifier's
 *
 * The statements write N(1+2ρ), which is this to the first order; the difference is 0.02 % of N, and a simulation that
 * runs clocks at the very edge finds it.
 */

/** ρ: the error of clock rate that is assumed at most, in either direction. Quartz drifts by 0.01 %, virtual machines by less than 1 %. */
export const CLOCK_DRIFT = 0.01;

/** The longest N that can be configured: for so long leases may run after a restore, whatever the backup remembers. */
export const LEASE_LONGEST_MS = 60_000;

/** @param ms of a verifier's clock @returns milliseconds of this node's monotonic clock that certainly cover them */
export function outlast(ms: number): number {
  return Math.ceil((ms * (1 + CLOCK_DRIFT)) / (1 - CLOCK_DRIFT));
}

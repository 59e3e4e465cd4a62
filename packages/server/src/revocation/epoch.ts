/**
 * The number of an epoch. A log that begins anew, for a fresh database or after a restore, must never repeat an epoch
 * that a verifier may have seen: the one before may be lost with its disk. So the number is the Unix time of the
 * beginning in seconds, and higher than every epoch still known.
 */

/** @param now Unix milliseconds @param known the highest epoch that can still be read; 0: none */
export function nextEpoch(now: number, known: number): number {
  return Math.max(Math.floor(now / 1000), known + 1);
}

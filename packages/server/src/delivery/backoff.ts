/**
 * When a receiver that fails is tried again:
 *
 *   5 s  10 s  20 s  40 s … 1 h  1 h  1 h …   each shortened by up to half at random; after 24 h of it, no more unasked
 *
 * The randomness keeps all that goes to one receiver which came back from knocking at once.
 */
const FIRST_MS = 5_000;
const LONGEST_MS = 3_600_000;
/** After so long without a success, nobody is expected to come back unasked. */
export const GIVEN_UP_AFTER_MS = 24 * 3_600_000;

/**
 * How long to wait after so many failures in a row, in milliseconds.
 * @param jitter 0 to 1, at random
 */
export function backoffMs(failures: number, jitter: number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 30));
  return Math.round(whole * (1 - jitter / 2));
}

/** What is remembered of attempts that failed since the last that did not. */
export interface Failing {
  readonly failures: number;
  /** Unix milliseconds; `null`: the last attempt succeeded. */
  readonly failingSince: number | null;
  /** Not before this is the next attempt made, in Unix milliseconds. */
  readonly nextAttemptAt: number;
}

/** After an attempt that succeeded, at a time (Unix milliseconds). */
export function succeeding(now: number): Failing {
  return { failures: 0, failingSince: null, nextAttemptAt: now };
}

/** After one more that failed, and whether it is time to give up. */
export function failing(before: Failing, now: number, jitter: number): Failing & { readonly over: boolean } {
  const failures = before.failures + 1;
  const failingSince = before.failingSince ?? now;
  const over = isGivenUp({ failingSince }, now);
  return { failures, failingSince, nextAttemptAt: now + backoffMs(failures, jitter), over };
}

/** Whether there has been nothing but failures for so long that nobody tries any more. */
export function isGivenUp({ failingSince }: Pick<Failing, "failingSince">, now: number): boolean {
  return failingSince !== null && now - failingSince >= GIVEN_UP_AFTER_MS;
}

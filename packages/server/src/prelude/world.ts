/**
 * The outside world as an argument: time and randomness come in here and nowhere else, so that a test stops the clock
 * instead of sleeping and a seed repeats a run.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as setTimer } from "node:timers";
import { setTimeout } from "node:timers/promises";

/** Wall-clock time as milliseconds since 1970 (UTC). */
export type Milliseconds = number;

export interface Clock {
  /** Wall-clock time; may jump. For what is stored and told to others. */
  now(): Milliseconds;
  /** Monotonic time since an arbitrary start; never goes back. For durations. */
  monotonic(): Milliseconds;
}

export interface Random {
  /** Cryptographically secure random bytes. */
  bytes(length: number): Buffer;
}

/** Resolves after so many milliseconds. */
export type Sleep = (ms: Milliseconds) => Promise<void>;

/** Rings once, after so many milliseconds. The function it returns calls that off. */
export type SetAlarm = (ms: Milliseconds, ring: () => void) => () => void;

export interface World {
  readonly clock: Clock;
  readonly random: Random;
}

/** One call into the generator for many small draws: it costs as much for 16 bytes as for 4,096. */
const POOL_BYTES = 4096;

function pooledRandom(): Random {
  let pool = randomBytes(POOL_BYTES);
  let used = 0;
  return {
    bytes: (length) => {
      if (length > POOL_BYTES / 8) return randomBytes(length);
      if (used + length > POOL_BYTES) {
        pool = randomBytes(POOL_BYTES);
        used = 0;
      }
      const bytes = Buffer.from(pool.subarray(used, used + length));
      pool.fill(0, used, used + length); // what was given out stays nowhere else
      used += length;
      return bytes;
    },
  };
}

export const systemWorld: World = {
  clock: { now: () => Date.now(), monotonic: () => performance.now() },
  random: pooledRandom(),
};

export const systemSleep: Sleep = (ms) => setTimeout(ms);

export const systemAlarm: SetAlarm = (ms, ring) => {
  const timer = setTimer(ring, ms);
  return () => clearTimeout(timer);
};

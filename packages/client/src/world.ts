/**
 * The outside world as an argument: clocks and randomness come in here, so that a test stops the clock instead of
 * sleeping and puts a lost reply an hour into the past.
 */

export interface Clock {
  /** Wall-clock time in milliseconds since 1970 (UTC). It jumps when somebody sets it. */
  now(): number;
  /** Monotonic time in milliseconds since an arbitrary start. On some systems it stands still while the machine sleeps. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason where that comes first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** A UUID of 122 cryptographically secure random bits (RFC 9562 §5.4). */
  uuid(): string;
  /** A number in [0, 1); it spreads retries and protects nothing. */
  fraction(): number;
}

/** setTimeout takes a signed 32-bit number of milliseconds and runs at once above it. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const aborted = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(
        () => {
          signal?.removeEventListener("abort", aborted);
          resolve();
        },
        Math.min(ms, LONGEST_TIMER_MS),
      );
      signal?.addEventListener("abort", aborted, { once: true });
    }),
};

export const systemRandom: Random = {
  uuid: () => crypto.randomUUID(),
  fraction: () => Math.random(),
};

/** One moment on both clocks. */
export interface Instant {
  readonly wall: number;
  readonly monotonic: number;
}

export function instant(clock: Clock): Instant {
  return { wall: clock.now(), monotonic: clock.monotonic() };
}

/**
 * Milliseconds between two moments: the larger of what the two clocks say. The monotonic one may stand still in a
 * machine's sleep, the wall clock may be set back; neither can make a token look younger than it is. A wall clock set
 * forward makes it look older, which costs one refresh.
 */
export function elapsed(since: Instant, until: Instant): number {
  return Math.max(0, until.wall - since.wall, until.monotonic - since.monotonic);
}

/**
 * A clock that a test holds in its hand. Time stands still until the test moves it, or until everybody waits: `run` lets
 * a piece of work go on and jumps to the next sleeper whenever nothing else is left to do, so that an hour of retries
 * takes milliseconds.
 */
import type { Clock } from "./world.ts";

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

export interface TestClock extends Clock {
  /** Both clocks go on. */
  advance(ms: number): void;
  /** The wall clock is set; no time passes. */
  setWall(ms: number): void;
  /** The machine sleeps: the wall clock goes on, the monotonic clock stands still. */
  suspend(ms: number): void;
  /** The result of the work, with time passing only where everybody sleeps. */
  run<T>(work: Promise<T>): Promise<T>;
}

/** One turn of the event loop, with everything that promises have to do in it. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function testClock(start = Date.UTC(2026, 0, 1)): TestClock {
  let wall = start;
  let monotonic = 1000;
  const sleepers = new Set<Sleeper>();

  const advance = (ms: number) => {
    wall += ms;
    monotonic += ms;
    for (const sleeper of [...sleepers].sort((a, b) => a.due - b.due)) if (sleeper.due <= monotonic) sleeper.wake();
  };

  return {
    now: () => wall,
    monotonic: () => monotonic,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const end = (settle: () => void) => () => {
          sleepers.delete(sleeper);
          signal?.removeEventListener("abort", aborted);
          settle();
        };
        const aborted = () => end(() => reject(signal?.reason))();
        const sleeper = { due: monotonic + ms, wake: end(resolve) };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", aborted, { once: true });
      }),
    advance,
    setWall: (ms) => {
      wall = ms;
    },
    suspend: (ms) => {
      wall += ms;
    },
    run: async (work) => {
      let settled = false;
      const end = () => {
        settled = true;
      };
      work.then(end, end);
      for (let quiet = 0; !settled; quiet += 1) {
        await turn();
        if (quiet < 20 || settled) continue;
        const next = Math.min(...[...sleepers].map((sleeper) => sleeper.due));
        if (Number.isFinite(next)) advance(Math.max(0, next - monotonic));
        quiet = 0;
      }
      return work;
    },
  };
}

/** A promise that the test settles itself. (Promise.withResolvers came with Node 22.) */
export function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/**
 * The queue in front of hashing. One hash takes 12 ms of a core and 19 MiB; a storm of log-ins must neither slow down
 * what else the process does nor pile up work for people who have left.
 *
 *             ┌ free slot ──────────────► running (at most `slots`)
 *   request ──┼ a place, and a short wait ► waiting ──► running
 *             │                               └ caller gone ──► aborted
 *             └ otherwise ──────────────► overloaded, with the time at which there will be a place
 *
 * First come, first served: nobody overtakes, and a cheap hash behind a dear one waits for it. What keeps one address
 * from filling the queue is the throttle in front of it.
 *
 * Retry-After is honest: every refused caller is given the next free place on an imagined schedule behind the queue,
 * so that those who come back when told do not all come at once.
 */
import type { Clock } from "../prelude/world.ts";

export interface HashAdmissionSettings {
  /** Hashes that run at a time; see `hashSlots`. */
  readonly slots: number;
  /** Callers that wait, for each slot. Default 128. */
  readonly waitingPerSlot?: number;
  /** The longest expected wait, in milliseconds. Default 1000: log-ins get an answer, not a queue of seconds. */
  readonly maxWait?: number;
  /** What a default hash is taken to last until the first was measured, in milliseconds. Default 15. */
  readonly firstGuess?: number;
  readonly clock: Clock;
}

export type Admitted<T> =
  | { readonly ok: true; readonly value: T }
  /** `retryAfter` in whole seconds, 1 to 30. */
  | { readonly ok: false; readonly refusal: "overloaded"; readonly retryAfter: number }
  | { readonly ok: false; readonly refusal: "aborted" };

export interface HashAdmissionMetrics {
  readonly slots: number;
  readonly inFlight: number;
  readonly waiting: number;
  /** Since the start: finished, refused for overload, given up while they waited. */
  readonly completed: number;
  readonly refused: number;
  readonly aborted: number;
  /** Moving average of one default hash, in milliseconds. */
  readonly meanMs: number;
  /** What a caller that came now would wait, in milliseconds. */
  readonly expectedWaitMs: number;
}

export interface HashAdmission {
  /**
   * Runs a task when its turn comes. `cost` in default hashes (1); an aborted `signal` takes a waiting caller out, while
   * a task that runs is finished. What the task throws is thrown.
   */
  run<T>(task: () => Promise<T>, options?: { cost?: number; signal?: AbortSignal | undefined }): Promise<Admitted<T>>;
  metrics(): HashAdmissionMetrics;
}

const WAITING_PER_SLOT = 128;
const MAX_WAIT_MS = 1000;
const FIRST_GUESS_MS = 15;
/** How much the newest hash counts in the moving average. */
const NEWEST = 0.1;
/** A pause of the machine must not look like a slow hash: one sample moves the average no further than this factor. */
const OUTLIER = 10;
const RETRY_AFTER_SECONDS = { min: 1, max: 30 };

/** Threads of libuv's pool that hashing leaves to files, name look-ups and whatever else needs one. */
export const THREADS_LEFT_FREE = 2;

/**
 * How many hashes run at a time: a core stays free for the event loop, and threads for others.
 * @param threads the size of libuv's pool (UV_THREADPOOL_SIZE, 4 by default)
 * @param lanes of Argon2id: each runs on a thread of its own
 */
export function hashSlots({
  cores,
  threads = 4,
  lanes = 1,
}: {
  cores: number;
  threads?: number;
  lanes?: number;
}): number {
  return Math.max(1, Math.min(Math.floor((cores - 1) / lanes), threads - THREADS_LEFT_FREE));
}

interface Running {
  readonly startedAt: number;
  readonly cost: number;
}

interface Waiting {
  readonly cost: number;
  start(): void;
}

export function createHashAdmission(settings: HashAdmissionSettings): HashAdmission {
  const { slots, clock, maxWait = MAX_WAIT_MS } = settings;
  const places = slots * (settings.waitingPerSlot ?? WAITING_PER_SLOT);
  const running = new Set<Running>();
  const waiting = new Set<Waiting>();
  const counts = { completed: 0, refused: 0, aborted: 0 };
  let meanMs = settings.firstGuess ?? FIRST_GUESS_MS;
  /** The end of the imagined schedule: when the last place that was promised to a refused caller is used up. */
  let promisedUntil = 0;

  function expectedWait(): number {
    if (running.size < slots) return 0;
    const now = clock.monotonic();
    let left = 0;
    for (const { startedAt, cost } of running) left += Math.max(0, cost * meanMs - (now - startedAt));
    for (const { cost } of waiting) left += cost * meanMs;
    return left / slots;
  }

  function refuse(cost: number): { ok: false; refusal: "overloaded"; retryAfter: number } {
    const now = clock.monotonic();
    promisedUntil = Math.max(promisedUntil, now + expectedWait()) + (cost * meanMs) / slots;
    counts.refused++;
    const seconds = Math.ceil((promisedUntil - now) / 1000);
    const retryAfter = Math.min(RETRY_AFTER_SECONDS.max, Math.max(RETRY_AFTER_SECONDS.min, seconds));
    return { ok: false, refusal: "overloaded", retryAfter };
  }

  /** Takes a slot at once, so that nobody slips in between a turn that came and the work it begins. */
  function enter(cost: number): Running {
    const entry = { startedAt: clock.monotonic(), cost };
    running.add(entry);
    return entry;
  }

  async function work<T>(task: () => Promise<T>, entry: Running): Promise<T> {
    try {
      const value = await task();
      const sample = Math.min((clock.monotonic() - entry.startedAt) / entry.cost, meanMs * OUTLIER);
      meanMs += NEWEST * (sample - meanMs);
      counts.completed++;
      return value;
    } finally {
      running.delete(entry);
      const next = waiting.values().next().value;
      if (next !== undefined) next.start();
    }
  }

  /** Resolves to the slot when the turn comes, or to `undefined` where the caller left before. */
  function turn(cost: number, signal: AbortSignal | undefined): Promise<Running | undefined> {
    return new Promise((resolve) => {
      const leave = (): void => {
        waiting.delete(entry);
        counts.aborted++;
        resolve(undefined);
      };
      const entry: Waiting = {
        cost,
        start: () => {
          waiting.delete(entry);
          signal?.removeEventListener("abort", leave);
          resolve(enter(cost));
        },
      };
      waiting.add(entry);
      signal?.addEventListener("abort", leave, { once: true });
    });
  }

  return {
    async run(task, { cost = 1, signal } = {}) {
      if (signal?.aborted === true) {
        counts.aborted++;
        return { ok: false, refusal: "aborted" };
      }
      if (running.size < slots) return { ok: true, value: await work(task, enter(cost)) };
      if (waiting.size >= places || expectedWait() > maxWait) return refuse(cost);
      const slot = await turn(cost, signal);
      return slot === undefined ? { ok: false, refusal: "aborted" } : { ok: true, value: await work(task, slot) };
    },
    metrics: () => ({
      slots,
      inFlight: running.size,
      waiting: waiting.size,
      ...counts,
      meanMs,
      expectedWaitMs: expectedWait(),
    }),
  };
}

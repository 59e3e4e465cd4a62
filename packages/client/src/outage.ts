/**
 * Outages: one place that knows since when the server has not answered, when it is worth trying again, and how long a
 * caller is willing to wait for that. All callers of a client share it, so a thousand of them make one attempt.
 */
import type { Answer } from "./answer.ts";
import { ClientFault } from "./faults.ts";
import { backoffMs } from "./refresh.ts";
import { type Clock, elapsed, type Instant, instant, type Random } from "./world.ts";

export interface Outage {
  /** Milliseconds until the next attempt is due; 0 where one may be made now. */
  waitMs(): number;
  /** An attempt brought no word from the server, or "not now". */
  failed(answer: Answer): void;
  /** The server is there. */
  over(): void;
  /** Resolves when the next attempt is due; throws `unavailable` where that is beyond the caller's patience. */
  pause(since: Instant, signal?: AbortSignal): Promise<void>;
  /** Waits for work that others wait for too; throws when this caller's patience or signal ends, and lets the work go on. */
  within<T>(work: Promise<T>, since: Instant, signal?: AbortSignal): Promise<T>;
}

export function watchOutage(clock: Clock, random: Random, patienceMs: number): Outage {
  let state = { since: instant(clock), waitMs: 0, failures: 0, fault: new ClientFault("unavailable") };

  const waitMs = () => Math.max(0, state.waitMs - elapsed(state.since, instant(clock)));
  const patience = (since: Instant) => Math.max(0, patienceMs - elapsed(since, instant(clock)));

  return {
    waitMs,
    failed: ({ status, problem, retryAfterMs, cause }) => {
      const failures = state.failures + 1;
      const server = status === 0 ? undefined : { status, code: problem?.code ?? null };
      state = {
        since: instant(clock),
        waitMs: backoffMs(failures, retryAfterMs, random.fraction()),
        failures,
        fault: new ClientFault("unavailable", { cause, server, retryAfterMs }),
      };
    },
    over: () => {
      state = { since: instant(clock), waitMs: 0, failures: 0, fault: new ClientFault("unavailable") };
    },
    pause: async (since, signal) => {
      const due = waitMs();
      const left = patience(since);
      await clock.sleep(Math.min(due, left), signal);
      if (due >= left) throw state.fault;
    },
    within: async (work, since, signal) => {
      const settled = new AbortController();
      const either = signal === undefined ? settled.signal : AbortSignal.any([signal, settled.signal]);
      const end = clock.sleep(patience(since), either).then(() => {
        throw state.fault;
      });
      try {
        return await Promise.race([work, end]);
      } finally {
        settled.abort();
      }
    },
  };
}

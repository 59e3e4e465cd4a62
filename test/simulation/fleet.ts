/**
 * Many seeds on several threads. Each seed is a world of its own, so that the order in which they are run changes nothing.
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import type { Outcome } from "./simulate.ts";

/** An outcome as it crosses from one thread to another: errors keep their text alone. */
export type Report = Omit<Outcome, "found" | "trace"> & {
  /** What was found, with where it was thrown if it is a fault; null where everything held. */
  readonly found: { readonly message: string; readonly stack: string | null } | null;
  /** Of a seed in which something was found, or where it is asked for. */
  readonly trace: readonly string[];
};

export interface FleetOptions {
  readonly from: number;
  readonly seeds: number;
  /** No seed begins later than this, in milliseconds from now. */
  readonly withinMs?: number;
  readonly threads?: number;
  readonly wantsTraces?: boolean;
  /** Called for each seed as it is done; they come in no particular order. */
  readonly onReport: (report: Report) => void;
}

interface Order {
  readonly seed: number;
  readonly wantsTrace: boolean;
}

/** Runs the seeds. Rejects where a thread ends before its time. */
export async function runSeeds(options: FleetOptions): Promise<void> {
  const { from, seeds, withinMs = Number.POSITIVE_INFINITY, onReport, wantsTraces = false } = options;
  const threads = Math.min(options.threads ?? availableParallelism(), seeds);
  const began = performance.now();
  let next = from;
  const order = (): Order | null =>
    next < from + seeds && performance.now() - began < withinMs ? { seed: next++, wantsTrace: wantsTraces } : null;
  await Promise.all(
    Array.from(
      { length: threads },
      () =>
        new Promise<void>((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url));
          const give = (): void => {
            const given = order();
            if (given === null) void worker.terminate().then(() => resolve());
            else worker.postMessage(given);
          };
          worker.on("message", (report: Report) => {
            onReport(report);
            give();
          });
          worker.on("error", reject);
          give();
        }),
    ),
  );
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const { simulate } = await import("./simulate.ts");
  port.on("message", ({ seed, wantsTrace }: Order) => {
    void simulate(seed).then(({ found, trace, ...rest }) => {
      const isFault = found !== null && found.name !== "Violation";
      const report: Report = {
        ...rest,
        found: found && { message: found.message, stack: isFault ? (found.stack ?? null) : null },
        trace: found !== null || wantsTrace ? trace : [],
      };
      port.postMessage(report);
    });
  });
}

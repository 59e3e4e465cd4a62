/**
 * Many seeds on several threads. Each seed is a world of its own, so that the order in which they are run changes nothing.
 *
 *   fleet ──seed──► thread ──report──► fleet ──next seed──► …      a thread that never answers is given up, with its seed
 */
import { availableParallelism } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { FAULTS } from "./faults.ts";
import { simulationWith } from "./mutants.ts";
import { planOf } from "./plan.ts";
import { Dice } from "./random.ts";
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
  /** Infinity: until the time is over. */
  readonly seeds: number;
  /** No seed begins later than this, in milliseconds from now. */
  readonly withinMs?: number;
  readonly threads?: number | null;
  /** The name of a fault that is planted in every thread. */
  readonly fault?: string | null;
  readonly wantsTraces?: boolean;
  /**
   * Called for each seed as it is done; they come in no particular order.
   * @returns `false`: no further seed is begun; those under way are still reported
   */
  readonly onReport: (report: Report) => boolean;
}

interface Order {
  readonly seed: number;
  readonly wantsTrace: boolean;
}

/** A seed takes a fraction of a second. One that takes so long goes round in circles. */
const PATIENCE_MS = 180_000;

/** Runs the seeds. Rejects where a thread ends before its time. */
export async function runSeeds(options: FleetOptions): Promise<void> {
  const { from, seeds, withinMs = Number.POSITIVE_INFINITY, onReport, wantsTraces = false, fault = null } = options;
  const threads = Math.min(options.threads ?? availableParallelism(), seeds);
  const began = performance.now();
  let next = from;
  let stopped = false;
  const order = (): Order | null =>
    !stopped && next < from + seeds && performance.now() - began < withinMs
      ? { seed: next++, wantsTrace: wantsTraces }
      : null;
  const report = (one: Report): void => {
    if (!onReport(one)) stopped = true;
  };
  /** One thread, until there are no more seeds or one of them does not end. */
  const work = (): Promise<"done" | "stuck"> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { fault } });
      let patience: NodeJS.Timeout | undefined;
      const end = (how: "done" | "stuck"): void => void worker.terminate().then(() => resolve(how));
      const give = (): void => {
        const given = order();
        if (given === null) {
          end("done");
          return;
        }
        worker.postMessage(given);
        patience = setTimeout(() => {
          report(stuck(given.seed));
          end("stuck");
        }, PATIENCE_MS);
      };
      worker.on("message", (message: Report) => {
        clearTimeout(patience);
        report(message);
        give();
      });
      worker.on("error", (error) => {
        clearTimeout(patience);
        reject(error);
      });
      give();
    });
  const untilDone = async (): Promise<void> => {
    for (;;) if ((await work()) === "done") return;
  };
  await Promise.all(Array.from({ length: threads }, untilDone));
}

function stuck(seed: number): Report {
  const plan = planOf(seed, Dice.of(seed).split("plan"));
  const message = `the run did not end within ${PATIENCE_MS / 1000} s of real time`;
  return { seed, plan, found: { message, stack: null }, hash: "", trace: [], events: 0, asked: 0, recoveredIn: 0 };
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const planted = FAULTS.find(({ name }) => name === (workerData as { readonly fault: string | null }).fault);
  const { simulate } = planted === undefined ? await import("./simulate.ts") : await simulationWith(planted);
  port.on("message", ({ seed, wantsTrace }: Order) => {
    void simulate(seed, planted?.worlds).then(({ found, trace, ...rest }) => {
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

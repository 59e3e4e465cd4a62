/**
 * The strategy `replicated`: what a server's copy of every log-in takes, and how long a server that comes has to read until
 * it holds it. Memory is what is left after a forced collection, less what there was before.
 *
 *   Redis with N log-ins ──► snapshot ──► copy ──► heap of each, time, the longest pause of the event loop
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { systemSleep } from "../packages/server/src/prelude/world.ts";
import type { Replicated } from "../packages/server/src/storage/valkey/replicated.ts";
import { type BenchOptions, median, type Report, timed } from "./harness.ts";
import { temporaryFolder } from "./login-server.ts";
import { openValkeyEngine } from "./scale-valkey.ts";

const SIZES = [10_000, 100_000];
const SNAPSHOTS = 3;

export async function run(report: Report, { args }: BenchOptions): Promise<void> {
  const sizes =
    args
      .find((word) => word.startsWith("--sizes="))
      ?.slice(8)
      .split(",")
      .map(Number) ?? SIZES;
  const engine = await openValkeyEngine(await temporaryFolder());
  if (engine === null) {
    process.stderr.write("bench: SKIPPED: redis-server is not installed\n");
    return;
  }
  try {
    let filled = 0;
    for (const size of sizes) {
      process.stderr.write(`bench: ${size} log-ins\n`);
      await engine.fill(filled, size);
      filled = size;
      const row = (metric: string, value: number, unit: string, runs = 1) =>
        report({ case: `${size} log-ins`, subject: "mapae", metric, value, unit, runs });
      const before = held();
      const pauses: number[] = [];
      const times: number[] = [];
      const cpus: number[] = [];
      let heap = 0;
      for (let turn = 0; turn < SNAPSHOTS; turn += 1) {
        const opened = await engine.connect();
        const begun: Promise<Replicated>[] = [];
        const delay = monitorEventLoopDelay({ resolution: 1 });
        delay.enable();
        const { wall, cpu } = await timed(async () => {
          begun.push(opened.replicate(systemSleep));
          await begun[0];
        });
        delay.disable();
        pauses.push(delay.max / 1e6);
        const { copy, live } = (await begun[0]) ?? {};
        times.push(wall / 1000);
        cpus.push(cpu / size);
        if (copy?.size !== size) throw new Error(`a copy of ${copy?.size} log-ins`);
        heap = held() - before;
        await live?.close();
      }
      row("heap", heap / size, "B/log-in");
      row("in the store", (await engine.bytes()) / size, "B/log-in");
      row("snapshot", median(times), "ms", SNAPSHOTS);
      row("cpu", median(cpus), "us/log-in", SNAPSHOTS);
      // The monitor's own resolution is part of what it sees.
      row("longest pause", median(pauses), "ms", SNAPSHOTS);
    }
  } finally {
    await engine.close();
  }
}

/** Bytes in use once nothing is left to collect. */
function held(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

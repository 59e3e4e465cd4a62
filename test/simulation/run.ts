/**
 * `npm run simulate -- --seeds N [--from SEED]`: runs seeds, as many at a time as there are processors. What it says goes
 * to stderr; a seed that fails is printed on stdout with its plan and the end of its trace, and the exit code is 1.
 */
import { parseArgs } from "node:util";
import { type Report, runSeeds } from "./fleet.ts";

const TRACE_LINES = 400;
const TELL_EVERY = 50;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    /** Begin no seed after so many seconds. */
    seconds: { type: "string" },
    /** The whole trace of every seed, also of those that hold. */
    trace: { type: "boolean", default: false },
  },
});
const from = whole("from", values.from);
const seeds = whole("seeds", values.seeds);
const withinMs = values.seconds === undefined ? Number.POSITIVE_INFINITY : whole("seconds", values.seconds) * 1000;

function whole(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  process.stderr.write(`simulate: --${name} must be a whole number\n`);
  process.exit(2);
}

const began = performance.now();
const sums = { done: 0, failed: 0, events: 0, asked: 0 };
await runSeeds({
  ...{ from, seeds, withinMs },
  wantsTraces: values.trace,
  onReport: (report) => {
    sums.done += 1;
    sums.events += report.events;
    sums.asked += report.asked;
    if (report.found !== null) sums.failed += 1;
    if (report.found !== null || values.trace) print(report);
    if (sums.done % TELL_EVERY === 0) tellProgress();
  },
});
if (sums.done % TELL_EVERY !== 0) tellProgress();
process.exitCode = sums.failed === 0 ? 0 : 1;

function tellProgress(): void {
  const took = (performance.now() - began) / 1000;
  const { done, events, asked, failed } = sums;
  process.stderr.write(
    `${done} seeds from ${from} in ${took.toFixed(1)} s: ${events} events, ${asked} tokens judged, ${failed} failed\n`,
  );
}

function print({ seed, plan, found, trace, hash }: Report): void {
  const shown = values.trace ? trace : trace.slice(-TRACE_LINES);
  const finding = found === null ? "everything held" : found.message;
  const lines = [`seed ${seed}: ${finding}`, ...(found?.stack ? [found.stack] : []), JSON.stringify(plan), ...shown];
  process.stdout.write(`${lines.join("\n")}\ntrace ${hash}\n`);
  if (found !== null) process.stdout.write(`again: npm run simulate -- --seeds 1 --from ${seed}\n`);
  process.stdout.write("\n");
}

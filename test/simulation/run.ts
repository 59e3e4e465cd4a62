/**
 * `npm run simulate -- --seeds N [--from SEED]`: runs seeds one after the other. What it says goes to stderr; a seed that
 * fails is printed on stdout with its plan and the end of its trace, and the exit code is 1.
 */
import { parseArgs } from "node:util";
import { type Outcome, simulate } from "./simulate.ts";

const TRACE_LINES = 400;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    /** Stop after so many seconds, however many seeds that were. */
    seconds: { type: "string" },
    /** The whole trace of every seed, also of those that hold. */
    trace: { type: "boolean", default: false },
  },
});
const from = whole("from", values.from);
const seeds = whole("seeds", values.seeds);
const seconds = values.seconds === undefined ? Number.POSITIVE_INFINITY : whole("seconds", values.seconds);

function whole(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  process.stderr.write(`simulate: --${name} must be a whole number\n`);
  process.exit(2);
}

const began = performance.now();
let done = 0;
let failed = 0;
let events = 0;
let asked = 0;
for (let seed = from; seed < from + seeds && performance.now() - began < seconds * 1000; seed += 1) {
  const outcome = await simulate(seed);
  done += 1;
  events += outcome.events;
  asked += outcome.asked;
  if (values.trace) process.stdout.write(`${outcome.trace.join("\n")}\n${outcome.hash}\n`);
  if (outcome.found !== null) {
    failed += 1;
    print(outcome);
  }
  if (done % 20 === 0) tellProgress();
}
tellProgress();
process.exitCode = failed === 0 ? 0 : 1;

function tellProgress(): void {
  const took = (performance.now() - began) / 1000;
  const each = ((took / done) * 1000).toFixed(0);
  process.stderr.write(
    `${done} seeds from ${from} in ${took.toFixed(1)} s (${each} ms each): ${events} events, ${asked} tokens judged, ${failed} failed\n`,
  );
}

function print({ seed, plan, found, trace }: Outcome): void {
  const lines = [
    `seed ${seed}: ${found?.message}`,
    ...(found?.name === "Violation" ? [] : [found?.stack ?? ""]),
    JSON.stringify(plan),
    ...trace.slice(-TRACE_LINES),
    `again: npm run simulate -- --seeds 1 --from ${seed}`,
    "",
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

/**
 * `npm run simulate -- --seeds N [--from SEED] [--minutes M] [--fault NAME]`: runs seeds, as many at a time as there are
 * processors. How it goes is told on stderr. On stdout a seed that fails is printed with its plan, the end of its trace and
 * the command that repeats it, and at the end comes one line that sums up.
 */
import { HELP, type Run, readCommand } from "./command.ts";
import { type Report, runSeeds } from "./fleet.ts";

const TRACE_LINES = 400;
/** How often it is told how it goes: a terminal's line is written over, a log's is added. */
const TELL_EVERY_MS = process.stderr.isTTY ? 500 : 10_000;

const command = readCommand(process.argv.slice(2));
if (command.is === "help") process.stdout.write(HELP);
else if (command.is === "refused") {
  process.stderr.write(`simulate: ${command.why}\n`);
  process.exitCode = 2;
} else process.exitCode = await run(command.run);

async function run({ fault, ...order }: Run): Promise<number> {
  const began = performance.now();
  const failed: number[] = [];
  let [done, events, asked, recoveredIn, toldAt] = [0, 0, 0, 0, began];
  let interrupted = false;
  const interrupt = (): void => {
    interrupted = true;
  };
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);

  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const sums = (): string =>
    `${events} events, ${asked} tokens judged, ${seconds(performance.now() - began)}; trust came back within ${seconds(recoveredIn)}`;
  const tell = (): void => {
    toldAt = performance.now();
    const line = `${done} seeds from ${order.from}, ${failed.length} failed: ${sums()}`;
    process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${line}` : `${line}\n`);
  };

  await runSeeds({
    ...order,
    fault,
    onReport: (report) => {
      done += 1;
      events += report.events;
      asked += report.asked;
      recoveredIn = Math.max(recoveredIn, report.recoveredIn || 0);
      if (report.found !== null) failed.push(report.seed);
      if (report.found !== null || order.wantsTraces) print(report, fault, order.wantsTraces);
      if (performance.now() - toldAt >= TELL_EVERY_MS) tell();
      return !interrupted && (fault === null || failed.length === 0);
    },
  });
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  failed.sort((one, other) => one - other);
  const [first] = failed;
  if (fault !== null) {
    const what = `"${fault}" was ${first === undefined ? `not caught by ${done} seeds` : `caught by seed ${first}`}`;
    process.stdout.write(`${what}: ${sums()}\n`);
    return first === undefined ? 1 : 0;
  }
  const which = done === 0 ? "no seed was run" : `${done} seeds from ${order.from}`;
  const how = first === undefined ? "everything held" : `${failed.length} FAILED (${failed.join(", ")})`;
  process.stdout.write(`${which}, ${how}: ${sums()}\n`);
  if (interrupted) return 130;
  return first === undefined && done > 0 ? 0 : 1;
}

function print({ seed, plan, found, trace, hash }: Report, fault: string | null, whole: boolean): void {
  const finding = found === null ? "everything held" : found.message;
  const lines = [
    `seed ${seed}: ${finding}`,
    ...(found?.stack ? [found.stack] : []),
    JSON.stringify(plan),
    ...(whole ? trace : trace.slice(-TRACE_LINES)),
    `trace ${hash}`,
  ];
  if (found !== null) {
    const planted = fault === null ? "" : ` --fault ${JSON.stringify(fault)}`;
    lines.push(`again: npm run simulate -- --seeds 1 --from ${seed}${planted}`);
  }
  process.stdout.write(`${lines.join("\n")}\n\n`);
}

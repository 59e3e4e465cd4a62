/**
 * `npm run lab`: where does the log-in live when there are three servers? Starts the real programs, plays the story under
 * each strategy and fault, and says what was right.
 *
 *   stderr  what is being done        stdout  rows (--json: one a line; else a table)        --out  the report
 *
 * Exit code 0: every promise was kept. 1: one was broken, and the rows say which. 2: the lab could not be run.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { formatDuration, parseDuration } from "../../../packages/server/src/prelude/duration.ts";
import { STRATEGIES, STRATEGY_NAMES } from "../../../packages/server/src/sessions/strategy.ts";
import { Clean } from "./clean.ts";
import { FAULT_NAMES, FAULTS } from "./faults.ts";
import { circumstancesOf } from "./machine.ts";
import { type Asked, play } from "./play.ts";
import type { Timeline } from "./report/charts.ts";
import { pageOf, shown } from "./report/page.ts";
import type { Row } from "./row.ts";
import { missing, openStores } from "./stores.ts";

const USAGE = `npm run lab -- [options]

  --quick               200 users, five faults, one seed: within two minutes
  --strategy <name>     ${STRATEGY_NAMES.join(", ")}; may stand several times (default: all)
  --fault <name>        ${FAULT_NAMES.join(", ")}; may stand several times (default: all)
  --users <n>           how many people there are (default: 900; quick: 200; chaos: 300)
  --servers <n>         how many servers (default: 3)
  --seeds <n>           how often, each time with another seed (default: 5; quick: 1)
  --from <seed>         the first seed (default: 1)
  --watch <seconds>     how long each fault is watched (default: 10; quick: 2.5)
  --chaos <duration>    random faults instead, two at a time, for so long in all (20m)
  --json                rows as JSON on stdout, one a line
  --out <file>          where the report goes (default: lab.html; with --quick: none)
  --help
`;

/** Random faults are for those that promise to live through them. */
const STEADFAST = STRATEGY_NAMES.filter((name) => STRATEGIES[name].promises.anyServer === "answers");

class Usage extends Error {}

function number(text: string | undefined, preset: number, least: number, most: number, name: string): number {
  const value = text === undefined ? preset : Number(text);
  if (!Number.isFinite(value) || value < least || value > most)
    throw new Usage(`--${name} is from ${least} to ${most}.`);
  return value;
}

function named<T extends string>(texts: readonly string[] | undefined, all: readonly T[], name: string): readonly T[] {
  return (texts ?? []).map((text) => {
    const found = all.find((each) => each === text);
    if (found === undefined) throw new Usage(`--${name} ${text}: there is ${all.join(", ")}.`);
    return found;
  });
}

function asked(args: readonly string[]): Asked | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ quick: { type: "boolean" }, json: { type: "boolean" }, help: { type: "boolean" } },
      ...{ strategy: { type: "string", multiple: true }, fault: { type: "string", multiple: true } },
      ...{
        users: { type: "string" },
        servers: { type: "string" },
        seeds: { type: "string" },
        from: { type: "string" },
      },
      ...{ watch: { type: "string" }, out: { type: "string" }, chaos: { type: "string" } },
    },
  });
  if (values.help === true) return null;
  const quick = values.quick === true;
  const chaos = values.chaos === undefined ? null : parseDuration(values.chaos);
  if (chaos === undefined || (chaos !== null && chaos < CHAOS_LEAST_MS)) {
    throw new Usage(`--chaos is a duration from ${formatDuration(CHAOS_LEAST_MS)}, as 20m.`);
  }
  const strategies = named(values.strategy, STRATEGY_NAMES, "strategy");
  const faults = named(values.fault, FAULT_NAMES, "fault");
  const from = Math.floor(number(values.from, 1, 0, 2 ** 31, "from"));
  const seeds = Math.floor(number(values.seeds, quick || chaos !== null ? 1 : 5, 1, 100, "seeds"));
  const chosen = strategies.length > 0 ? strategies : chaos === null ? STRATEGY_NAMES : STEADFAST;
  const usual = FAULT_NAMES.filter((name) => !quick || FAULTS[name].quick);
  return {
    strategies: chosen,
    seeds: Array.from({ length: seeds }, (_, index) => from + index),
    pace: {
      users: Math.floor(number(values.users, quick ? 200 : chaos !== null ? 300 : 900, 10, 50_000, "users")),
      watchMs: 1000 * number(values.watch, quick ? 2.5 : 10, 0.5, 600, "watch"),
      pauseMs: quick ? 700 : 1500,
      forcedLogouts: quick ? 10 : 40,
      faults: faults.length > 0 ? faults : usual,
    },
    servers: Math.floor(number(values.servers, 3, 2, 8, "servers")),
    json: values.json === true,
    out: values.out ?? (quick || chaos !== null ? null : "lab.html"),
    quick,
    chaosMs: chaos === null ? null : chaos / chosen.length / seeds,
  };
}

const CHAOS_LEAST_MS = 10_000;

export async function main(args: readonly string[]): Promise<number> {
  let it: Asked | null;
  try {
    it = asked(args);
  } catch (error) {
    process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (it === null) {
    process.stdout.write(USAGE);
    return 0;
  }
  const absent = missing();
  if (absent.length > 0) {
    const line = `the lab needs ${absent.join(", ")}, and this machine has none`;
    process.stderr.write(process.env.CI === "true" ? `lab: ${line}\n` : `SKIPPED: ${line}.\n`);
    return process.env.CI === "true" ? 2 : 0;
  }
  const started = performance.now();
  const live = process.stderr.isTTY === true;
  const say = (line: string): void => {
    const seconds = Math.round((performance.now() - started) / 1000);
    process.stderr.write(`${live ? "\r\x1b[K" : ""}lab ${String(seconds).padStart(4)} s  ${line}${live ? "" : "\n"}`);
  };
  const clean = new Clean();
  const interrupted = (): void => {
    void clean.up().finally(() => process.exit(130));
  };
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);
  try {
    say("starting PostgreSQL");
    const stores = await openStores(clean, it.pace.users);
    const rows: Row[] = [];
    const timelines: Timeline[] = [];
    const keep = (found: readonly Row[]): void => {
      rows.push(...found);
      if (it.json) for (const row of found) process.stdout.write(`${JSON.stringify(row)}\n`);
    };
    const chart = (timeline: Timeline): void => void timelines.push(timeline);
    await play({ asked: it, clean, say, keep, chart }, stores);
    if (live) process.stderr.write("\r\x1b[K");
    const broken = rows.filter(({ kept }) => kept === false);
    if (!it.json) process.stdout.write(`${summary(rows)}\n`);
    if (it.out !== null) {
      const file = resolve(process.env.INIT_CWD ?? ".", it.out);
      mkdirSync(dirname(file), { recursive: true });
      const command = `npm run lab -- ${args.join(" ")}`.trim();
      const circumstances = circumstancesOf(it.pace, it.seeds, it.servers, await stores.versions());
      writeFileSync(file, pageOf({ rows, timelines, circumstances, command }));
      process.stderr.write(`lab: the report is ${file}\n`);
    }
    for (const row of broken) {
      process.stderr.write(
        `lab: BROKEN: ${row.strategy}, ${row.fault}: ${row.metric} is ${shown(row.value, row.unit)}, promised ${row.promised} (seed ${row.seed})\n`,
      );
    }
    process.stderr.write(
      broken.length === 0 ? "lab: every promise was kept\n" : `lab: ${broken.length} promises broken\n`,
    );
    return broken.length === 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`\nlab: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 2;
  } finally {
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
    await clean.up();
  }
}

function summary(rows: readonly Row[]): string {
  return rows
    .map((row) =>
      [
        row.strategy.padEnd(10),
        row.fault.padEnd(26),
        row.metric.padEnd(22),
        shown(row.value, row.unit).padStart(12),
        row.promised === null ? "" : `promised ${row.promised}${row.kept === false ? "  BROKEN" : ""}`,
      ]
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));

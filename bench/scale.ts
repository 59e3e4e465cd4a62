/**
 * What log-ins cost when there are many of them, and several servers.
 *
 *   engines   the driver's refresh beside the bare engine at the same statement, in one process, with 10⁴ to 10⁶ log-ins
 *             in the database (10⁷ with --full): rate, ratio, CPU of this process and of the engine
 *   nodes     the whole over HTTP: 1, 2 and 4 login servers on one PostgreSQL, and with log-ins in Redis beside it
 *
 *   npm run bench -- scale [--only=sqlite,postgres,valkey,nodes] [--sizes=10000,…] [--full] [--nodes=1,2,4] [--connections=64]
 */
import { freemem } from "node:os";
import { type BenchOptions, median, pairedRatio, type Report, timed } from "./harness.ts";
import { temporaryFolder } from "./login-server.ts";
import { type Done, driven, type Engine, type Held } from "./scale-engines.ts";
import { measureNodes, PLAN } from "./scale-nodes.ts";
import { openPostgresEngine } from "./scale-postgres.ts";
import { openSqliteEngine } from "./scale-sqlite.ts";
import { openValkeyEngine } from "./scale-valkey.ts";

const SIZES = [10_000, 100_000, 1_000_000];
const FULL = 10_000_000;
const ROUNDS = 5;
const SECONDS = 1.5;
/** So many of the log-ins are refreshed, drawn from all over. */
const SAMPLE = 6400;

const OPENERS: Readonly<Record<string, (folder: string) => Promise<Engine | null>>> = {
  sqlite: openSqliteEngine,
  postgres: openPostgresEngine,
  valkey: openValkeyEngine,
};

export async function run(report: Report, { args }: BenchOptions): Promise<void> {
  const given = (name: string) => args.find((word) => word.startsWith(`--${name}=`))?.split("=")[1];
  const only = given("only")?.split(",") ?? [...Object.keys(OPENERS), "nodes"];
  const sizes = given("sizes")?.split(",").map(Number) ?? [...SIZES, ...(args.includes("--full") ? [FULL] : [])];
  for (const [name, open] of Object.entries(OPENERS)) {
    if (!only.includes(name)) continue;
    const engine = await open(await temporaryFolder());
    if (engine === null) {
      process.stderr.write(`bench: SKIPPED: ${name} is not installed\n`);
      continue;
    }
    try {
      await measureSizes(report, engine, sizes);
    } finally {
      await engine.close();
    }
  }
  if (!only.includes("nodes")) return;
  await measureNodes(report, {
    nodes: given("nodes")?.split(",").map(Number) ?? PLAN.nodes,
    connections: Number(given("connections") ?? PLAN.connections),
  });
}

async function measureSizes(report: Report, engine: Engine, sizes: readonly number[]): Promise<void> {
  let filled = 0;
  let bytesEach = 0;
  const known = new Map<number, Held>();
  const empty = await engine.bytes();
  for (const size of sizes) {
    if ((size - filled) * bytesEach > freemem() / 2) {
      process.stderr.write(`bench: SKIPPED: ${engine.name} with ${size} log-ins would take half of the free memory\n`);
      return;
    }
    const began = performance.now();
    await engine.fill(filled, size);
    filled = size;
    bytesEach = ((await engine.bytes()) - empty) / size;
    const seconds = Math.round((performance.now() - began) / 1000);
    process.stderr.write(`bench: ${engine.name}: ${size} log-ins, filled in ${seconds} s\n`);
    await measure(report, engine, size, known);
    report({
      ...{ case: `${size} log-ins`, subject: `mapae, ${engine.name}` },
      ...{ metric: "size", value: bytesEach, unit: "B/log-in", runs: 1 },
    });
  }
}

interface Round {
  readonly perSecond: number;
  /** Microseconds per refresh. */
  readonly own: number;
  readonly engine: number | null;
}

async function round(engine: Engine, work: () => Promise<Done>): Promise<Round> {
  const before = await engine.cpuSeconds();
  let done: Done = { count: 0, seconds: 0 };
  const { cpu } = await timed(async () => {
    done = await work();
  });
  const after = await engine.cpuSeconds();
  return {
    perSecond: done.count / done.seconds,
    own: cpu / done.count,
    engine: before === null || after === null ? null : ((after - before) * 1e6) / done.count,
  };
}

async function measure(report: Report, engine: Engine, size: number, known: Map<number, Held>): Promise<void> {
  const held = sample(engine, size, known);
  const subjects = { mapae: () => driven(engine, held, SECONDS), limit: () => engine.bare(held, SECONDS) };
  // Warm, and what was just written is in nobody's way.
  await subjects.mapae();
  await subjects.limit();
  const rounds: Record<keyof typeof subjects, Round[]> = { mapae: [], limit: [] };
  for (let index = 0; index < ROUNDS; index += 1) {
    const order = index % 2 === 0 ? (["mapae", "limit"] as const) : (["limit", "mapae"] as const);
    for (const subject of order) rounds[subject].push(await round(engine, subjects[subject]));
  }
  for (const subject of ["mapae", "limit"] as const) {
    const all = rounds[subject];
    const row = (metric: string, value: number, unit: string) =>
      report({ case: `${size} log-ins`, subject: `${subject}, ${engine.name}`, metric, value, unit, runs: ROUNDS });
    row("rate", median(all.map(({ perSecond }) => perSecond)), "1/s");
    row("cpu", median(all.map(({ own }) => own)), "us");
    const engines = all.flatMap(({ engine: cpu }) => (cpu === null ? [] : [cpu]));
    if (engines.length > 0) row("cpu of the engine", median(engines), "us");
    if (subject === "mapae") {
      const [ours, theirs] = [rounds.mapae, rounds.limit].map((each) => each.map(({ perSecond }) => perSecond));
      row("of limit", pairedRatio(ours ?? [], theirs ?? []), "ratio");
    }
  }
}

/** Log-ins from all over the database, drawn by a fixed rule; each as it is now. */
function sample(engine: Engine, size: number, known: Map<number, Held>): Held[] {
  // A step that shares no factor with the sizes walks over all of them without meeting one twice.
  const step = 7_368_787;
  const indices = new Set(
    Array.from({ length: Math.min(SAMPLE, size) }, (_, index) => (index * step + size - 1) % size),
  );
  return [...indices].map((index) => {
    const held = known.get(index) ?? { secretId: engine.secretOf(index), generation: 1 };
    known.set(index, held);
    return held;
  });
}

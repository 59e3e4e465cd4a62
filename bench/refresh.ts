/**
 * A full HTTP refresh on SQLite with `synchronous=FULL`: 64 connections, the load generator on the same machine. Beside
 * it, round by round, its two limits: the bare rotation on the same file, grouped 64 to a commit, with no HTTP, no token
 * and no other thread; and bare node:http under the same load generator, with no database.
 *
 *   round:  server up ── 64 connections refresh for some seconds ── server down ── bare rotation ── bare node:http
 */
import { fork } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { median, pairedRatio, type Report } from "./harness.ts";
import { Connection, closedLoop, percentile } from "./load.ts";
import { type LoggedIn, logIn, refresh, startLoginServer, temporaryFolder } from "./login-server.ts";

const CONNECTIONS = 64;
const SECONDS = 3;
const ROUNDS = 5;
const IDLE_MS = 14 * 86_400_000;

interface Figures {
  readonly perSecond: number;
  readonly cpu: number;
  readonly p50: number;
  readonly p99: number;
}

export async function run(report: Report): Promise<void> {
  const data = await temporaryFolder();
  const file = join(data, "database", "mapae.db");
  const held: LoggedIn[] = [];
  const mapae: Figures[] = [];
  const bare: number[] = [];
  const http: Figures[] = [];
  const rows: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    process.stderr.write(`bench: round ${round + 1} of ${ROUNDS}\n`);
    mapae.push(await serverRound(data, held, round === 0));
    rows.push(countRows(file));
    bare.push(bareRound(file));
    http.push(await httpRound());
  }
  const runs = ROUNDS;
  const row = (subject: string, metric: string, value: number, unit: string) =>
    report({ case: "64 connections", subject, metric, value, unit, runs });
  row("limit", "rate", median(bare), "1/s");
  row(`node:http ${process.versions.node}`, "rate", median(http.map(({ perSecond }) => perSecond)), "1/s");
  row(`node:http ${process.versions.node}`, "cpu", median(http.map(({ cpu }) => cpu)), "us");
  row("mapae", "rate", median(mapae.map(({ perSecond }) => perSecond)), "1/s");
  row("mapae", "cpu", median(mapae.map(({ cpu }) => cpu)), "us");
  row("mapae", "p50", median(mapae.map(({ p50 }) => p50)), "ms");
  row("mapae", "p99", median(mapae.map(({ p99 }) => p99)), "ms");
  row(
    "mapae",
    "of limit",
    pairedRatio(
      mapae.map(({ perSecond }) => perSecond),
      bare,
    ),
    "ratio",
  );
  row("mapae", "rows added by refreshing", (rows.at(-1) ?? 0) - (rows[0] ?? 0), "rows");
}

async function serverRound(data: string, held: LoggedIn[], first: boolean): Promise<Figures> {
  const server = await startLoginServer(data);
  try {
    const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => Connection.open(server.port)));
    if (first) {
      for (const [index, connection] of connections.entries()) held.push(await logIn(connection, `user-${index % 8}`));
    }
    const steps = connections.map((connection, index) => {
      const own = held[index];
      if (own === undefined) throw new Error("a connection without its session");
      return () => refresh(connection, own);
    });
    await closedLoop(steps, 1); // warm
    const figures = await loaded(steps, SECONDS, server.cpuSeconds);
    for (const connection of connections) connection.close();
    return figures;
  } finally {
    await server.stop();
  }
}

/** The same requests to a server that does nothing. */
async function httpRound(): Promise<Figures> {
  const child = fork(fileURLToPath(new URL("./bare-http.ts", import.meta.url)), { execArgv: process.execArgv });
  const port = await new Promise<number>((resolve) => child.once("message", (message) => resolve(Number(message))));
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => Connection.open(port)));
  const json = JSON.stringify({ refresh_token: "x".repeat(76) });
  const steps = connections.map((connection) => async () => {
    await connection.send("POST", "/v1/sessions/refresh", { json });
  });
  const cpuSeconds = async () => Number(await (await fetch(`http://127.0.0.1:${port}/cpu`)).text());
  await closedLoop(steps, 0.5);
  const figures = await loaded(steps, 1.5, cpuSeconds);
  for (const connection of connections) connection.close();
  child.disconnect();
  return figures;
}

async function loaded(
  steps: readonly (() => Promise<void>)[],
  seconds: number,
  cpuSeconds: () => Promise<number>,
): Promise<Figures> {
  const before = await cpuSeconds();
  const load = await closedLoop(steps, seconds);
  const cpu = ((await cpuSeconds()) - before) / load.done;
  return {
    perSecond: load.done / load.seconds,
    cpu: cpu * 1e6,
    p50: percentile(load.latencies, 0.5),
    p99: percentile(load.latencies, 0.99),
  };
}

/** Rotations per second of the bare statement: a compare-and-swap of one row, 64 to a commit. */
function bareRound(file: string): number {
  const db = new DatabaseSync(file);
  try {
    db.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
    const ids = db.prepare("SELECT secret_id, generation FROM grants LIMIT ?").all(CONNECTIONS);
    const grants = ids.map((row) => ({ id: row.secret_id as Uint8Array, generation: Number(row.generation) }));
    const rotate = db.prepare(
      "UPDATE grants SET generation = generation + 1, rotated_at = ?, used_at = ?, idle_expires_at = ? WHERE secret_id = ? AND generation = ?",
    );
    db.exec("BEGIN");
    for (let index = 0; index < 200; index += 1) rotateAll(rotate, grants);
    db.exec("ROLLBACK"); // warm; and what it did is undone
    for (const grant of grants) grant.generation -= 200;
    let done = 0;
    const start = performance.now();
    while (performance.now() - start < 1500) {
      db.exec("BEGIN IMMEDIATE");
      rotateAll(rotate, grants);
      db.exec("COMMIT");
      done += grants.length;
    }
    const seconds = (performance.now() - start) / 1000;
    // The server's clients still hold the generations from before: what was rotated here is put back.
    const back = db.prepare("UPDATE grants SET generation = generation - ? WHERE secret_id = ?");
    for (const { id } of grants) back.run(done / grants.length, id);
    return done / seconds;
  } finally {
    db.close();
  }
}

function rotateAll(
  statement: ReturnType<DatabaseSync["prepare"]>,
  grants: readonly { id: Uint8Array; generation: number }[],
): void {
  const now = Date.now();
  for (const grant of grants) {
    const { changes } = statement.run(now, now, now + IDLE_MS, grant.id, grant.generation);
    if (changes !== 1) throw new Error("a rotation that found no row");
    grant.generation += 1;
  }
}

function countRows(file: string): number {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all();
    return tables.reduce(
      (sum, { name }) => sum + Number(db.prepare(`SELECT count(*) AS n FROM "${name}"`).get()?.n),
      0,
    );
  } finally {
    db.close();
  }
}

/**
 * Several login servers in processes of their own, as they are run: on one PostgreSQL, and with their log-ins in Redis
 * beside it. Every app refreshes at each server in turn, so that none is served by what one server happens to remember.
 *
 *      connections ──► node 1 ┐
 *                  ──► node 2 ├──► PostgreSQL ( + Redis )
 *                  ──► …      ┘
 *
 * All on one machine, with the load generator: the rate ends where its cores end, so the CPU of a refresh says more.
 */
import { randomBytes } from "node:crypto";
import { median, type Report } from "./harness.ts";
import { Connection, closedLoop, percentile } from "./load.ts";
import { type LoggedIn, type LoginServer, logIn, refresh, startLoginServer, temporaryFolder } from "./login-server.ts";
import { inTurn } from "./scale-engines.ts";
import { openPostgresEngine } from "./scale-postgres.ts";
import { openValkeyEngine } from "./scale-valkey.ts";

export interface Plan {
  /** How many servers, one figure after the other. */
  readonly nodes: readonly number[];
  /** How many refreshes are under way at a time, over all of them. */
  readonly connections: number;
}

export const PLAN: Plan = { nodes: [1, 2, 4], connections: 64 };
const ROUNDS = 3;
const SECONDS = 3;
/** For each node: one that serves a part of the requests is warm later. */
const WARM_SECONDS = 3;
const USERS = 8;

interface Lane {
  readonly held: LoggedIn;
  readonly next: () => Connection;
}

export async function measureNodes(report: Report, plan: Plan): Promise<void> {
  const postgres = await openPostgresEngine();
  if (postgres === null) {
    process.stderr.write("bench: SKIPPED: PostgreSQL is not installed, and nodes share one\n");
    return;
  }
  const valkey = await openValkeyEngine(await temporaryFolder());
  try {
    const shared = { MAPAE_SECRET: randomBytes(32).toString("base64url") };
    const database = async () => ({ ...shared, MAPAE_DATABASE_URL: await postgres.database() });
    await measureOn(report, plan, postgres.name, await database());
    if (valkey === null) process.stderr.write("bench: SKIPPED: redis-server is not installed\n");
    else {
      const settings = { MAPAE_VALKEY_URL: valkey.server.url, MAPAE_VALKEY_PREFIX: "nodes:" };
      await measureOn(report, plan, valkey.name, { ...(await database()), ...settings });
    }
  } finally {
    await valkey?.close();
    await postgres.close();
  }
}

async function measureOn(report: Report, plan: Plan, where: string, settings: Record<string, string>): Promise<void> {
  const held: LoggedIn[] = [];
  const folder = await temporaryFolder();
  for (const count of plan.nodes) {
    process.stderr.write(`bench: ${count} nodes on ${where}\n`);
    const nodes: LoginServer[] = [];
    const open: Connection[] = [];
    try {
      for (let node = 0; node < count; node += 1) nodes.push(await startLoginServer(`${folder}/${node}`, settings));
      const lanes: Lane[] = [];
      for (let lane = 0; lane < plan.connections; lane += 1) {
        const own = await Promise.all(nodes.map(({ port }) => Connection.open(port)));
        open.push(...own);
        const next = inTurn(own);
        // One after the other: as many at once would be told to come back later.
        held[lane] ??= await logIn(next(), `user-${lane % USERS}`);
        lanes.push({ held: held[lane] as LoggedIn, next });
      }
      await measureNodesOf(report, `${count} nodes, ${plan.connections} connections`, where, nodes, lanes);
    } finally {
      for (const connection of open) connection.close();
      await Promise.all(nodes.map((node) => node.stop()));
    }
  }
}

async function measureNodesOf(
  report: Report,
  nodesOf: string,
  where: string,
  nodes: readonly LoginServer[],
  lanes: readonly Lane[],
): Promise<void> {
  const steps = lanes.map(
    ({ held, next }) =>
      () =>
        refresh(next(), held),
  );
  const cpuSeconds = async () => (await Promise.all(nodes.map((node) => node.cpuSeconds()))).reduce((a, b) => a + b, 0);
  await closedLoop(steps, WARM_SECONDS * nodes.length);
  const rates: number[] = [];
  const cpus: number[] = [];
  const latencies: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = await cpuSeconds();
    const load = await closedLoop(steps, SECONDS);
    cpus.push((((await cpuSeconds()) - before) * 1e6) / load.done);
    rates.push(load.done / load.seconds);
    latencies.push(percentile(load.latencies, 0.99));
  }
  const row = (metric: string, value: number, unit: string) =>
    report({ case: nodesOf, subject: `mapae, ${where}`, metric, value, unit, runs: ROUNDS });
  row("rate", median(rates), "1/s");
  row("cpu", median(cpus), "us");
  row("p99", median(latencies), "ms");
}

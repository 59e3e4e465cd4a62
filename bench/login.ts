/**
 * Log-ins. First the rate, beside bare Argon2id at the same concurrency: what the rest of a log-in costs. Then a storm:
 * log-ins paced at four times what can be hashed, while others refresh and ask who they are; those must not notice, and
 * the excess must be told to come back rather than wait for seconds.
 */
import { availableParallelism } from "node:os";
import { hash } from "@node-rs/argon2";
import { median, pairedRatio, type Report, timed } from "./harness.ts";
import { Connection, closedLoop, percentile } from "./load.ts";
import {
  type LoggedIn,
  type LoginServer,
  logIn,
  PASSWORD,
  refresh,
  startLoginServer,
  temporaryFolder,
} from "./login-server.ts";

const ROUNDS = 5;
const SECONDS = 3;
/** The defaults of the server: m = 19 MiB, t = 2, p = 1 (OWASP). */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
/** How many the server hashes at a time on this machine. */
const SLOTS = Math.max(1, Math.min(availableParallelism() - 1, 2));
const STORM = 4;
/** Requests per second of the bystanders, as many sessions: a refresh and a `/v1/me` each time. */
const BYSTANDERS = 40;

const CREDENTIALS = JSON.stringify({ identifier: "storm", password: PASSWORD });

export async function run(report: Report): Promise<void> {
  const server = await startLoginServer(await temporaryFolder());
  try {
    const first = await Connection.open(server.port);
    const bystanders: LoggedIn[] = [];
    for (let index = 0; index < BYSTANDERS; index += 1) bystanders.push(await logIn(first, "bystander"));
    await logIn(first, "storm");
    const rate = await rates(report, server);
    await storm(report, server, bystanders, rate);
  } finally {
    await server.stop();
  }
}

/** Log-ins per second, beside bare hashing; returns the median of the former. */
async function rates(report: Report, server: LoginServer): Promise<number> {
  const connections = await Promise.all(Array.from({ length: SLOTS * 4 }, () => Connection.open(server.port)));
  const steps = connections.map((connection) => () => expect201(connection));
  const mapae: number[] = [];
  const bare: number[] = [];
  await closedLoop(steps, 1);
  for (let round = 0; round < ROUNDS; round += 1) {
    process.stderr.write(`bench: rate, round ${round + 1} of ${ROUNDS}\n`);
    const load = await closedLoop(steps, SECONDS);
    mapae.push(load.done / load.seconds);
    bare.push(await bareRate());
  }
  for (const connection of connections) connection.close();
  const row = (subject: string, metric: string, value: number, unit: string) =>
    report({ case: "log in", subject, metric, value, unit, runs: ROUNDS });
  row("limit", "rate", median(bare), "1/s");
  row("mapae", "rate", median(mapae), "1/s");
  row("mapae", "of limit", pairedRatio(mapae, bare), "ratio");
  return median(mapae);
}

async function expect201(connection: Connection): Promise<void> {
  const answer = await connection.send("POST", "/v1/sessions", { json: CREDENTIALS });
  if (answer.status !== 201) throw new Error(`log-in answered ${answer.status}: ${answer.body}`);
}

async function bareRate(): Promise<number> {
  let done = 0;
  const { wall } = await timed(async () => {
    const until = performance.now() + SECONDS * 1000;
    const worker = async () => {
      while (performance.now() < until) {
        await hash(PASSWORD, PARAMETERS);
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: SLOTS }, worker));
  });
  return done / (wall / 1e6);
}

interface Bystanding {
  readonly refreshes: number[];
  readonly me: number[];
}

async function storm(report: Report, server: LoginServer, held: readonly LoggedIn[], capacity: number): Promise<void> {
  const quiet: { refresh: number[]; me: number[] } = { refresh: [], me: [] };
  const under: { refresh: number[]; me: number[] } = { refresh: [], me: [] };
  const accepted: number[] = [];
  const refused: number[] = [];
  const slowest: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    process.stderr.write(`bench: storm, round ${round + 1} of ${ROUNDS}\n`);
    const calm = await bystand(server, held, SECONDS);
    const [shaken, logins] = await Promise.all([
      bystand(server, held, SECONDS),
      paced(server, capacity * STORM, SECONDS),
    ]);
    quiet.refresh.push(percentile(calm.refreshes, 0.99));
    quiet.me.push(percentile(calm.me, 0.99));
    under.refresh.push(percentile(shaken.refreshes, 0.99));
    under.me.push(percentile(shaken.me, 0.99));
    accepted.push(logins.accepted);
    refused.push(logins.refused);
    slowest.push(percentile(logins.latencies, 0.99));
  }
  const row = (metric: string, values: readonly number[], unit: string) =>
    report({ case: `storm of ${STORM}x`, subject: "mapae", metric, value: median(values), unit, runs: ROUNDS });
  row("refresh p99 quiet", quiet.refresh, "ms");
  row("refresh p99 in storm", under.refresh, "ms");
  row("me p99 quiet", quiet.me, "ms");
  row("me p99 in storm", under.me, "ms");
  row("log-ins accepted", accepted, "count");
  row("log-ins told to retry", refused, "count");
  row("log-in p99", slowest, "ms");
}

/** A refresh and a `/v1/me` at a steady pace, each timed from when it was due: a stall is not hidden by being waited for. */
async function bystand(server: LoginServer, everyone: readonly LoggedIn[], seconds: number): Promise<Bystanding> {
  const [forRefresh, forMe] = [new Lane(server.port), new Lane(server.port)];
  const result: Bystanding = { refreshes: [], me: [] };
  let turn = 0;
  await pace(BYSTANDERS, seconds, (due) => {
    // Each session has its turn once a second, so that none overtakes itself.
    const held = everyone[turn++ % everyone.length];
    if (held === undefined) throw new Error("no bystanders");
    const asRefreshed = forRefresh.take(async (connection) => {
      await refresh(connection, held);
      result.refreshes.push(performance.now() - due);
    });
    const asAsked = forMe.take(async (connection) => {
      const answer = await connection.send("GET", "/v1/me", { token: held.accessToken });
      if (answer.status !== 200) throw new Error(`/v1/me answered ${answer.status}`);
      result.me.push(performance.now() - due);
    });
    return [asRefreshed, asAsked];
  });
  for (const lane of [forRefresh, forMe]) lane.close();
  return result;
}

/** Log-ins at a fixed rate, whether or not earlier ones were answered. */
async function paced(server: LoginServer, perSecond: number, seconds: number) {
  const lane = new Lane(server.port);
  const latencies: number[] = [];
  const counts = { accepted: 0, refused: 0 };
  await pace(perSecond, seconds, (due) => [
    lane.take(async (connection) => {
      const answer = await connection.send("POST", "/v1/sessions", { json: CREDENTIALS });
      latencies.push(performance.now() - due);
      if (answer.status === 201) counts.accepted += 1;
      else if (answer.status === 503 && /\r\nretry-after: \d+/i.test(answer.headers)) counts.refused += 1;
      else throw new Error(`log-in answered ${answer.status}: ${answer.body}`);
    }),
  ]);
  lane.close();
  return { ...counts, latencies };
}

/** Connections for requests that overlap: as many as are under way at a time. */
class Lane {
  readonly #port: number;
  readonly #idle: Connection[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  async take(visit: (connection: Connection) => Promise<void>): Promise<void> {
    const connection = this.#idle.pop() ?? (await Connection.open(this.#port));
    await visit(connection);
    this.#idle.push(connection);
  }

  close(): void {
    for (const connection of this.#idle) connection.close();
  }
}

/** Starts `visit` so often per second, and waits for all of them at the end. `due` is the time when it should start. */
async function pace(perSecond: number, seconds: number, visit: (due: number) => Promise<void>[]): Promise<void> {
  const start = performance.now();
  const under: Promise<void>[] = [];
  for (let index = 0; index < Math.round(perSecond * seconds); index += 1) {
    const due = start + (index * 1000) / perSecond;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((wake) => setTimeout(wake, wait));
    under.push(...visit(due));
  }
  await Promise.all(under);
}

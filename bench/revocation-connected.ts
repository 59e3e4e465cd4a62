/**
 * From the call that revokes to the refusal at the last verifier, with a real login server (SQLite) and real verifiers in
 * another process, each with a stream of its own.
 *
 *   N verifiers, R/s        p50 and p99 of the revocations watched, medians of the runs; answered: the call itself
 *   confirmed, …            until `wait: "all"` answers confirmed; with 10 % dead: of processes stopped with a lease in hand
 *   asking per request      what a request pays for the alternatives, introspection and a deny-list in Redis, beside
 *                           verify() with the feed
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createVerifier } from "@mapae/verifier";
import { Redis } from "ioredis";
import { askSocket } from "../packages/server/src/operator/socket.ts";
import { placesIn } from "../packages/server/src/settings/places.ts";
import { redisProgram, startRedis } from "../test/components/redis.ts";
import { type Asked, clock, type FollowingSettings, type Told } from "./following.ts";
import { median, type Report } from "./harness.ts";
import { Connection, closedLoop, percentile } from "./load.ts";
import { type LoggedIn, type LoginServer, logIn, startLoginServer, temporaryFolder } from "./login-server.ts";

const RUNS = 5;
/**
 * `watched`: how many revocations of a run are followed to every verifier. Each costs a signature check at each of them
 * before and after, which a thousand verifiers in one process do one after the other.
 */
const CASES = [
  { verifiers: 1, rate: 1, watched: 8 },
  { verifiers: 100, rate: 1, watched: 8 },
  { verifiers: 1000, rate: 1, watched: 8 },
  { verifiers: 100, rate: 100, watched: 40 },
  { verifiers: 1000, rate: 100, watched: 10 },
] as const;
type Case = (typeof CASES)[number];
/** Of those watched, how many every verifier is asked about again. */
const PROVED = 3;
const SECONDS_AT_100 = 3;
const LEASE_MS = 5_000;
const CONFIRMATIONS = 50;
const DEATHS = 5;
const LANES = 16;
/** Entries of the deny-list, and how often it is asked. */
const DENIED = 10_000;
const LOOKS = 20_000;
const PROGRAM = fileURLToPath(new URL("./following.ts", import.meta.url));

interface Stage {
  readonly server: LoginServer;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly held: LoggedIn;
  readonly admin: string;
  readonly lanes: Connection[];
}

const later = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, Math.max(0, ms)));

function claimsOf(token: string): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
}

async function open(): Promise<Stage> {
  const data = await temporaryFolder();
  const settings = { MAPAE_ACCESS_TTL: "1h", MAPAE_REVOCATION_LEASE: `${LEASE_MS}ms`, MAPAE_LOG_LEVEL: "error" };
  const server = await startLoginServer(data, settings);
  const issuer = `http://localhost:${server.port}`;
  const operator = async (method: string, path: string, body: unknown) => {
    const answer = await askSocket(placesIn(data).socket, method, path, JSON.stringify(body));
    if (answer.status >= 400) throw new Error(`${path} answered ${answer.status}: ${answer.body}`);
    return answer.body === "" ? {} : (JSON.parse(answer.body) as Record<string, unknown>);
  };
  const made = await operator("POST", "/v1/admin/clients", { kind: "resource_server", id: "bench", name: "bench" });
  const lanes = await Promise.all(Array.from({ length: LANES }, () => Connection.open(server.port)));
  const [first] = lanes;
  if (first === undefined) throw new Error("no connection");
  const held = await logIn(first, "kim");
  const manager = await logIn(first, "manager");
  await operator("PATCH", `/v1/admin/users/${String(claimsOf(manager.accessToken).sub)}`, { roles: ["admin"] });
  const again = await logIn(first, "manager");
  const json = JSON.stringify({ refresh_token: again.refreshToken, audience: `${issuer}/admin` });
  const answer = await first.send("POST", "/v1/sessions/refresh", { json });
  if (answer.status !== 200) throw new Error(`no administrator's token: ${answer.body}`);
  const admin = String((JSON.parse(answer.body) as Record<string, unknown>).access_token);
  return { server, issuer, clientId: "bench", clientSecret: String(made.client_secret), held, admin, lanes };
}

/** Revokes a token by its id. @returns the answer */
async function revoke(stage: Stage, id: string, wait: "none" | "all" = "none"): Promise<Record<string, unknown>> {
  const lane = stage.lanes.pop() ?? (await Connection.open(stage.server.port));
  const json = JSON.stringify({ kind: "token", id, wait });
  const answer = await lane.send("POST", "/v1/revocations", { token: stage.admin, json });
  stage.lanes.push(lane);
  if (answer.status !== 201) throw new Error(`a revocation answered ${answer.status}: ${answer.body}`);
  return JSON.parse(answer.body) as Record<string, unknown>;
}

/** Connections that were idle for long are closed by the server: a run begins with its own. */
async function reconnect({ server, lanes }: Stage): Promise<void> {
  for (const lane of lanes.splice(0)) lane.close();
  for (let index = 0; index < LANES; index += 1) lanes.push(await Connection.open(server.port));
}

async function mint(stage: Stage, count: number): Promise<Map<string, string>> {
  const tokens = new Map<string, string>();
  const lane = stage.lanes.pop() ?? (await Connection.open(stage.server.port));
  while (tokens.size < count) {
    const json = JSON.stringify({ refresh_token: stage.held.refreshToken });
    const answer = await lane.send("POST", "/v1/sessions/refresh", { json });
    if (answer.status !== 200) throw new Error(`refresh answered ${answer.status}: ${answer.body}`);
    const fresh = JSON.parse(answer.body) as Record<string, unknown>;
    stage.held.refreshToken = String(fresh.refresh_token);
    stage.held.accessToken = String(fresh.access_token);
    tokens.set(String(claimsOf(stage.held.accessToken).jti), stage.held.accessToken);
  }
  stage.lanes.push(lane);
  return tokens;
}

/** A process with so many verifiers. */
class Followers {
  readonly #child: ChildProcess;
  #heard: (told: Told) => void = () => {};
  readonly refused = new Map<string, number>();

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (told: Told) => {
      if ("refused" in told) this.refused.set(told.refused, told.at);
      this.#heard(told);
    });
    child.once("exit", (code) => {
      if (code !== 0 && code !== null) throw new Error(`the verifiers ended with ${code}`);
    });
  }

  static async start({ issuer, clientId, clientSecret }: Stage, count: number): Promise<Followers> {
    const settings: FollowingSettings = { issuer, clientId, clientSecret, count };
    const child = spawn(process.execPath, [...process.execArgv, PROGRAM, JSON.stringify(settings)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const followers = new Followers(child);
    await followers.#until((told) => "ready" in told);
    return followers;
  }

  #until(found: (told: Told) => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#heard = (told) => {
        if (found(told)) resolve();
      };
    });
  }

  async ask(asked: Asked): Promise<void> {
    const done = this.#until((told) => "done" in told);
    this.#child.send(asked);
    await done;
  }

  /** Waits until every one of these is refused everywhere. */
  async allRefused(ids: Iterable<string>): Promise<void> {
    const all = [...ids];
    if (all.every((id) => this.refused.has(id))) return;
    await this.#until(() => all.every((id) => this.refused.has(id)));
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  end(): Promise<void> {
    return new Promise((resolve) => {
      this.#child.once("exit", () => resolve());
      this.#child.kill("SIGCONT");
      this.#child.disconnect();
    });
  }
}

interface Pace {
  /** Milliseconds from the call to the last refusal, of those watched. */
  readonly last: readonly number[];
  /** Milliseconds from each call to its answer. */
  readonly answered: readonly number[];
  /** CPU that the server used meanwhile. */
  readonly cores: number;
}

/** One run: revocations at a rate, some of which are watched. */
async function pace(stage: Stage, followers: Followers, { rate, watched: count }: Case): Promise<Pace> {
  await reconnect(stage);
  const tokens = await mint(stage, count);
  await followers.ask({ watch: Object.fromEntries(tokens), prove: [] });
  // What was verified just now is garbage to collect, and not what a revocation costs.
  await later(1_000);
  const total = rate === 1 ? tokens.size : rate * SECONDS_AT_100;
  const watched = [...tokens.keys()];
  const every = total / watched.length;
  const began = new Map<string, number>();
  const answered: number[] = [];
  const underWay: Promise<void>[] = [];
  const cpuBefore = await stage.server.cpuSeconds();
  const start = clock();
  for (let index = 0; index < total; index += 1) {
    await later(start + (index * 1_000) / rate - clock());
    const mine = watched[Math.ceil(index / every)];
    const id =
      Math.ceil(index / every) * every - index < 1 && mine !== undefined && !began.has(mine)
        ? mine
        : crypto.randomUUID();
    const call = clock();
    began.set(id, call);
    underWay.push(
      revoke(stage, id).then(() => {
        answered.push(clock() - call);
      }),
    );
  }
  await Promise.all(underWay);
  const called = watched.filter((id) => began.has(id));
  await followers.allRefused(called);
  const cores = ((await stage.server.cpuSeconds()) - cpuBefore) / ((clock() - start) / 1000);
  await followers.ask({ watch: {}, prove: called.slice(-PROVED).map((id) => tokens.get(id) ?? "") });
  return {
    last: called.map((id) => (followers.refused.get(id) ?? Number.NaN) - (began.get(id) ?? Number.NaN)),
    answered,
    cores,
  };
}

async function measureReach(report: Report, stage: Stage): Promise<void> {
  for (const verifiers of [1, 100, 1000]) {
    const followers = await Followers.start(stage, verifiers);
    for (const it of CASES.filter((each) => each.verifiers === verifiers)) {
      const name = `${verifiers} verifiers, ${it.rate}/s`;
      console.error(`bench: ${name}`);
      const [p50, p99, answered, cpu]: [number[], number[], number[], number[]] = [[], [], [], []];
      for (let run = 0; run < RUNS; run += 1) {
        const measured = await pace(stage, followers, it);
        p50.push(percentile(measured.last, 0.5));
        p99.push(percentile(measured.last, 0.99));
        answered.push(percentile(measured.answered, 0.5));
        cpu.push(measured.cores);
      }
      const row = { case: name, subject: "mapae", runs: RUNS };
      report({ ...row, metric: "p50", value: median(p50), unit: "ms" });
      report({ ...row, metric: "p99", value: median(p99), unit: "ms" });
      report({ ...row, metric: "answered", value: median(answered), unit: "ms" });
      report({ ...row, metric: "server cpu", value: median(cpu), unit: "cores" });
    }
    if (verifiers === 100) await measureConfirmed(report, stage);
    await followers.end();
  }
}

/** With the hundred that are connected. */
async function measureConfirmed(report: Report, stage: Stage): Promise<void> {
  console.error("bench: confirmed, 100 verifiers");
  const times: number[] = [];
  for (let index = 0; index < CONFIRMATIONS; index += 1) {
    await later(100);
    const before = clock();
    const answer = await revoke(stage, crypto.randomUUID(), "all");
    times.push(clock() - before);
    if (answer.confirmed !== true || Number(answer.acknowledged) < 100) {
      throw new Error(`of 100 verifiers ${String(answer.acknowledged)} acknowledged`);
    }
  }
  const row = { case: "confirmed, 100 verifiers", subject: "mapae", runs: CONFIRMATIONS };
  report({ ...row, metric: "p50", value: percentile(times, 0.5), unit: "ms" });
  report({ ...row, metric: "p99", value: percentile(times, 0.99), unit: "ms" });
}

async function measureDead(report: Report, stage: Stage): Promise<void> {
  await reconnect(stage);
  console.error("bench: confirmed, 10% dead");
  const living = await Followers.start(stage, 90);
  const times: number[] = [];
  for (let death = 0; death < DEATHS; death += 1) {
    const doomed = await Followers.start(stage, 10);
    // Within the second after a ping: its lease has most of N left.
    doomed.signal("SIGSTOP");
    const before = clock();
    const answer = await revoke(stage, crypto.randomUUID(), "all");
    times.push(clock() - before);
    const outstanding = Array.isArray(answer.outstanding) ? answer.outstanding.length : 0;
    // Those of the death before are named for a while longer, and not waited for.
    if (answer.confirmed !== true || outstanding < 10)
      throw new Error(`ten were to be dead, and it was ${outstanding}`);
    await doomed.end();
  }
  await living.end();
  const row = { case: "confirmed, 10% dead", subject: "mapae", runs: DEATHS };
  report({ ...row, metric: "p50", value: percentile(times, 0.5), unit: "ms" });
  report({ ...row, metric: "p99", value: percentile(times, 0.99), unit: "ms" });
  report({ ...row, metric: "of N", value: Math.max(...times) / LEASE_MS, unit: "ratio" });
}

/** The other usual way: each request asks a Redis beside the API whether the token's id is on a list. `null`: no Redis here. */
async function askDenyList(): Promise<number[] | null> {
  if (redisProgram === null) return null;
  const tasks: (() => unknown)[] = [];
  const server = await startRedis({ after: (task) => void tasks.unshift(task) }, { settings: ["appendfsync no"] });
  const client = new Redis(server.port, "127.0.0.1", { maxRetriesPerRequest: 0 });
  try {
    for (let index = 0; index < DENIED; index += 1) await client.set(`deny:${crypto.randomUUID()}`, "1", "EX", 3600);
    const times: number[] = [];
    for (let index = 0; index < LOOKS; index += 1) {
      const before = performance.now();
      if ((await client.get(`deny:${crypto.randomUUID()}`)) !== null) throw new Error("an id that was never denied");
      times.push(performance.now() - before);
    }
    return times;
  } finally {
    client.disconnect();
    for (const task of tasks) await task();
  }
}

/** What each request pays: a question to the server, or a look at the copy. */
async function measureAsking(report: Report, stage: Stage): Promise<void> {
  console.error("bench: asking per request");
  const { server, issuer, clientId, clientSecret, held } = stage;
  await reconnect(stage);
  await mint(stage, 1);
  const lane = await Connection.open(server.port);
  const form = new URLSearchParams({ token: held.accessToken }).toString();
  const basic = Buffer.from(`${clientId}:${clientSecret}`).toString("base64");
  const ask = async () => {
    const answer = await lane.send("POST", "/oauth2/introspect", { basic, form });
    if (answer.status !== 200 || !answer.body.includes('"active":true'))
      throw new Error(`introspection: ${answer.body}`);
  };
  const { latencies } = await closedLoop([ask], 3);
  lane.close();
  const verifier = createVerifier({
    issuer,
    audience: issuer,
    credentials: { clientId, clientSecret },
    revocation: { onStale: "reject" },
  });
  await verifier.ready();
  const looks: number[] = [];
  for (let index = 0; index < LOOKS; index += 1) {
    const before = performance.now();
    if (!verifier.verify(held.accessToken).ok) throw new Error("a good token is refused");
    looks.push(performance.now() - before);
  }
  verifier.close();
  for (const [subject, times] of [
    ["introspection", latencies],
    ["a deny-list in Redis", await askDenyList()],
    ["mapae", looks],
  ] as const) {
    if (times === null) continue;
    const row = { case: "asking per request", subject, runs: times.length };
    report({ ...row, metric: "p50", value: percentile(times, 0.5) * 1000, unit: "us" });
    report({ ...row, metric: "p99", value: percentile(times, 0.99) * 1000, unit: "us" });
  }
}

export async function runConnected(report: Report): Promise<void> {
  const stage = await open();
  try {
    await measureReach(report, stage);
    await measureDead(report, stage);
    await measureAsking(report, stage);
  } finally {
    for (const lane of stage.lanes) lane.close();
    await stage.server.stop();
  }
}

/**
 * Real Redis (or Valkey) processes for tests: a server, replicas, Sentinels, each on a free loopback port with a folder of
 * its own, ended by their process ids when the test is over.
 *
 *   startRedis(t)        one server
 *   startReplicated(t)   primary ──► replicas, watched by Sentinels       cut() the replication link, kill() the primary
 *
 * The link is cut by taking away the right that replicas connect with: clients and Sentinels go on, replicas get nothing
 * more and cannot come back. (A frozen replica is something else: its socket's buffer still holds the writes.)
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Redis } from "ioredis";

/** What a test context offers: tasks for when the test is over. */
export interface CleanUp {
  after(task: () => unknown): void;
}

export interface RedisServer {
  readonly port: number;
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly folder: string;
  /** Sends one command on a connection of its own; rejects after three seconds. */
  ask(...command: readonly (string | number)[]): Promise<unknown>;
  /** A section of INFO as names and values. */
  info(section: string): Promise<Readonly<Record<string, string>>>;
  /** SIGSTOP: connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** SIGKILL, as a power cut. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when it is over. */
  stop(): Promise<void>;
  /** Starts it again on the same port with what is on its disk. */
  start(): Promise<void>;
}

export interface RedisOptions {
  /** Follows this server. */
  readonly primary?: RedisServer;
  /** Further lines of its configuration; a later one wins. */
  readonly settings?: readonly string[];
}

const START_MS = 15_000;
const REPLICATION = { user: "replica", password: "only-for-this-test" };
export const SENTINEL_NAME = "mapae";

/** The server's program; `null` where there is none (told once, in one loud line), which fails where all must be tested. */
export const redisProgram: string | null = find(["redis-server", "valkey-server"]);

function find(names: readonly string[]): string | null {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/bin", "/usr/local/bin", "/usr/sbin"];
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = paths.find((path) => existsSync(path)) ?? null;
  if (found === null && process.env.CI === "true")
    throw new Error("redis-server is not installed, and CI must test it");
  if (found === null) console.error("SKIPPED: redis-server is not installed, so nothing is tested with a real one.");
  return found;
}

/** What a test gives to node:test where it needs the program. */
export const needsRedis = { skip: redisProgram === null };

export async function freePort(): Promise<number> {
  const server: Server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Asks until the answer pleases; the last fault, where it never does, is the error. */
export async function until(what: string, holds: () => Promise<boolean>, withinMs = START_MS): Promise<void> {
  let fault: unknown;
  for (const end = performance.now() + withinMs; performance.now() < end; ) {
    try {
      if (await holds()) return;
    } catch (error) {
      fault = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what}: not within ${withinMs} ms`, { cause: fault });
}

async function ask(port: number, command: readonly (string | number)[]): Promise<unknown> {
  const client = new Redis({
    ...{ host: "127.0.0.1", port, lazyConnect: true, connectTimeout: 3000, commandTimeout: 3000 },
    ...{ retryStrategy: () => null, maxRetriesPerRequest: 0, enableReadyCheck: false },
  });
  client.on("error", () => {});
  try {
    await client.connect();
    const [name = "", ...args] = command;
    return await client.call(String(name), ...args.map(String));
  } finally {
    client.disconnect();
  }
}

/** One process of the server's program with a configuration file; knows how it is frozen, ended and started again. */
async function startProcess(t: CleanUp, config: readonly string[], port: number, flags: readonly string[]) {
  if (redisProgram === null) throw new Error("redis-server is not installed");
  const program = redisProgram;
  const folder = mkdtempSync(join(tmpdir(), "mapae-redis-"));
  const file = join(folder, "redis.conf");
  writeFileSync(file, [`port ${port}`, "bind 127.0.0.1", `dir ${folder}`, "daemonize no", ...config, ""].join("\n"));
  let child: ChildProcess | null = null;
  let told = "";

  const end = (signal: NodeJS.Signals): Promise<void> =>
    new Promise((resolve) => {
      const ending = child;
      child = null;
      if (ending === null || ending.exitCode !== null || ending.signalCode !== null) return resolve();
      const late = setTimeout(() => ending.kill("SIGKILL"), START_MS);
      ending.once("exit", () => {
        clearTimeout(late);
        resolve();
      });
      ending.kill("SIGCONT");
      ending.kill(signal);
    });
  const start = async (): Promise<void> => {
    const started = spawn(program, [file, ...flags], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    child = started;
    for (const stream of [started.stdout, started.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        told += text;
      });
    }
    await until(`redis on port ${port}`, async () => {
      if (started.exitCode !== null) throw new Error(told);
      return (await ask(port, ["PING"])) === "PONG";
    });
  };
  // Ended at once: no client is left that would mind.
  t.after(async () => {
    await end("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });
  await start();
  return {
    folder,
    start,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
  };
}

/** Starts a server: with an append-only file that is written at once, and never evicting, unless told otherwise. */
export async function startRedis(t: CleanUp, { primary, settings = [] }: RedisOptions = {}): Promise<RedisServer> {
  const port = await freePort();
  const { user, password } = REPLICATION;
  const config = [
    'save ""',
    "appendonly yes",
    "appendfsync always",
    "maxmemory-policy noeviction",
    `user ${user} on >${password} +psync +replconf +ping`,
    `masteruser ${user}`,
    `masterauth ${password}`,
    "repl-diskless-sync-delay 0",
    "repl-ping-replica-period 1",
    ...(primary === undefined ? [] : [`replicaof 127.0.0.1 ${primary.port}`]),
    ...settings,
  ];
  const running = await startProcess(t, config, port, []);
  const server: RedisServer = {
    ...running,
    port,
    url: `redis://127.0.0.1:${port}`,
    ask: (...command) => ask(port, command),
    info: async (section) => {
      const lines = String(await ask(port, ["INFO", section])).split("\r\n");
      return Object.fromEntries(lines.filter((line) => line.includes(":")).map((line) => line.split(/:(.*)/s, 2)));
    },
  };
  if (primary !== undefined) await untilSynced(server);
  return server;
}

async function untilSynced(replica: RedisServer): Promise<void> {
  await until("a replica's first copy", async () => (await replica.info("replication")).master_link_status === "up");
}

export interface Replicated {
  readonly servers: readonly RedisServer[];
  readonly sentinels: readonly { readonly port: number; kill(): Promise<void> }[];
  /** Which of the servers the Sentinels call the primary now. */
  primary(): Promise<RedisServer>;
  /** Replicas get nothing more from this server. */
  cut(server: RedisServer): Promise<void>;
  /** Waits until the Sentinels call another server the primary, and it is one. */
  failedOver(from: RedisServer): Promise<RedisServer>;
}

export interface ReplicatedOptions extends Omit<RedisOptions, "primary"> {
  readonly replicas?: number;
  readonly sentinels?: number;
  /** After how long without an answer a Sentinel takes a server for dead. */
  readonly downAfterMs?: number;
}

/** Starts a primary with replicas (2) and Sentinels (3) that promote one of them. */
export async function startReplicated(t: CleanUp, options: ReplicatedOptions = {}): Promise<Replicated> {
  const { replicas = 2, sentinels: count = 3, downAfterMs = 500, settings = [] } = options;
  const first = await startRedis(t, { settings });
  const others = await Promise.all(Array.from({ length: replicas }, () => startRedis(t, { primary: first, settings })));
  const servers = [first, ...others];
  const sentinels = await Promise.all(
    Array.from({ length: count }, async () => {
      const port = await freePort();
      const config = [
        `sentinel monitor ${SENTINEL_NAME} 127.0.0.1 ${first.port} ${Math.floor(count / 2) + 1}`,
        `sentinel down-after-milliseconds ${SENTINEL_NAME} ${downAfterMs}`,
        `sentinel failover-timeout ${SENTINEL_NAME} 4000`,
        `sentinel parallel-syncs ${SENTINEL_NAME} ${replicas}`,
      ];
      const { kill } = await startProcess(t, config, port, ["--sentinel"]);
      return { port, kill };
    }),
  );
  await until("the Sentinels' knowledge of everyone", async () => {
    const known = await Promise.all(sentinels.map(({ port }) => ask(port, ["SENTINEL", "MASTER", SENTINEL_NAME])));
    return known.every((told) => {
      const fields = pairs(told);
      return fields["num-slaves"] === String(replicas) && fields["num-other-sentinels"] === String(count - 1);
    });
  });

  const primary = async (): Promise<RedisServer> => {
    for (const { port } of sentinels) {
      try {
        const told = await ask(port, ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SENTINEL_NAME]);
        const found = Array.isArray(told) ? servers.find((server) => server.port === Number(told[1])) : undefined;
        if (found !== undefined) return found;
      } catch {
        // The next one knows as well.
      }
    }
    throw new Error("no Sentinel knows a primary");
  };
  return {
    servers,
    sentinels,
    primary,
    cut: async (server) => {
      await server.ask("ACL", "SETUSER", REPLICATION.user, "off");
      await server.ask("CLIENT", "KILL", "TYPE", "replica");
    },
    failedOver: async (from) => {
      let promoted = from;
      await until(
        "a failover",
        async () => {
          promoted = await primary();
          return promoted !== from && (await promoted.info("replication")).role === "master";
        },
        30_000,
      );
      return promoted;
    },
  };
}

/** A flat list of names and values, as Sentinels answer. */
function pairs(told: unknown): Record<string, string> {
  const fields: Record<string, string> = {};
  if (!Array.isArray(told)) return fields;
  for (let at = 0; at + 1 < told.length; at += 2) fields[String(told[at])] = String(told[at + 1]);
  return fields;
}

/**
 * The cluster of one run: N login servers and a spare one behind the real HAProxy, over PostgreSQL and, where the strategy
 * keeps log-ins there, a replicated Valkey or Redis with Sentinels.
 *
 *   crowd ──► HAProxy ──► S1 S2 S3 (S4) ──► link ──► PostgreSQL       a link for each server, so that one can be cut off
 *                              └──────────► Redis, replicas, Sentinels   a user for each server, for the same reason
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { haproxyConfig } from "../../../packages/server/src/cli/lb/haproxy.ts";
import { planLb } from "../../../packages/server/src/cli/lb/plan.ts";
import { STRATEGIES, type StrategyName } from "../../../packages/server/src/sessions/strategy.ts";
import { freePort, type RedisServer, type Replicated, startReplicated, until } from "../../../test/components/redis.ts";
import { environment, FLAGS, LOGIN_SERVER } from "../../../test/processes.ts";
import type { Clean } from "./clean.ts";
import { heldBytes } from "./heap.ts";
import { type Door, openDoor } from "./http.ts";
import { type Link, openLink } from "./link.ts";
import { type Stores, through } from "./stores.ts";

export interface ClusterOptions {
  readonly strategy: StrategyName;
  readonly servers: number;
  readonly stores: Stores;
  /** How many log-ins a user may have on one kind of device (default: 1; 0: any number). */
  readonly limit?: number;
}

export interface Server {
  readonly name: string;
  /** Straight to it, apart from the balancer. */
  readonly door: Door;
  start(): Promise<void>;
  /** SIGTERM: drains, and ends. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  readonly pid: number | null;
  /** Bytes in its memory, after a forced collection. */
  held(): Promise<number>;
}

export interface Cluster {
  readonly strategy: StrategyName;
  /** Without the spare. */
  readonly servers: readonly Server[];
  readonly spare: Server;
  running(): readonly Server[];
  /** Log-ins live in a store of their own. */
  readonly ownStore: boolean;
  readonly balancer: Door;
  server(index: number): Server;
  /** Where log-ins live; where that is the servers themselves, the database. */
  freezeStore(): Promise<void>;
  thawStore(): Promise<void>;
  killStore(): Promise<void>;
  healStore(): Promise<void>;
  restartStore(): Promise<void>;
  cutReplication(): Promise<void>;
  /** Cuts one server off from store and database. */
  partition(index: number): Promise<void>;
  rejoin(index: number): Promise<void>;
  restartBalancer(): Promise<void>;
  /** With SIGKILL, and without a farewell to anybody. */
  killBalancer(): Promise<void>;
  /** A server's way to the database. */
  link(index: number): Link;
  /** Users, the log, keys; and log-ins, where they live there. */
  readonly database: Pick<Stores["postgres"], "freeze" | "thaw" | "kill" | "start">;
  /** Where tokens say they come from. */
  readonly issuer: string;
  /** Until every server that runs is ready, and the balancer has seen it. */
  untilBalanced(): Promise<void>;
  /** Bytes to and from the session store since it began. */
  storeBytes(): Promise<number>;
  /** CPU that the servers have used. */
  cpuSeconds(): Promise<number>;
  residentMb(): Promise<number>;
  /** What a server holds in memory, after a forced collection: the mean, in bytes. */
  heldBytes(): Promise<number>;
}

/** A freeze of 1.5 s is to pass without a failover, and a death to be seen soon. */
const DOWN_AFTER_MS = 2_000;
const SOCKETS = 96;
const STORE_PASSWORD = "only-for-this-lab";
const TICKS = 100;

export async function openCluster(
  { strategy, servers: count, stores, limit = 1 }: ClusterOptions,
  clean: Clean,
): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), "mapae-lab-"));
  clean.after(() => rmSync(folder, { recursive: true, force: true }));
  const onValkey = STRATEGIES[strategy].promises.storeLost === "what no replica confirmed";
  const names = Array.from({ length: count + 1 }, (_, index) => `s${index + 1}`);
  const acl = names.map((name) => `user ${name} on >${STORE_PASSWORD} ~* &* +@all`);
  const settings = [...acl, "appendfsync everysec", "min-replicas-to-write 0"];
  const store = onValkey ? await startReplicated(clean, { settings, downAfterMs: DOWN_AFTER_MS }) : null;
  const database = await stores.copy();
  const port = await freePort();
  const links: Link[] = [];

  const servers: Server[] = [];
  for (const name of names) {
    const link = await openLink(stores.postgres.port);
    clean.after(() => link.close());
    links.push(link);
    const own = await freePort();
    const env = {
      MAPAE_STRATEGY: strategy,
      MAPAE_PORT: String(own),
      MAPAE_ISSUER: `http://localhost:${port}`,
      MAPAE_DATA: join(folder, name),
      MAPAE_DATABASE_URL: through(link.port, stores.postgres.url(database)),
      MAPAE_SECRET: stores.secret,
      MAPAE_RATE_LIMIT: "off",
      MAPAE_LOG_LEVEL: "error",
      MAPAE_SHUTDOWN_DELAY: "1500ms",
      MAPAE_SESSION_LIMIT: String(limit),
      MAPAE_SESSION_LIMIT_PER: "device_class",
      MAPAE_TRUSTED_PROXIES: "127.0.0.1",
      ...(store === null ? {} : { MAPAE_VALKEY_URL: valkeyUrl(store, name), MAPAE_VALKEY_PREFIX: `lab-${database}:` }),
    };
    servers.push(serverOf(name, own, await freePort(), env, clean));
  }
  const spare = servers.pop();
  if (spare === undefined) throw new Error("there is a spare server");
  // One after the other: the first makes the keys that all use.
  for (const server of servers) await server.start();

  const planned = planLb({
    servers: [...servers, spare].map(({ name, door }) => `${name}=127.0.0.1:${door.port}`),
    listen: `127.0.0.1:${port}`,
    certificate: null,
    sticky: STRATEGIES[strategy].routing !== "any",
  });
  if (!planned.ok) throw new Error(planned.message);
  const config = join(folder, "haproxy.cfg");
  writeFileSync(config, haproxyConfig(planned.plan).replace("maxconn 10000", "maxconn 1000"));
  const balancer = openDoor(port, SOCKETS);
  let haproxy: ChildProcess | null = null;
  const startBalancer = async (): Promise<void> => {
    haproxy = spawn(stores.haproxy, ["-db", "-f", config], { stdio: "ignore" });
    await until("the balancer", async () => (await balancer.ask("GET", "/healthz")).status === 200);
  };
  const stopBalancer = (): Promise<void> => ended(haproxy, "SIGTERM");
  clean.after(() => stopBalancer());
  clean.after(() => balancer.close());
  await startBalancer();

  const all = [...servers, spare];
  const running = (): readonly Server[] => all.filter(({ pid }) => pid !== null);
  const server = (index: number): Server => {
    const found = servers[index % servers.length];
    if (found === undefined) throw new RangeError("no such server");
    return found;
  };
  let lost: RedisServer | null = null;
  const onServers = async (user: string, state: "on" | "off"): Promise<void> => {
    for (const each of store?.servers ?? []) {
      await each.ask("ACL", "SETUSER", user, state).catch(() => undefined);
      if (state === "off") await each.ask("CLIENT", "KILL", "USER", user).catch(() => undefined);
    }
  };

  return {
    strategy,
    servers,
    spare,
    running,
    ownStore: onValkey,
    balancer,
    server,
    freezeStore: async () => (store === null ? stores.postgres.freeze() : (await store.primary()).freeze()),
    thawStore: async () => {
      if (store === null) stores.postgres.thaw();
      for (const each of store?.servers ?? []) each.thaw();
    },
    killStore: async () => {
      if (store === null) {
        await stores.postgres.kill();
        await stores.postgres.start();
        return;
      }
      lost = await store.primary();
      await lost.kill();
      await store.failedOver(lost);
    },
    healStore: async () => {
      if (store === null || lost === null) return;
      await lost.start();
      lost = null;
    },
    restartStore: async () => {
      if (store === null) {
        await stores.postgres.kill();
        await stores.postgres.start();
        return;
      }
      const primary = await store.primary();
      await primary.stop();
      await primary.start();
    },
    cutReplication: async () => {
      if (store !== null) await store.cut(await store.primary());
    },
    partition: async (index) => {
      links[index]?.cut();
      await onServers(server(index).name, "off");
    },
    rejoin: async (index) => {
      links[index]?.heal();
      await onServers(server(index).name, "on");
    },
    restartBalancer: async () => {
      await stopBalancer();
      await startBalancer();
    },
    killBalancer: async () => {
      await ended(haproxy, "SIGKILL");
      await startBalancer();
    },
    link: (index) => {
      const found = links[index % servers.length];
      if (found === undefined) throw new RangeError("no such link");
      return found;
    },
    database: stores.postgres,
    issuer: `http://localhost:${port}`,
    untilBalanced: async () => {
      await until("readiness", async () => {
        const ready = await Promise.all(running().map(({ door }) => door.ask("GET", "/readyz")));
        return ready.every(({ status }) => status === 200);
      });
      // Two checks of the balancer, and some.
      await new Promise((wake) => setTimeout(wake, 1_200));
      await until("the balancer's view", async () => (await balancer.ask("GET", "/readyz")).status === 200);
    },
    storeBytes: async () => {
      let bytes = 0;
      for (const each of store?.servers ?? []) {
        const stats = await each.info("stats").catch(() => ({}) as Readonly<Record<string, string>>);
        bytes += Number(stats.total_net_input_bytes ?? 0) + Number(stats.total_net_output_bytes ?? 0);
      }
      return store === null ? links.reduce((sum, link) => sum + link.bytes, 0) : bytes;
    },
    cpuSeconds: async () => running().reduce((sum, { pid }) => sum + cpuOf(pid), 0),
    residentMb: async () => {
      const sizes = running().map(({ pid }) => residentOf(pid));
      return sizes.reduce((sum, size) => sum + size, 0) / Math.max(1, sizes.length);
    },
    heldBytes: async () => {
      let sum = 0;
      for (const each of running()) sum += await each.held();
      return sum / Math.max(1, running().length);
    },
  };
}

function valkeyUrl(store: Replicated, user: string): string {
  const sentinels = store.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",");
  return `redis+sentinel://${user}:${STORE_PASSWORD}@${sentinels}/mapae`;
}

function serverOf(
  name: string,
  port: number,
  inspector: number,
  settings: Readonly<Record<string, string>>,
  clean: Clean,
): Server {
  const door = openDoor(port, SOCKETS);
  let child: ChildProcess | null = null;
  let told = "";
  clean.after(async () => {
    await ended(child, "SIGKILL");
    door.close();
  });
  return {
    name,
    door,
    get pid() {
      return child?.pid ?? null;
    },
    held: async () => (child?.pid === undefined ? 0 : heldBytes(child.pid, inspector)),
    start: async () => {
      if (child !== null) return;
      told = "";
      const flags = [...FLAGS, `--inspect-port=127.0.0.1:${inspector}`];
      const started = spawn(process.execPath, [...flags, LOGIN_SERVER, "serve"], {
        env: environment(settings),
        stdio: ["ignore", "ignore", "pipe"],
      });
      child = started;
      started.stderr.setEncoding("utf8").on("data", (text: string) => {
        told = (told + text).slice(-4_000);
      });
      try {
        await until(`server ${name}`, async () => {
          if (started.exitCode !== null) throw new Error(told);
          return (await door.ask("GET", "/readyz")).status === 200;
        });
      } catch (error) {
        if (started.exitCode !== null) child = null;
        throw error;
      }
    },
    stop: async () => {
      const ending = child;
      await ended(ending, "SIGTERM");
      child = null;
    },
    kill: async () => {
      const ending = child;
      child = null;
      await ended(ending, "SIGKILL");
    },
  };
}

/** Sends the signal and waits for the end. */
function ended(child: ChildProcess | null, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return resolve();
    const late = setTimeout(() => child.kill("SIGKILL"), 15_000);
    child.once("exit", () => {
      clearTimeout(late);
      resolve();
    });
    child.kill(signal);
  });
}

/** Seconds of CPU, from /proc. */
function cpuOf(pid: number | null): number {
  if (pid === null) return 0;
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return 0;
  }
}

function residentOf(pid: number | null): number {
  if (pid === null) return 0;
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

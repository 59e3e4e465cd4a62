/** Which drivers the settings mean: where the truth is, and where log-ins live. */
import type { Config } from "../config.ts";
import { preparePlaces } from "../places.ts";
import { StartRefused } from "../prelude/fault.ts";
import type { World } from "../prelude/world.ts";
import { STRATEGIES } from "../sessions/strategy.ts";
import type { LiveStore } from "./live/live-store.ts";
import type { Storage } from "./storage.ts";

export type DatabaseSettings = Pick<
  Config,
  "databaseUrl" | "databasePassword" | "databaseConnections" | "databaseTimeout" | "data"
>;
type Engines = DatabaseSettings & Pick<Config, "strategy" | "revocationLease" | "sessionTtl">;

/**
 * Opens the storage that is configured: `memory:`, `sqlite:<file>` or `postgres://…`, and beside it the store of log-ins, where
 * the strategy keeps them elsewhere. Throws `StartRefused` with one clear line. A driver is loaded when it is asked for: the
 * other engines cost nothing.
 */
export async function openStorage(config: Engines, world: World): Promise<Storage> {
  const truth = await openTruth(config, world);
  try {
    const live = await openLive(config, world);
    if (live === null) return truth;
    const { withLive } = await import("./live/compose.ts");
    const { revocationLease: leaseMs, sessionTtl: sessionMs } = config;
    return await withLive(truth, live, { clock: world.clock, leaseMs, sessionMs });
  } catch (error) {
    await truth.close();
    throw error;
  }
}

async function openTruth(settings: DatabaseSettings, world: World): Promise<Storage> {
  const { databaseUrl, databasePassword, databaseConnections, databaseTimeout, data } = settings;
  const address = databaseUrl ?? `sqlite:${preparePlaces(data).database}`;
  if (/^postgres(ql)?:/.test(address)) {
    const { openPostgres } = await import("./postgres/postgres.ts");
    const limits = { connections: databaseConnections, timeoutMs: databaseTimeout };
    return openPostgres({ url: address, password: databasePassword, ...limits }, world);
  }
  if (databasePassword !== null) {
    throw new StartRefused("MAPAE_DATABASE_PASSWORD is set, but MAPAE_DATABASE_URL is no address of PostgreSQL.");
  }
  if (address === "memory:") return (await import("./memory/memory.ts")).openMemory(world);
  const file = /^sqlite:(.+)$/.exec(address)?.[1];
  if (file !== undefined) return (await import("./sqlite/sqlite.ts")).openSqlite(file, world);
  throw new StartRefused("MAPAE_DATABASE_URL is neither memory: nor sqlite:<file> nor postgres://….");
}

/** `null`: log-ins are in the database. */
async function openLive({ strategy }: Engines, world: World): Promise<LiveStore | null> {
  if (STRATEGIES[strategy].needs === "Valkey or Redis") {
    throw new StartRefused(`MAPAE_STRATEGY=${strategy} needs Valkey or Redis, and none is configured.`);
  }
  if (STRATEGIES[strategy].sessionsIn !== "one server's memory") return null;
  return (await import("./memory/live.ts")).openMemoryLive(world.clock);
}

/** Which drivers the settings mean: where the truth is, and where log-ins live. */
import type { Config } from "../config.ts";
import { preparePlaces } from "../places.ts";
import { StartRefused } from "../prelude/fault.ts";
import type { World } from "../prelude/world.ts";
import { STRATEGIES } from "../sessions/strategy.ts";
import type { LiveStore } from "./live/live-store.ts";
import type { Storage } from "./storage.ts";

type Engines = Pick<Config, "databaseUrl" | "data" | "strategy" | "revocationLease" | "sessionTtl">;

/**
 * Opens the storage that is configured: `memory:` or `sqlite:<file>`, and beside it the store of log-ins, where the strategy
 * keeps them elsewhere. Throws `StartRefused` with one clear line. A driver is loaded when it is asked for: the other
 * engines cost nothing.
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

async function openTruth({ databaseUrl, data }: Engines, world: World): Promise<Storage> {
  const address = databaseUrl ?? `sqlite:${preparePlaces(data).database}`;
  if (address === "memory:") return (await import("./memory/memory.ts")).openMemory(world);
  const file = /^sqlite:(.+)$/.exec(address)?.[1];
  if (file !== undefined) return (await import("./sqlite/sqlite.ts")).openSqlite(file, world);
  throw new StartRefused("MAPAE_DATABASE_URL is neither memory: nor sqlite:<file>.");
}

/** `null`: log-ins are in the database. */
async function openLive({ strategy }: Engines, world: World): Promise<LiveStore | null> {
  if (STRATEGIES[strategy].sessionsIn !== "one server's memory") return null;
  return (await import("./memory/live.ts")).openMemoryLive(world.clock);
}

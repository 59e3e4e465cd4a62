/** Which driver a database address means. */
import type { Config } from "../config.ts";
import { preparePlaces } from "../places.ts";
import { StartRefused } from "../prelude/fault.ts";
import type { World } from "../prelude/world.ts";
import type { Storage } from "./storage.ts";

export type DatabaseSettings = Pick<
  Config,
  "databaseUrl" | "databasePassword" | "databaseConnections" | "databaseTimeout" | "data"
>;

/**
 * Opens the storage that is configured: `memory:`, `sqlite:<file>` or `postgres://…`. Throws `StartRefused` with one clear
 * line. A driver is loaded when it is asked for: the other engines cost nothing.
 */
export async function openStorage(settings: DatabaseSettings, world: World): Promise<Storage> {
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

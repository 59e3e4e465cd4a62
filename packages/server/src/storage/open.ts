/** Which driver a database address means. */
import type { Config } from "../config.ts";
import { preparePlaces } from "../places.ts";
import { StartRefused } from "../prelude/fault.ts";
import type { World } from "../prelude/world.ts";
import type { Storage } from "./storage.ts";

/**
 * Opens the storage that is configured: `memory:`, or `sqlite:<file>`. Throws `StartRefused` with one clear line. A driver
 * is loaded when it is asked for: the other engines cost nothing.
 */
export async function openStorage(
  { databaseUrl, data }: Pick<Config, "databaseUrl" | "data">,
  world: World,
): Promise<Storage> {
  const address = databaseUrl ?? `sqlite:${preparePlaces(data).database}`;
  if (address === "memory:") return (await import("./memory/memory.ts")).openMemory(world);
  const file = /^sqlite:(.+)$/.exec(address)?.[1];
  if (file !== undefined) return (await import("./sqlite/sqlite.ts")).openSqlite(file, world);
  throw new StartRefused("MAPAE_DATABASE_URL is neither memory: nor sqlite:<file>.");
}

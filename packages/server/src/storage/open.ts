/** Which drivers the settings mean: where the truth is, where log-ins live, and who counts for the limits. */

import { StartRefused } from "../prelude/fault.ts";
import { systemAlarm, systemSleep, type World } from "../prelude/world.ts";
import { STRATEGIES } from "../sessions/strategy.ts";
import type { Config } from "../settings/config.ts";
import { preparePlaces } from "../settings/places.ts";
import type { LiveStore } from "./live/live-store.ts";
import type { Storage } from "./storage.ts";
import type { OpenedValkey } from "./valkey/valkey.ts";

export type DatabaseSettings = Pick<
  Config,
  "databaseUrl" | "databasePassword" | "databaseConnections" | "databaseTimeout" | "databaseWait" | "data"
>;
export type ValkeySettings = Pick<
  Config,
  "valkeyUrl" | "valkeyPassword" | "valkeyPrefix" | "valkeyWait" | "sessionRetention"
>;
type Engines = DatabaseSettings & ValkeySettings & Pick<Config, "strategy" | "revocationLease" | "sessionTtl">;

/** Told, a line each, what an operator should know of while the storage is open. */
export type Tell = (line: string) => void;

/**
 * Opens the storage that is configured: `memory:`, `sqlite:<file>` or `postgres://…`, and beside it the store of log-ins, where
 * the strategy keeps them elsewhere. Throws `StartRefused` with one clear line. A driver is loaded when it is asked for: the
 * other engines cost nothing.
 */
export async function openStorage(config: Engines, world: World, tell: Tell = () => {}): Promise<Storage> {
  contradictions(config);
  const truth = await openTruth(config, world, tell);
  let valkey: OpenedValkey | null = null;
  try {
    valkey = await openValkeyBeside(truth, config, world, tell);
    return await withLogIns(truth, valkey, config, world);
  } catch (error) {
    await valkey?.live.close();
    await truth.close();
    throw error;
  }
}

function contradictions({ strategy, valkeyUrl, valkeyPassword, databaseUrl }: Engines): void {
  if (valkeyUrl === null && valkeyPassword !== null) {
    throw new StartRefused("MAPAE_VALKEY_PASSWORD is set, but MAPAE_VALKEY_URL is not.");
  }
  if (STRATEGIES[strategy].needs === "Valkey or Redis" && valkeyUrl === null) {
    throw new StartRefused(`MAPAE_STRATEGY=${strategy} needs Valkey or Redis, and none is configured.`);
  }
  if (valkeyUrl !== null && databaseUrl === "memory:") {
    throw new StartRefused(
      "MAPAE_VALKEY_URL needs users that last as long as their sessions: a database other than memory:.",
    );
  }
}

async function openTruth(settings: DatabaseSettings, world: World, tell: Tell): Promise<Storage> {
  const { databaseUrl, databasePassword, databaseConnections, databaseTimeout, databaseWait, data } = settings;
  const address = databaseUrl ?? `sqlite:${preparePlaces(data).database}`;
  if (/^postgres(ql)?:/.test(address)) {
    const { openPostgres } = await import("./postgres/postgres.ts");
    const limits = { connections: databaseConnections, timeoutMs: databaseTimeout, waitMs: databaseWait, tell };
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

async function openValkeyBeside(
  truth: Storage,
  config: ValkeySettings,
  { clock }: World,
  tell: Tell,
): Promise<OpenedValkey | null> {
  const { valkeyUrl: url, valkeyPassword: password, valkeyPrefix: prefix, valkeyWait, sessionRetention } = config;
  if (url === null) return null;
  const { openValkey } = await import("./valkey/valkey.ts");
  const wait = valkeyWait === "auto" ? null : Number(valkeyWait);
  const installation = await truth.elsewhere.installation();
  return openValkey(
    { url, password, prefix, wait, keepMs: sessionRetention },
    { clock, alarm: systemAlarm, installation, tell },
  );
}

/** Puts the log-ins where the strategy has them, and the limits where all nodes count them. */
async function withLogIns(
  truth: Storage,
  valkey: OpenedValkey | null,
  { strategy, revocationLease: leaseMs, sessionTtl: sessionMs }: Engines,
  { clock }: World,
): Promise<Storage> {
  const place = STRATEGIES[strategy].sessionsIn;
  const inMemory = place === "one server's memory";
  if (valkey === null && !inMemory) return truth;
  const { withLive } = await import("./live/compose.ts");
  const options = { clock, leaseMs, sessionMs };
  if (valkey === null) return withLive(truth, (await import("./memory/live.ts")).openMemoryLive(clock), options);
  const storage = inMemory
    ? await withLive(truth, (await import("./memory/live.ts")).openMemoryLive(clock), options)
    : await withLive(truth, place === "every server's memory" ? await copied(valkey) : valkey.live, options);
  const { says, warnings } = truth.nature;
  const told = valkey.warnings.map((warning) => `the live store: ${warning}`);
  const where = inMemory ? `limits at ${valkey.says}` : `sessions at ${valkey.says}`;
  return {
    ...storage,
    nature: { ...truth.nature, says: `${says}, ${where}`, warnings: [...warnings, ...told] },
    throttle: valkey.throttle,
    close: async () => {
      await storage.close();
      if (inMemory) await valkey.live.close();
    },
  };
}

async function copied(valkey: OpenedValkey): Promise<LiveStore> {
  const { live } = await valkey.replicate(systemSleep);
  return live;
}

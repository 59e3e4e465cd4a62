/** Which drivers the settings mean. */
import type { Config } from "../config.ts";
import { preparePlaces } from "../places.ts";
import { StartRefused } from "../prelude/fault.ts";
import { systemAlarm, type World } from "../prelude/world.ts";
import type { Storage } from "./storage.ts";

export type DatabaseSettings = Pick<
  Config,
  "databaseUrl" | "databasePassword" | "databaseConnections" | "databaseTimeout" | "data"
>;

export type LiveSettings = Pick<
  Config,
  "valkeyUrl" | "valkeyPassword" | "valkeyPrefix" | "valkeyWait" | "revocationLease" | "sessionTtl" | "sessionRetention"
>;

/**
 * Opens the storage that is configured: `memory:`, `sqlite:<file>` or `postgres://…`, and where sessions live elsewhere, that
 * as well. Throws `StartRefused` with one clear line. A driver is loaded when it is asked for: the other engines cost nothing.
 * @param tell told, a line each, what an operator should know of while it is open
 */
export async function openStorage(
  settings: DatabaseSettings & LiveSettings,
  world: World,
  tell: (line: string) => void = () => {},
): Promise<Storage> {
  const { valkeyUrl, valkeyPassword, databaseUrl } = settings;
  if (valkeyUrl === null && valkeyPassword !== null) {
    throw new StartRefused("MAPAE_VALKEY_PASSWORD is set, but MAPAE_VALKEY_URL is not.");
  }
  if (valkeyUrl !== null && databaseUrl === "memory:") {
    throw new StartRefused(
      "MAPAE_VALKEY_URL needs users that last as long as their sessions: a database other than memory:.",
    );
  }
  const truth = await openTruth(settings, world);
  if (valkeyUrl === null) return truth;
  try {
    return await withValkey(truth, { ...settings, valkeyUrl }, world, tell);
  } catch (error) {
    await truth.close();
    throw error;
  }
}

async function withValkey(
  truth: Storage,
  settings: LiveSettings & { readonly valkeyUrl: string },
  { clock }: World,
  tell: (line: string) => void,
): Promise<Storage> {
  const { valkeyWait, sessionRetention, sessionTtl, revocationLease } = settings;
  const [{ openValkey }, { withLive }] = await Promise.all([import("./valkey/valkey.ts"), import("./live/compose.ts")]);
  const { live, throttle, says, warnings } = await openValkey(
    {
      ...{ url: settings.valkeyUrl, password: settings.valkeyPassword, prefix: settings.valkeyPrefix },
      wait: valkeyWait === "auto" ? null : Number(valkeyWait),
      keepMs: sessionRetention,
    },
    { clock, alarm: systemAlarm, installation: await truth.elsewhere.installation(), tell },
  );
  try {
    const storage = await withLive(truth, live, { clock, leaseMs: revocationLease, sessionMs: sessionTtl });
    const { nature } = truth;
    const told = warnings.map((warning) => `the live store: ${warning}`);
    return {
      ...storage,
      nature: { ...nature, says: `${nature.says}, sessions at ${says}`, warnings: [...nature.warnings, ...told] },
      throttle,
    };
  } catch (error) {
    await live.close();
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

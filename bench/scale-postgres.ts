/** `scale` on a PostgreSQL of its own: the driver, and bare `pg` with as many connections at the driver's own statement. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import pg, { type QueryArrayConfig } from "pg";
import { systemWorld } from "../packages/server/src/prelude/world.ts";
import { openPostgres } from "../packages/server/src/storage/postgres/postgres.ts";
import { plainRefresh } from "../packages/server/src/storage/postgres/refresh.ts";
import { startPostgres } from "../test/components/postgres.ts";
import { closedLoop } from "./load.ts";
import {
  CLIENT,
  type Engine,
  type Held,
  inTurn,
  lanesOf,
  PER_USER,
  presentedBy,
  SESSION_MS,
  SETTINGS,
} from "./scale-engines.ts";

/** As MAPAE_DATABASE_CONNECTIONS says where nothing is said. */
const CONNECTIONS = 10;
/** What an installation with millions of log-ins would be given, and an own cluster is not by itself. */
const MACHINE = { shared_buffers: "1GB", max_wal_size: "8GB", checkpoint_timeout: "30min" };
const TICKS_PER_SECOND = 100;

export interface PostgresEngine extends Engine {
  /** Makes another, empty database. @returns its address */
  database(): Promise<string>;
}

/** `null` where PostgreSQL is not installed. */
export async function openPostgresEngine(): Promise<PostgresEngine | null> {
  const server = await startPostgres({ settings: MACHINE });
  if (server === null) return null;
  const url = await server.database();
  const settings = { url, password: null, connections: CONNECTIONS, timeoutMs: 30_000 };
  const storage = await openPostgres(settings, systemWorld);
  const clients = Array.from({ length: CONNECTIONS }, () => new pg.Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  const [version] = await server.query<{ server_version: string }>("SHOW server_version");

  const rotate = async (client: pg.Client, held: Held): Promise<void> => {
    const bound = plainRefresh(presentedBy(held), SETTINGS, null);
    if (bound === null) throw new Error("no plain refresh");
    const { statement, values } = bound;
    const { name, text } = statement;
    const query: QueryArrayConfig<unknown[]> = { name, text, values: [...values], rowMode: "array" };
    const { rows } = await client.query(query);
    if (rows.length !== 1) throw new Error("a rotation that found no row");
    held.generation += 1;
  };
  return {
    name: `PostgreSQL ${version?.server_version.split(" ")[0]}`,
    database: () => server.database(),
    storage,
    secretOf: (index) => createHash("md5").update(String(index)).digest(),
    fill: async (from, to) => {
      const now = Date.now();
      const user = `'usr_' || substr(md5('u' || (i / ${PER_USER})), 1, 22)`;
      const numbers = `FROM generate_series(${from}, ${to - 1}) i`;
      await server.query(
        `SET synchronous_commit = off; SET session_replication_role = replica; SET maintenance_work_mem = '512MB';
        INSERT INTO users SELECT ${user}, 'name-' || i, 'name-' || i, NULL, 'active', '[]', ${now}, ${now}, NULL, 1
          ${numbers} WHERE i % ${PER_USER} = 0;
        INSERT INTO sessions SELECT 'ses_' || substr(md5('s' || i), 1, 22), ${user}, '${CLIENT}', 'dev_' || i,
          'Chrome on macOS', 'desktop', '192.0.2.1', '["pwd"]', ${now}, ${now + SESSION_MS}, NULL, NULL,
          ${now + SETTINGS.idleMs} ${numbers};
        INSERT INTO grants SELECT decode(md5(i::text), 'hex'), 'gra_' || substr(md5('g' || i), 1, 22),
          'ses_' || substr(md5('s' || i), 1, 22), '${CLIENT}', '["account"]', 1, 'session', 1, 1, ${now}, NULL, ${now},
          ${now + SETTINGS.idleMs}, ${now}, NULL, NULL ${numbers};`,
        url,
      );
      for (const after of ["VACUUM ANALYZE", "CHECKPOINT"]) await server.query(after, url);
    },
    bare: async (held, seconds) => {
      const lanes = lanesOf(held, CONNECTIONS);
      const steps = clients.map((client, index) => {
        const next = inTurn(lanes[index] ?? []);
        return () => rotate(client, next());
      });
      const { done, seconds: took } = await closedLoop(steps, seconds);
      return { count: done, seconds: took };
    },
    cpuSeconds: async () => cpuOf(server.pid),
    bytes: async () => {
      const [size] = await server.query<{ bytes: string }>("SELECT pg_database_size(current_database()) AS bytes", url);
      return Number(size?.bytes);
    },
    close: async () => {
      await Promise.all(clients.map((client) => client.end()));
      await storage.close();
      await server.remove();
    },
  };
}

/** CPU seconds of a process and its children, living and gone; `null` where the system does not say. */
function cpuOf(pid: number): number | null {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(/\s+/).map(Number);
    const ticks = [pid, ...children].map((each) => {
      const fields = readFileSync(`/proc/${each}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      // utime, stime, and of the first one what its children had used that are gone (proc(5), fields 14 to 17).
      return fields.slice(11, each === pid ? 15 : 13).reduce((sum, field) => sum + Number(field), 0);
    });
    return ticks.reduce((sum, each) => sum + each, 0) / TICKS_PER_SECOND;
  } catch {
    return null;
  }
}

/**
 * What a database is like that an operator should know before it holds log-ins: is it the one that was meant, does each
 * connection keep its session, what would it lose, and is its clock this machine's.
 */
import { StartRefused } from "../../prelude/fault.ts";
import type { Clock } from "../../prelude/world.ts";
import { integer, text } from "../sql/columns.ts";
import type { Connection, Connections } from "./connections.ts";
import type { Bound } from "./replay.ts";
import { prepared } from "./sql.ts";
import { NOW } from "./transaction.ts";

/** The oldest PostgreSQL that this driver is written for. */
const OLDEST_SERVER = 14;
/**
 * Tokens are dated by the machine that signs them: within a second nobody notices; beyond a minute, verifiers that allow
 * what they are advised to allow would take tokens for not yet valid, or for over.
 */
export const CLOCK_MS = { warned: 1_000, refused: 60_000 };

const SERVER: Bound = {
  statement: prepared(`SELECT current_setting('server_version_num')::bigint, current_setting('server_version'),
    CASE WHEN pg_is_in_recovery() THEN 'standby' WHEN current_setting('transaction_read_only') = 'on' THEN 'read only' ELSE '' END,
    pg_encoding_to_char(encoding), coalesce(current_schema(), '') FROM pg_database WHERE datname = current_database()`),
  values: [],
};
const LOSES: Bound = {
  statement: prepared("SELECT current_setting('fsync'), current_setting('full_page_writes')"),
  values: [],
};
const STANDBYS: Bound = {
  statement: prepared(
    "SELECT current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication)",
  ),
  values: [],
};
const CLOCK: Bound = { statement: prepared(`SELECT ${NOW}`), values: [] };
/** Not a prepared statement: behind such a proxy those fail in ways of their own. */
const PROCESS = "SELECT pg_backend_pid()";

/** Refuses what cannot serve. Throws `StartRefused`. */
export async function checkServer(connection: Connection, says: string): Promise<void> {
  const { rows } = await connection.send(SERVER);
  const row = rows[0] ?? [];
  const refuse = (why: string): never => {
    throw new StartRefused(`The database ${says} ${why}`);
  };
  if (integer(row, 0) < OLDEST_SERVER * 10_000) {
    refuse(`is PostgreSQL ${text(row, 1)}: this needs ${OLDEST_SERVER} or later.`);
  }
  if (text(row, 2) === "standby") refuse("is a standby, which takes no writes: connect to the primary.");
  if (text(row, 2) === "read only")
    refuse("is read only (default_transaction_read_only): connect to one that takes writes.");
  if (text(row, 3) !== "UTF8") refuse(`keeps text as ${text(row, 3)}: make one with ENCODING 'UTF8'.`);
  if (text(row, 4) === "") refuse("has no schema in its search_path where this user could make tables.");
}

/**
 * Refuses a proxy that gives each transaction another connection: prepared statements, settings and `LISTEN` belong to a
 * session. While a second connection is inside a transaction, it holds whatever the proxy gave it: often what the first
 * one had, which then gets another. A few rounds, since other programs may be behind the same proxy.
 */
export async function checkSessions(connections: Connections, says: string): Promise<void> {
  const processOf = async (connection: Connection) => integer((await connection.say(PROCESS)).rows[0] ?? [], 0);
  await connections.use((first) =>
    connections.use(async (second) => {
      for (let round = 0; round < 3; round += 1) {
        const before = await processOf(first);
        await second.say("BEGIN");
        const [other, after] = [await processOf(second), await processOf(first)];
        await second.say("ROLLBACK");
        if (before === after && before !== other) continue;
        throw new StartRefused(
          `The database ${says} is behind a proxy that pools transactions, and this needs sessions: connect directly, or let it pool sessions (PgBouncer: pool_mode = session).`,
        );
      }
    }),
  );
}

/** Whether a standby follows that commits do not wait for: a failover to it loses the last of them. */
export async function followsLate(connection: Connection): Promise<boolean> {
  const [row = []] = (await connection.send(STANDBYS)).rows;
  return text(row, 0) === "" && integer(row, 1) > 0;
}

/** What it may lose, one line each. */
export async function losses(connection: Connection): Promise<readonly string[]> {
  const [row = []] = (await connection.send(LOSES)).rows;
  const told: string[] = [];
  if (text(row, 0) === "off") {
    told.push("the database has fsync=off: after a power cut it may have lost anything, and be broken");
  }
  if (text(row, 1) === "off") told.push("the database has full_page_writes=off: after a power cut it may be broken");
  if (await followsLate(connection)) {
    told.push(
      "the database's standby follows asynchronously: a failover loses the last writes, a confirmed revocation among them (synchronous_standby_names)",
    );
  }
  return told;
}

/** How far this machine's clock is ahead of the database's, in milliseconds. */
export async function clockAhead(connection: Connection, clock: Clock): Promise<number> {
  const sent = clock.now();
  const [row = []] = (await connection.send(CLOCK)).rows;
  return (sent + clock.now()) / 2 - integer(row, 0);
}

/** What is to be said of a difference of clocks; `null`: nothing. */
export function clockLine(aheadMs: number): string | null {
  if (Math.abs(aheadMs) < CLOCK_MS.warned) return null;
  const seconds = (Math.abs(aheadMs) / 1000).toFixed(1);
  return `this machine's clock is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} the database's: let both follow NTP`;
}

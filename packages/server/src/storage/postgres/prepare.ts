/**
 * Makes a database ready to serve, or says in one line why it cannot be: is it PostgreSQL of a version that works, does it
 * take writes, is what stands in it ours and not from a newer program? Then takes the steps of the schema that it lacks,
 * one node at a time.
 */
import { DatabaseError } from "pg";
import { StartRefused } from "../../prelude/fault.ts";
import { nextEpoch } from "../../revocation/epoch.ts";
import { integer, text } from "../sql/columns.ts";
import type { Connection, Connections } from "./connections.ts";
import { faultOf } from "./faults.ts";
import { advisoryKey } from "./locks.ts";
import { assertServable } from "./moved.ts";
import type { Bound } from "./replay.ts";
import { MIGRATIONS } from "./schema.ts";
import { prepared } from "./sql.ts";

/** The oldest PostgreSQL that this driver is written for. */
const OLDEST_SERVER = 14;
const MIGRATING = 3;

const SERVER: Bound = {
  statement: prepared(`SELECT current_setting('server_version_num')::bigint, current_setting('server_version'),
    CASE WHEN pg_is_in_recovery() THEN 'standby' WHEN current_setting('transaction_read_only') = 'on' THEN 'read only' ELSE '' END,
    pg_encoding_to_char(encoding), coalesce(current_schema(), '') FROM pg_database WHERE datname = current_database()`),
  values: [],
};
const OURS: Bound = {
  statement: prepared(`SELECT CASE WHEN to_regclass('mapae') IS NULL THEN 0 ELSE 1 END,
    (SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v'))`),
  values: [],
};
const VERSION: Bound = { statement: prepared("SELECT schema, oldest FROM mapae"), values: [] };
const MADE: Bound = { statement: prepared("SELECT 1 FROM state"), values: [] };
const ALONE: Bound = { statement: prepared(`SELECT pg_advisory_xact_lock(${advisoryKey(MIGRATING)})`), values: [] };
const NOW: Bound = {
  statement: prepared("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"),
  values: [],
};

async function checkServer(connection: Connection, says: string): Promise<void> {
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

/** What stands in the database, before anything is done to it. */
export interface Found {
  /** How many steps it has; `null` where it is not ours. */
  readonly schema: number | null;
  /** Tables and views, whoever's they are. */
  readonly tables: number;
}

async function find(connection: Connection, says: string): Promise<Found> {
  const { rows } = await connection.send(OURS);
  const [ours, tables] = [integer(rows[0] ?? [], 0), integer(rows[0] ?? [], 1)];
  if (ours === 0) return { schema: null, tables };
  const { rows: versions } = await connection.send(VERSION);
  const [row] = versions;
  if (row === undefined) throw new StartRefused(halfMade(says));
  const schema = integer(row, 0);
  if (integer(row, 1) > MIGRATIONS.length) {
    throw new StartRefused(
      `The database ${says} was written by a newer Mapae (schema ${schema}; this one knows ${MIGRATIONS.length}): run that version or newer.`,
    );
  }
  return { schema, tables };
}

async function takeSteps(connection: Connection, schema: number): Promise<void> {
  const missing = MIGRATIONS.slice(schema);
  if (missing.length === 0) return;
  for (const { sql } of missing) await connection.say(sql);
  await connection.say(`UPDATE mapae SET schema = ${MIGRATIONS.length}, oldest = ${MIGRATIONS.at(-1)?.oldest ?? 0}`);
}

/** Looks at the server and at what stands in the database, and changes nothing. Throws `StartRefused`. */
export async function lookAt(connection: Connection, says: string): Promise<Found> {
  await checkServer(connection, says);
  return find(connection, says);
}

/**
 * Takes the steps that are missing and does `work`, all or none, one process at a time. Throws `StartRefused`.
 * @param work is given what stood there before
 * @param ending `ROLLBACK`: only tried
 */
export async function inSchema<T>(
  connection: Connection,
  says: string,
  work: (found: Found) => Promise<T>,
  ending: "COMMIT" | "ROLLBACK" = "COMMIT",
): Promise<T> {
  await connection.say("BEGIN");
  try {
    await connection.say("SET LOCAL statement_timeout = 0");
    // Of several nodes that start at once, one takes the steps and the others wait for it.
    await connection.say("SET LOCAL lock_timeout = 0");
    await connection.send(ALONE);
    const found = await find(connection, says);
    if (found.schema === null && found.tables > 0) throw new StartRefused(foreignLine(says));
    await takeSteps(connection, found.schema ?? 0);
    const result = await work(found);
    await connection.say(ending);
    return result;
  } catch (error) {
    await connection.say("ROLLBACK").catch(() => {});
    throw error;
  }
}

/** A database that is empty begins; one that is not has all that it needs. */
async function begin(connection: Connection, says: string, { schema }: Found, time: number | null): Promise<void> {
  await assertServable(connection, says);
  const { rows: made } = await connection.send(MADE);
  if (made.length > 0) return;
  if (schema !== null) throw new StartRefused(halfMade(says));
  const now = time ?? integer((await connection.send(NOW)).rows[0] ?? [], 0);
  await connection.say(`INSERT INTO state (id, epoch, seq, key_set) VALUES (1, ${nextEpoch(now, 0)}, 0, 0)`);
}

export function foreignLine(says: string): string {
  return `The database ${says} holds tables of another program: give Mapae a database (or a schema) of its own.`;
}

export function halfMade(says: string): string {
  return `The database ${says} holds only a part of Mapae's tables: restore it as a whole, or begin with an empty one.`;
}

/** Makes the database ready. Throws `StartRefused`. @param time Unix milliseconds in the place of the database's */
export async function prepare(connections: Connections, says: string, time: number | null): Promise<void> {
  try {
    await connections.use(async (connection) => {
      await checkServer(connection, says);
      await inSchema(connection, says, (found) => begin(connection, says, found, time));
    });
  } catch (error) {
    throw startRefusedBy(error, says);
  }
}

const STARTING: Readonly<Record<string, string>> = {
  "3D000": "there is no such database: make it (createdb) and start again",
  "28P01": "the user or the password is not taken",
  "28000": "this user may not connect (pg_hba.conf)",
  "42501": "this user may not make tables there: GRANT CREATE ON SCHEMA, or let it own the database",
  "42P07": "a table of that name is there and is not Mapae's: use a database of its own",
  "42P01": "a table is missing: restore it as a whole, or begin with an empty one",
  "42703": "a column is missing: restore it as a whole, or begin with an empty one",
  "53300": "it takes no more connections: raise max_connections, or lower MAPAE_DATABASE_CONNECTIONS",
};

export function startRefusedBy(error: unknown, says: string): StartRefused {
  if (error instanceof StartRefused) return error;
  const told = error instanceof DatabaseError && error.code !== undefined ? STARTING[error.code] : undefined;
  return new StartRefused(`The database ${says} cannot be opened: ${told ?? faultOf(error).message}.`);
}

/**
 * Makes a database ready to serve, or says in one line why it cannot be: is it PostgreSQL of a version that works, does it
 * take writes, is what stands in it ours and not from a newer program? Then takes the steps of the schema that it lacks,
 * one node at a time.
 */
import { DatabaseError } from "pg";
import { StartRefused, Unavailable } from "../../prelude/fault.ts";
import type { Clock } from "../../prelude/world.ts";
import { nextEpoch } from "../../revocation/epoch.ts";
import { integer, text } from "../sql/columns.ts";
import type { Connection, Connections } from "./connections.ts";
import { faultOf, isOfTrust } from "./faults.ts";
import { CLOCK_MS, checkServer, checkSessions, clockAhead, clockLine, losses } from "./inspect.ts";
import { ADVISORY, advisoryKey } from "./locks.ts";
import { assertServable } from "./moved.ts";
import type { Bound } from "./replay.ts";
import { MIGRATIONS } from "./schema.ts";
import { prepared } from "./sql.ts";

const OURS: Bound = {
  statement: prepared(`SELECT CASE WHEN to_regclass('mapae') IS NULL THEN 0 ELSE 1 END,
    (SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v'))`),
  values: [],
};
/** Every table that the steps make. */
const TABLES = MIGRATIONS.flatMap(({ sql }) => [...sql.matchAll(/CREATE TABLE (\w+)/g)].map(([, name = ""]) => name));
const ABSENT: Bound = {
  statement: prepared(
    `SELECT coalesce(min(t), '') FROM unnest(ARRAY[${TABLES.map((name) => `'${name}'`).join(", ")}]) t WHERE to_regclass(t) IS NULL`,
  ),
  values: [],
};
const VERSION: Bound = { statement: prepared("SELECT schema, oldest FROM mapae"), values: [] };
const MADE: Bound = { statement: prepared("SELECT 1 FROM state"), values: [] };
const ALONE: Bound = {
  statement: prepared(`SELECT pg_advisory_xact_lock(${advisoryKey(ADVISORY.migrating)})`),
  values: [],
};
const NOW: Bound = {
  statement: prepared("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"),
  values: [],
};

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
  const [absent = []] = (await connection.send(ABSENT)).rows;
  if (text(absent, 0) !== "") throw new StartRefused(halfMade(says, text(absent, 0)));
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

/** @param table that is not there, where it is a table */
export function halfMade(says: string, table?: string): string {
  const which = table === undefined ? "" : ` (${table} is missing)`;
  return `The database ${says} holds only a part of Mapae's tables${which}: restore it as a whole, or begin with an empty one.`;
}

/**
 * Makes the database ready. Throws `StartRefused`.
 * @param clock of this machine, to be held against the database's; `null`: not looked at
 * @param time Unix milliseconds in the place of the database's
 * @returns what an operator should know, one line each
 */
export async function prepare(
  connections: Connections,
  says: string,
  clock: Clock | null,
  time: number | null,
): Promise<readonly string[]> {
  try {
    await checkSessions(connections, says);
    return await connections.use(async (connection) => {
      await checkServer(connection, says);
      const aheadMs = clock === null ? 0 : await clockAhead(connection, clock);
      const clocks = clockLine(aheadMs);
      if (clocks !== null && Math.abs(aheadMs) > CLOCK_MS.refused) {
        throw new StartRefused(`With the database ${says}, ${clocks}.`);
      }
      await inSchema(connection, says, (found) => begin(connection, says, found, time));
      return [...(await losses(connection)), ...(clocks === null ? [] : [clocks])];
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
  const fault = faultOf(error);
  const passes = told === undefined && fault instanceof Unavailable && !isOfTrust(error);
  return new StartRefused(`The database ${says} cannot be opened: ${told ?? fault.message}.`, { passes });
}

/**
 * Where a move goes: PostgreSQL. Rows and the note of how far they have come are one statement, so that whatever ends this
 * process, the database knows where to go on. The row that makes it an installation is written last (tables.ts, `LAST`).
 */
import { StartRefused } from "../../prelude/fault.ts";
import type { World } from "../../prelude/world.ts";
import type { Address } from "../postgres/address.ts";
import { type Connection, Connections, understood } from "../postgres/connections.ts";
import { ADVISORY, advisoryKey } from "../postgres/locks.ts";
import { type MoveRecord, readRecord } from "../postgres/moved.ts";
import { type Found, inSchema, lookAt, startRefusedBy } from "../postgres/prepare.ts";
import { prepared } from "../postgres/sql.ts";
import { integer, type Row, text, textOrNull, type Value } from "../sql/columns.ts";
import { differenceOf, keyAsJson, keyFromJson, rowsAsJson } from "./rows.ts";
import type { Occupancy } from "./situation.ts";
import { LAST, misfits, type ServedColumn, type Table } from "./tables.ts";

/** How far a table has come. */
export interface Cursor {
  readonly rows: number;
  /** The key of the last row that was carried over. */
  readonly after: readonly Value[] | null;
}

/** What the source knows of its tables. */
interface Numbered {
  readonly tables: readonly Table[];
  /** The highest number that was ever given in a table that counts. */
  readonly lastNumber: (table: string) => number;
}

const NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)";
const HAS_MOVES = "SELECT CASE WHEN to_regclass('move') IS NULL THEN 0 ELSE 1 END";
const COLUMNS = `SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
    CASE WHEN NOT a.attnotnull OR a.atthasdef OR a.attidentity <> '' THEN 1 ELSE 0 END
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped`;
const COUNTERS = `SELECT c.relname::text, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  WHERE c.relnamespace = current_schema()::regnamespace AND a.attidentity <> ''`;
/** Of the servers on a database, one has the duty. */
const UNATTENDED = `SELECT CASE WHEN pg_try_advisory_xact_lock(${advisoryKey(ADVISORY.duty)}) THEN 1 ELSE 0 END`;
/** What works on all rows may take so long. */
const LONG_MS = 3_600_000;

const quoted = (name: string): string => `"${name}"`;
const listed = (of: readonly { readonly name: string }[]): string => of.map(({ name }) => quoted(name)).join(", ");

async function ask(connection: Connection, sql: string, ...values: readonly Value[]): Promise<readonly Row[]> {
  return (await connection.send({ statement: prepared(sql), values })).rows;
}

export class MoveTarget {
  /** `host:port/database`. */
  readonly says: string;
  readonly #connections: Connections;

  /** @param timeoutMs how long a statement of a page of rows may take */
  constructor({ client, says }: Address, timeoutMs: number, { clock, random }: World) {
    this.says = says;
    this.#connections = new Connections({ client, most: 1, statementMs: timeoutMs }, clock, random);
  }

  /** What stands there, and the database's time in Unix milliseconds. Throws `StartRefused`. */
  async look(): Promise<{ readonly occupancy: Occupancy; readonly now: number }> {
    return this.#starting(async (connection) => {
      const found = await lookAt(connection, this.says);
      const [row = []] = await ask(connection, `SELECT ${NOW}`);
      return { occupancy: await occupancyOf(connection, found), now: integer(row, 0) };
    });
  }

  /** Tries whether the schema can be made there and takes the tables, and leaves nothing. Throws `StartRefused`. */
  async attempt(tables: readonly Table[]): Promise<void> {
    await this.#starting((connection) =>
      inSchema(connection, this.says, () => assertFits(connection, this.says, tables), "ROLLBACK"),
    );
  }

  /** Makes the schema and empties it for this move. Throws `StartRefused`, also where `still` is not so any more. */
  async begin(
    record: Pick<MoveRecord, "move" | "installation" | "source">,
    tables: readonly Table[],
    still: (occupancy: Occupancy) => boolean,
  ): Promise<void> {
    await this.#starting((connection) =>
      inSchema(connection, this.says, async (found) => {
        await this.#assertStill(connection, found, still);
        await assertFits(connection, this.says, tables);
        await connection.say(`TRUNCATE ${listed(tables)} RESTART IDENTITY`);
        await connection.say("DELETE FROM move; DELETE FROM move_tables");
        const { move, installation, source } = record;
        const sql = `INSERT INTO move (id, move, installation, source, state, begun_at) VALUES (1, ?, ?, ?, 'filling', ${NOW})`;
        await ask(connection, sql, move, installation, source);
        for (const { name } of tables.filter((table) => table.name !== LAST)) {
          await ask(connection, "INSERT INTO move_tables (name, rows, after) VALUES (?, 0, NULL)", name);
        }
      }),
    );
  }

  /** How far this move has come with each table. */
  async cursors(tables: readonly Table[]): Promise<ReadonlyMap<string, Cursor>> {
    const rows = await this.#serving((connection) => ask(connection, "SELECT name, rows, after FROM move_tables"));
    const known = new Map(tables.map((table) => [table.name, table]));
    return new Map(
      rows.map((row) => {
        const table = known.get(text(row, 0));
        const after = textOrNull(row, 2);
        const key = after === null || table === undefined ? null : keyFromJson(table, after);
        return [text(row, 0), { rows: integer(row, 1), after: key }];
      }),
    );
  }

  /** Carries rows over, and notes it, where `from` is still how far the table has come. */
  async put(move: string, table: Table, rows: readonly Row[], from: Cursor, to: Cursor): Promise<void> {
    const typed = table.columns.map(({ name, type }) => `${quoted(name)} ${type}`).join(", ");
    const sql = `WITH noted AS (
        UPDATE move_tables SET rows = ?, after = ? WHERE name = ? AND rows = ?
          AND EXISTS (SELECT 1 FROM move WHERE move = ? AND state = 'filling') RETURNING 1
      ) INSERT INTO ${quoted(table.name)} (${listed(table.columns)}) OVERRIDING SYSTEM VALUE
      SELECT ${listed(table.columns)} FROM json_to_recordset(CAST(? AS json)) AS r (${typed})
      WHERE EXISTS (SELECT 1 FROM noted)`;
    const after = keyAsJson(to.after ?? []);
    const values = [to.rows, after, table.name, from.rows, move, rowsAsJson(table, rows)];
    const { count } = await this.#serving((connection) => connection.send({ statement: prepared(sql), values }));
    if (count !== rows.length) throw new StartRefused(`Another program moves into ${this.says}: let it end.`);
  }

  /** Rows in the order of the key, as SQLite has it. @param after the key of the row before the first */
  async read({ name, columns, key }: Table, after: readonly Value[] | null, limit: number): Promise<readonly Row[]> {
    const order = key.map((column) =>
      column.type === "text" ? `${quoted(column.name)} COLLATE "C"` : quoted(column.name),
    );
    const where = after === null ? "" : `WHERE (${order.join(", ")}) > (${key.map(() => "?").join(", ")})`;
    const sql = `SELECT ${listed(columns)} FROM ${quoted(name)} ${where} ORDER BY ${order.join(", ")} LIMIT ${limit}`;
    return this.#serving((connection) => ask(connection, sql, ...(after ?? [])));
  }

  /**
   * Makes it an installation: the last row, and counters that go on where the source's are. A server may start then.
   * @returns the last row as it stands there
   */
  async finish(move: string, last: Table, row: Row, { tables, lastNumber }: Numbered): Promise<Row> {
    return this.#starting((connection) =>
      inSchema(connection, this.says, async () => {
        const done = `UPDATE move SET state = 'done', done_at = ${NOW} WHERE move = ? AND state = 'filling'`;
        const { count } = await connection.send({ statement: prepared(done), values: [move] });
        if (count !== 1) throw new StartRefused(`The move into ${this.says} was ended by another program.`);
        for (const counter of await ask(connection, COUNTERS)) {
          const [table, column] = [text(counter, 0), text(counter, 1)];
          const highest = lastNumber(table);
          // What is not called yet gives its first number next.
          const set = "SELECT setval(pg_get_serial_sequence(quote_ident(?), ?), CAST(? AS bigint), CAST(? AS boolean))";
          await ask(connection, set, table, column, Math.max(1, highest), highest > 0 ? "true" : "false");
        }
        await connection.send({ statement: prepared(`ANALYZE ${listed(tables)}`), values: [] }, LONG_MS);
        const places = last.columns.map(() => "?").join(", ");
        await ask(connection, `INSERT INTO ${quoted(last.name)} (${listed(last.columns)}) VALUES (${places})`, ...row);
        const [stands] = await ask(connection, `SELECT ${listed(last.columns)} FROM ${quoted(last.name)}`);
        if (stands === undefined || differenceOf(last, row, stands) !== null) throw new Error("the last row differs");
        return stands;
      }),
    );
  }

  /** Takes everything out again; nothing is served from there until another move. Throws `StartRefused`. */
  async empty(tables: readonly Table[], still: (occupancy: Occupancy) => boolean): Promise<void> {
    await this.#starting((connection) =>
      inSchema(connection, this.says, async (found) => {
        await this.#assertStill(connection, found, still);
        const [free = []] = await ask(connection, UNATTENDED);
        if (integer(free, 0) === 0)
          throw new StartRefused(`A server has the database ${this.says} open: stop it first.`);
        await connection.say(`TRUNCATE ${listed(tables)} RESTART IDENTITY`);
        await connection.say("DELETE FROM move_tables; UPDATE move SET state = 'emptied', done_at = NULL");
      }),
    );
  }

  async close(): Promise<void> {
    await this.#connections.close();
  }

  async #assertStill(connection: Connection, found: Found, still: (occupancy: Occupancy) => boolean): Promise<void> {
    if (still(await occupancyOf(connection, found))) return;
    throw new StartRefused(`Another program has changed the database ${this.says} meanwhile: run this again.`);
  }

  /** What goes wrong before or after the rows: one line for the operator. */
  async #starting<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    try {
      return await this.#connections.use(work);
    } catch (error) {
      throw startRefusedBy(error, this.says);
    }
  }

  #serving<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return understood(this.#connections.use(work));
  }
}

async function occupancyOf(connection: Connection, { schema, tables }: Found): Promise<Occupancy> {
  if (schema === null) return { kind: tables > 0 ? "foreign" : "empty" };
  const [moves = []] = await ask(connection, HAS_MOVES);
  const record = integer(moves, 0) === 1 ? await readRecord(connection) : null;
  const [state] = await ask(connection, "SELECT installation FROM state");
  if (state !== undefined) return { kind: "installation", installation: text(state, 0), record };
  return record === null || record.state === "done" ? { kind: "partial" } : { kind: "unserved", record };
}

async function assertFits(connection: Connection, says: string, tables: readonly Table[]): Promise<void> {
  const served = (await ask(connection, COLUMNS)).map(
    (row): ServedColumn => ({
      table: text(row, 0),
      name: text(row, 1),
      type: text(row, 2),
      optional: integer(row, 3) === 1,
    }),
  );
  const [fault] = misfits(tables, served);
  if (fault !== undefined) throw new StartRefused(`The tables of ${says} are not those of the file: ${fault}.`);
}

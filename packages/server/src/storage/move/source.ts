/** Where a move comes from: a SQLite file that no program serves meanwhile, read in the order of each table's key. */
import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { StartRefused } from "../../prelude/fault.ts";
import { integer, type Row, text, type Value } from "../sql/columns.ts";
import { openReader, openWriter } from "../sqlite/connection.ts";
import { damagedLine, startRefusedBy } from "../sqlite/faults.ts";
import { lockWriter } from "../sqlite/lock.ts";
import { type MoveMark, readMark, writeMark } from "../sqlite/moved.ts";
import { assertOurs, faultsOf } from "../sqlite/prepare.ts";
import { MIGRATIONS } from "../sqlite/schema.ts";
import { type Table, tablesOf } from "./tables.ts";

const quoted = (name: string): string => `"${name}"`;

export class MoveSource {
  readonly file: string;
  readonly installation: string;
  readonly tables: readonly Table[];
  readonly #db: DatabaseSync;
  readonly #release: () => void;

  private constructor(file: string, db: DatabaseSync, release: () => void) {
    this.file = file;
    this.#db = db;
    this.#release = release;
    this.tables = tablesOf(db);
    const row = db.prepare("SELECT installation FROM state").get() as unknown as Row | undefined;
    if (row === undefined) throw new Error("the database has no state row");
    this.installation = text(row, 0);
  }

  /** Takes the lock that a server would have. Throws `StartRefused`. */
  static open(file: string): MoveSource {
    assertThere(file);
    const lock = lockWriter(file);
    try {
      return MoveSource.#over(file, openWriter, () => lock.release());
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Only to look, beside a server too. Throws `StartRefused`. */
  static look(file: string): MoveSource {
    assertThere(file);
    return MoveSource.#over(file, openReader, () => {});
  }

  static #over(file: string, open: (file: string) => DatabaseSync, release: () => void): MoveSource {
    let db: DatabaseSync | undefined;
    try {
      db = open(file);
      assertOurs(db, file);
      const schema = integer(db.prepare("PRAGMA user_version").get() as unknown as Row, 0);
      if (schema === 0) throw new StartRefused(`The database ${file} is empty: there is nothing to move.`);
      if (schema < MIGRATIONS.length) {
        throw new StartRefused(
          `The database ${file} is of an older Mapae (schema ${schema}; this one has ${MIGRATIONS.length}): back it up, start this version on it once, stop it, and move then.`,
        );
      }
      if (faultsOf(db, false).length > 0) throw new StartRefused(damagedLine(file));
      return new MoveSource(file, db, release);
    } catch (error) {
      db?.close();
      throw startRefusedBy(error, file);
    }
  }

  get mark(): MoveMark | null {
    return readMark(this.#db);
  }

  /** Throws `StartRefused` where the file cannot be written. */
  setMark(mark: MoveMark | null): void {
    try {
      writeMark(this.#db, mark);
    } catch (error) {
      throw startRefusedBy(error, this.file);
    }
  }

  count({ name }: Table): number {
    return integer(this.#db.prepare(`SELECT count(*) FROM ${quoted(name)}`).get() as unknown as Row, 0);
  }

  /** Rows in the order of the key. @param after the key of the row before the first */
  read({ name, columns, key }: Table, after: readonly Value[] | null, limit: number): readonly Row[] {
    const list = (of: readonly { readonly name: string }[]) => of.map((column) => quoted(column.name)).join(", ");
    const where = after === null ? "" : `WHERE (${list(key)}) > (${key.map(() => "?").join(", ")})`;
    const sql = `SELECT ${list(columns)} FROM ${quoted(name)} ${where} ORDER BY ${list(key)} LIMIT ?`;
    return this.#db.prepare(sql).all(...(after ?? []), limit) as unknown as Row[];
  }

  /** The highest number that was ever given to a row of a table that counts; 0 where none was. */
  readonly lastNumber = (table: string): number => {
    const row = this.#db.prepare("SELECT seq FROM sqlite_sequence WHERE name = ?").get(table);
    return row === undefined ? 0 : integer(row as unknown as Row, 0);
  };

  close(): void {
    this.#db.close();
    this.#release();
  }
}

function assertThere(file: string): void {
  if (!existsSync(file)) throw new StartRefused(`There is no database at ${file}: set --data, or MAPAE_DATA.`);
}

/**
 * SQLite under the shared SQL (storage/sql/): statements are prepared at their first use and carried out at once. The head
 * of the log is kept at hand while a transaction runs and written once at its end.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Position, RevocationEntry } from "../../revocation/entry.ts";
import { integer, type Row, type Value } from "../sql/columns.ts";
import { SqlReads } from "../sql/reads.ts";
import { SqlRows } from "../sql/rows.ts";
import type { Questions, Statements } from "../sql/statements.ts";

class SqliteQuestions implements Questions {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** @param db opened with `returnArrays` */
  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  protected statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#db.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }

  one<T>(sql: string, of: (row: Row) => T, ...values: readonly Value[]): T | undefined {
    const row = this.statement(sql).get(...values) as unknown as Row | undefined;
    return row === undefined ? undefined : of(row);
  }

  all<T>(sql: string, of: (row: Row) => T, ...values: readonly Value[]): T[] {
    const rows = this.statement(sql).all(...values) as unknown as Row[];
    return rows.map((row) => of(row));
  }

  /** The position of the last entry of the log. */
  head(): Position {
    const of = (row: Row) => ({ epoch: integer(row, 0), seq: integer(row, 1) });
    const head = this.one("SELECT epoch, seq FROM state", of);
    if (head === undefined) throw new Error("the database has no state row");
    return head;
  }
}

class SqliteStatements extends SqliteQuestions implements Statements {
  #head: Position;
  #fresh: RevocationEntry[] = [];
  /** Whether the head moved in this transaction. */
  #moved = false;

  constructor(db: DatabaseSync) {
    super(db);
    this.#head = this.head();
  }

  run(sql: string, ...values: readonly Value[]): void {
    this.statement(sql).run(...values);
  }

  changes(sql: string, ...values: readonly Value[]): number {
    return Number(this.statement(sql).run(...values).changes);
  }

  position(): Position {
    return this.#head;
  }

  place(entry: Omit<RevocationEntry, keyof Position>): RevocationEntry {
    this.#head = { epoch: this.#head.epoch, seq: this.#head.seq + 1 };
    const placed = { ...this.#head, ...entry };
    this.#moved = true;
    this.#fresh.push(placed);
    return placed;
  }

  beginEpoch(epoch: number): void {
    this.run("UPDATE state SET epoch = ?, seq = 0", epoch);
    this.#moved = true;
    this.#head = { epoch, seq: 0 };
  }

  finish(): readonly RevocationEntry[] {
    if (this.#fresh.length > 0) this.run("UPDATE state SET seq = ?", this.#head.seq);
    return this.#fresh;
  }

  reset(committed: boolean): void {
    if (this.#moved && !committed) this.#head = this.head();
    this.#moved = false;
    this.#fresh = [];
  }
}

export class SqliteReads extends SqlReads<SqliteQuestions> {
  /** @param db opened with `returnArrays` */
  constructor(db: DatabaseSync) {
    super(new SqliteQuestions(db));
  }

  /** The position of the last entry of the log. */
  head(): Position {
    return this.engine.head();
  }
}

/** Rows inside the transaction of the one writer (commit.ts). */
export class SqliteRows extends SqlRows<SqliteStatements> {
  constructor(db: DatabaseSync) {
    super(new SqliteStatements(db));
  }

  /** Writes the head where it moved, and hands over the entries of the transaction. Before its commit. */
  finish(): readonly RevocationEntry[] {
    return this.engine.finish();
  }

  /** Begins the next transaction's account; `committed` tells how the one before ended. */
  reset(committed: boolean): void {
    this.engine.reset(committed);
  }
}

/**
 * What the shared SQL (reads.ts, rows.ts) asks of an engine: to answer a question and to carry out a change, in the words
 * that SQLite and PostgreSQL have in common, with `?` where a value is bound.
 *
 *   reads.ts, rows.ts ──► Statements ──► SQLite: carried out at once
 *                                   └──► PostgreSQL: gathered and carried out over the network (postgres/replay.ts)
 */
import type { Position, RevocationEntry } from "../../revocation/entry.ts";
import type { Row, Value } from "./columns.ts";

export interface Questions {
  one<T>(sql: string, of: (row: Row) => T, ...values: readonly Value[]): T | undefined;
  all<T>(sql: string, of: (row: Row) => T, ...values: readonly Value[]): T[];
}

export interface Statements extends Questions {
  run(sql: string, ...values: readonly Value[]): void;
  /** The same where it matters how many rows it changed. */
  changes(sql: string, ...values: readonly Value[]): number;
  /** See `Rows`, both. */
  position(): Position;
  beginEpoch(epoch: number): void;
  /** Gives an entry the next position, and notes it as one of this transaction. */
  place(entry: Omit<RevocationEntry, keyof Position>): RevocationEntry;
}

/**
 * What stands in a database of a move into it (storage/move/): whose rows they are, and whether they may be served.
 *
 *   filling ──► done        filling, emptied: no program serves it. done: served, and whoever opens it notes that
 *      │         │
 *      └─────────┴──► emptied        (mapae move --undo; not once something was changed here)
 */
import { StartRefused } from "../../prelude/fault.ts";
import { integer, integerOrNull, type Row, text } from "../sql/columns.ts";
import type { Connection } from "./connections.ts";
import type { Bound } from "./replay.ts";
import { prepared } from "./sql.ts";

export type MoveState = "filling" | "done" | "emptied";

export interface MoveRecord {
  /** Of this very move. */
  readonly move: string;
  readonly installation: string;
  /** The file that it comes from, for people. */
  readonly source: string;
  readonly state: MoveState;
  /** Unix milliseconds, as the others. */
  readonly begunAt: number;
  readonly doneAt: number | null;
  /** When a program opened it last, after the move. */
  readonly usedAt: number | null;
}

const READ: Bound = {
  statement: prepared("SELECT move, installation, source, state, begun_at, done_at, used_at FROM move"),
  values: [],
};
const USED: Bound = {
  statement: prepared("UPDATE move SET used_at = CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"),
  values: [],
};

function recordOf(row: Row): MoveRecord {
  return {
    move: text(row, 0),
    installation: text(row, 1),
    source: text(row, 2),
    state: text(row, 3) as MoveState,
    begunAt: integer(row, 4),
    doneAt: integerOrNull(row, 5),
    usedAt: integerOrNull(row, 6),
  };
}

/** Where the schema has the table. */
export async function readRecord(connection: Connection): Promise<MoveRecord | null> {
  const { rows } = await connection.send(READ);
  return rows[0] === undefined ? null : recordOf(rows[0]);
}

/** Throws `StartRefused` where the rows are not all there, or not any more; notes that they were opened otherwise. */
export async function assertServable(connection: Connection, says: string): Promise<void> {
  const record = await readRecord(connection);
  if (record === null) return;
  const { state, source, begunAt } = record;
  if (state === "filling") {
    throw new StartRefused(
      `The database ${says} is being filled by a move from ${source}, begun ${new Date(begunAt).toISOString()}: run mapae move again where it ran, and it goes on.`,
    );
  }
  if (state === "emptied") {
    throw new StartRefused(
      `The move to the database ${says} was undone, and it is empty: serve ${source}, or run mapae move again.`,
    );
  }
  await connection.send(USED);
}

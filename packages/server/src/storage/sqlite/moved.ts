/**
 * The mark that a move leaves on the file that it moves (storage/move/).
 *
 *   none ──► moving ──► gone          a program that opens the file: none → goes on; gone → refuses, and names the place
 *    ▲         │  opened by a program         moving → the mark goes, since what was carried over is old from then on
 *    └─────────┘
 */
import type { DatabaseSync } from "node:sqlite";
import { StartRefused } from "../../prelude/fault.ts";
import { integer, type Row, text } from "../sql/columns.ts";

export interface MoveMark {
  /** Of this very move. */
  readonly move: string;
  /** `host:port/database`. */
  readonly target: string;
  /** When it began; once it has gone, when it went: Unix milliseconds. */
  readonly at: number;
  /** Whether every row stands at the target, compared: from then on nothing is served from here. */
  readonly gone: boolean;
}

/** @param db opened with `returnArrays`, of the newest schema */
export function readMark(db: DatabaseSync): MoveMark | null {
  const row = db.prepare("SELECT move, target, at, gone FROM moved").get() as unknown as Row | undefined;
  if (row === undefined) return null;
  return { move: text(row, 0), target: text(row, 1), at: integer(row, 2), gone: integer(row, 3) === 1 };
}

export function writeMark(db: DatabaseSync, mark: MoveMark | null): void {
  if (mark === null) {
    db.exec("DELETE FROM moved");
    return;
  }
  const { move, target, at, gone } = mark;
  const sql = "INSERT OR REPLACE INTO moved (id, move, target, at, gone) VALUES (1, ?, ?, ?, ?)";
  db.prepare(sql).run(move, target, at, gone ? 1 : 0);
}

/** Throws `StartRefused` where the installation is elsewhere. Calls off a move that did not come to its end. */
export function assertHere(db: DatabaseSync, file: string): void {
  const mark = readMark(db);
  if (mark?.gone === true) throw new StartRefused(goneLine(mark, file));
  if (mark !== null) writeMark(db, null);
}

export function goneLine({ target, at }: MoveMark, file: string): string {
  const when = new Date(at).toISOString();
  return `What was in ${file} was moved to PostgreSQL at ${target} on ${when}: set MAPAE_DATABASE_URL to that address. While nothing was changed there, mapae move --undo goes back.`;
}

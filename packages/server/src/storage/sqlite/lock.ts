/**
 * One writer per database: an exclusive lock on an empty file beside it, taken through SQLite itself, since Node has no
 * file locks. The operating system lets go of it when the process ends, however it ends. It cannot be a lock on the
 * database, because that would lock out our own readers.
 */
import { DatabaseSync } from "node:sqlite";
import { StartRefused } from "../../prelude/fault.ts";
import { heldLine, startRefusedBy } from "./faults.ts";

export interface WriterLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/** Takes the lock of a database file, or throws `StartRefused` where another process (or this one) holds it. */
export function lockWriter(file: string): WriterLock {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(`${file}.lock`, { timeout: 0 });
    // No journal: nothing is ever written to the lock file.
    db.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    db?.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) {
      throw new StartRefused(heldLine(file));
    }
    throw startRefusedBy(error, file);
  }
  const held = db;
  return { release: () => held.close() };
}

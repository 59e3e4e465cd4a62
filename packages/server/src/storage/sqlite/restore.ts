/**
 * Puts a backup in the place of the database, and ends what must end.
 *
 *   check the copy ──► prepare it beside the target ──► keep the replaced one ──► one rename
 *
 * What ends, and why, is begin-epoch.ts.
 */
import { chmodSync, copyFileSync, existsSync, linkSync, renameSync, rmSync, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { StartRefused } from "../../prelude/fault.ts";
import type { Clock } from "../../prelude/world.ts";
import type { Begun } from "../../revocation/store.ts";
import { beginEpoch, type ReplacedLog } from "../begin-epoch.ts";
import { syncFolderOf } from "./backup.ts";
import { openWriter } from "./connection.ts";
import { startRefusedBy } from "./faults.ts";
import { lockWriter } from "./lock.ts";
import { writeMark } from "./moved.ts";
import { assertOurs, faultsOf, migrate } from "./prepare.ts";
import { SqliteRows } from "./statements.ts";

export interface RestoreOptions {
  readonly keepSessions: boolean;
  readonly clock: Clock;
}

export interface Restored extends Begun {
  /** Where the replaced database is; `null` where there was none. */
  readonly replaced: string | null;
}

/** Restores the backup `from` as the database `to`. Throws `StartRefused`, and then nothing has changed. */
export function restore(from: string, to: string, options: RestoreOptions): Restored {
  const lock = lockWriter(to);
  const prepared = `${to}.restoring`;
  try {
    removeDatabase(prepared);
    const ended = prepareCopy(from, prepared, to, options);
    return { ...ended, replaced: putInPlace(prepared, to, options.clock.now()) };
  } finally {
    removeDatabase(prepared);
    lock.release();
  }
}

function prepareCopy(from: string, prepared: string, to: string, { keepSessions, clock }: RestoreOptions): Begun {
  let db: DatabaseSync | undefined;
  try {
    copyAside(from, prepared);
    db = openWriter(prepared);
    assertOurs(db, from);
    if (db.prepare("SELECT 1 FROM sqlite_schema").get() === undefined) {
      throw new StartRefused(`${from} is empty: it is no backup.`);
    }
    const [fault] = faultsOf(db, true);
    if (fault !== undefined) throw new StartRefused(`The backup ${from} is damaged: ${fault}.`);
    const now = clock.now();
    migrate(db, now);
    db.exec("BEGIN IMMEDIATE");
    // A file that has gone elsewhere may be what is restored: as any older copy, it begins a new epoch here.
    writeMark(db, null);
    const rows = new SqliteRows(db);
    const begun = beginEpoch(rows, headOf(to), keepSessions, now);
    rows.finish();
    db.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
    return begun;
  } catch (error) {
    throw startRefusedBy(error, from);
  } finally {
    db?.close();
  }
}

function copyAside(from: string, prepared: string): void {
  if (!existsSync(from)) throw new StartRefused(`There is no backup at ${from}.`);
  if (existsSync(`${from}-wal`) && statSync(`${from}-wal`).size > 0) {
    throw new StartRefused(`${from} is a database in use, not a backup: make one with mapae backup.`);
  }
  copyFileSync(from, prepared);
  chmodSync(prepared, 0o600);
}

const UNKNOWN: ReplacedLog = { epoch: 0, highestExp: 0, sessionsUntil: 0 };

/** Of the database about to be replaced; zeros where it cannot be read. */
function headOf(file: string): ReplacedLog {
  if (!existsSync(file)) return UNKNOWN;
  let db: DatabaseSync | undefined;
  try {
    db = openWriter(file);
    // Also folds its write-ahead log in, so that the file that is kept is whole by itself.
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const rows = new SqliteRows(db);
    return { epoch: rows.position().epoch, highestExp: rows.highestExp(), sessionsUntil: rows.sessionsUntil() };
  } catch {
    return UNKNOWN;
  } finally {
    db?.close();
  }
}

/** The one moment: before it the old database stands, after it the restored one, whatever happens in between. */
function putInPlace(prepared: string, to: string, now: number): string | null {
  let replaced: string | null = null;
  try {
    if (existsSync(to)) {
      replaced = `${to}.before-restore-${new Date(now).toISOString().replaceAll(":", "")}`;
      linkSync(to, replaced);
      // What is left of its log belongs to the one that is kept; it must not be taken for the new one's.
      if (existsSync(`${to}-wal`)) renameSync(`${to}-wal`, `${replaced}-wal`);
      rmSync(`${to}-shm`, { force: true });
      syncFolderOf(to);
    }
    renameSync(prepared, to);
    syncFolderOf(to);
    return replaced;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new StartRefused(`The database ${to} could not be replaced${code}.`);
  }
}

function removeDatabase(file: string): void {
  for (const each of [file, `${file}-wal`, `${file}-shm`]) rmSync(each, { force: true });
}

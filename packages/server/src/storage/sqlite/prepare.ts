/**
 * Makes a database file ready to serve, or says in one line why it cannot be: is it ours, whole, not from a newer
 * program? Then runs the migrations it lacks. Runs under the lock of lock.ts.
 */
import { closeSync, openSync, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { StartRefused } from "../../prelude/fault.ts";
import { nextEpoch } from "../../revocation/epoch.ts";
import { integer, type Row } from "../sql/columns.ts";
import { openWriter } from "./connection.ts";
import { damagedLine, startRefusedBy } from "./faults.ts";
import { assertHere } from "./moved.ts";
import { APPLICATION_ID, MIGRATIONS } from "./schema.ts";

/** Files up to this size are checked through at every start (some 50 ms); larger ones by `mapae doctor`. */
const CHECKED_BYTES = 32 * 1024 * 1024;

function pragma(db: DatabaseSync, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get() as unknown as Row;
  return integer(row, 0);
}

function isEmpty(db: DatabaseSync): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema").get() === undefined;
}

/** What is wrong with the file's structure, in SQLite's words; empty where nothing is. `thorough` also reads every index. */
export function faultsOf(db: DatabaseSync, thorough: boolean): readonly string[] {
  const rows = db.prepare(thorough ? "PRAGMA integrity_check(10)" : "PRAGMA quick_check(10)").all() as unknown as Row[];
  return rows.map((row) => String(row[0])).filter((line) => line !== "ok");
}

/** Throws `StartRefused` where the file is not a database of ours that this program understands. */
export function assertOurs(db: DatabaseSync, file: string): void {
  const version = pragma(db, "user_version");
  const ours = pragma(db, "application_id") === APPLICATION_ID;
  if (!ours && !(version === 0 && isEmpty(db))) {
    throw new StartRefused(`${file} is a database of another program: MAPAE_DATA may point to the wrong folder.`);
  }
  if (version > MIGRATIONS.length) {
    throw new StartRefused(
      `The database ${file} was written by a newer Mapae (schema ${version}; this one knows ${MIGRATIONS.length}): run that version or newer.`,
    );
  }
}

/** Runs what is missing of the migrations, all or none. */
export function migrate(db: DatabaseSync, now: number): void {
  const version = pragma(db, "user_version");
  if (version === MIGRATIONS.length) return;
  // Takes the write lock: of several programs that start at once, one migrates and the others wait for it.
  db.exec("BEGIN IMMEDIATE");
  try {
    const from = pragma(db, "user_version");
    for (const step of MIGRATIONS.slice(from)) db.exec(step);
    db.prepare("INSERT OR IGNORE INTO state (id, epoch, seq, key_set) VALUES (1, ?, 0, 0)").run(nextEpoch(now, 0));
    db.exec("UPDATE state SET installation = lower(hex(randomblob(16))) WHERE installation IS NULL");
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`);
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

/** Makes the file ready; it exists and is current afterwards. Throws `StartRefused`. */
export function prepare(file: string, now: number): void {
  let db: DatabaseSync | undefined;
  try {
    // Only this user may read it; SQLite gives the files beside it the same rights.
    closeSync(openSync(file, "a", 0o600));
    db = openWriter(file);
    assertOurs(db, file);
    if (statSync(file).size <= CHECKED_BYTES && faultsOf(db, false).length > 0)
      throw new StartRefused(damagedLine(file));
    migrate(db, now);
    assertHere(db, file);
    // Opening succeeds on a file that may only be read: ask for the right to write now.
    db.exec("BEGIN IMMEDIATE; ROLLBACK");
  } catch (error) {
    throw startRefusedBy(error, file);
  } finally {
    db?.close();
  }
}

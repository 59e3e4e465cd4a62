/** Opens connections to the database file with the settings that the promises rest on. */
import { DatabaseSync } from "node:sqlite";

/** How long a connection waits for a lock that another process holds, in milliseconds. */
const BUSY_MS = 1000;
/** The write-ahead log is folded back after so many pages (of 4 KiB): fewer checkpoints, each page written once in it. */
const CHECKPOINT_PAGES = 4000;

/** A connection that writes. `synchronous=FULL`: a commit returns after the disk has it (sqlite.org/pragma.html). */
export function openWriter(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: BUSY_MS, returnArrays: true });
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    PRAGMA cache_size = -8192;
  `);
  return db;
}

/** A connection that reads beside the writer; each statement sees every commit before it. */
export function openReader(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { readOnly: true, timeout: BUSY_MS, returnArrays: true });
  db.exec("PRAGMA trusted_schema = OFF; PRAGMA cache_size = -4096;");
  return db;
}

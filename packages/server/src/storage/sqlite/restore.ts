/**
 * Puts a backup in the place of the database, and ends what must end.
 *
 *   check the copy ──► prepare it beside the target ──► keep the replaced one ──► one rename
 *
 * A backup revives what was taken back after it was made: ended sessions, old passwords, revoked keys. So a new epoch of
 * the log begins, with an entry for everyone; every session is ended and every signing key revoked (REVOCATION §3). An
 * operator who knows that nothing of the sort happened may keep the sessions; the new epoch begins all the same, since
 * numbers of the log may repeat what verifiers have seen.
 */
import { chmodSync, copyFileSync, existsSync, linkSync, renameSync, rmSync, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { draft } from "../../audit/event.ts";
import { StartRefused } from "../../prelude/fault.ts";
import type { Clock } from "../../prelude/world.ts";
import { audit, type Effect } from "../../revocation/effects.ts";
import { nextEpoch } from "../../revocation/epoch.ts";
import { apply } from "../apply.ts";
import { syncFolderOf } from "./backup.ts";
import { openWriter } from "./connection.ts";
import { startRefusedBy } from "./faults.ts";
import { lockWriter } from "./lock.ts";
import { assertOurs, faultsOf, migrate } from "./prepare.ts";
import { SqliteRows } from "./rows.ts";

/**
 * Tokens may have been issued after the backup was made, up to now: entries of the restore outlive them. No access token
 * is good for longer than a day.
 */
const LONGEST_TOKEN_SECONDS = 24 * 3600;

export interface RestoreOptions {
  readonly keepSessions: boolean;
  readonly clock: Clock;
}

export interface Restored {
  /** Where the replaced database is; `null` where there was none. */
  readonly replaced: string | null;
  /** The epoch that begins. */
  readonly epoch: number;
  readonly sessionsEnded: number;
  readonly keysRevoked: number;
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

function prepareCopy(
  from: string,
  prepared: string,
  to: string,
  { keepSessions, clock }: RestoreOptions,
): Omit<Restored, "replaced"> {
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
    const begun = beginEpoch(db, headOf(to), keepSessions, now);
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

/** The epoch and the highest `exp` that the database about to be replaced knew; zeros where it cannot be read. */
function headOf(file: string): { epoch: number; highestExp: number } {
  if (!existsSync(file)) return { epoch: 0, highestExp: 0 };
  let db: DatabaseSync | undefined;
  try {
    db = openWriter(file);
    // Also folds its write-ahead log in, so that the file that is kept is whole by itself.
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const rows = new SqliteRows(db);
    return { epoch: rows.position().epoch, highestExp: rows.highestExp() };
  } catch {
    return { epoch: 0, highestExp: 0 };
  } finally {
    db?.close();
  }
}

function beginEpoch(
  db: DatabaseSync,
  replaced: { epoch: number; highestExp: number },
  keepSessions: boolean,
  now: number,
): Omit<Restored, "replaced"> {
  const rows = new SqliteRows(db);
  const epoch = nextEpoch(now, Math.max(rows.position().epoch, replaced.epoch));
  rows.beginEpoch(epoch);
  const { keys } = rows.keySet();
  const mark = Math.max(replaced.highestExp, Math.ceil(now / 1000) + LONGEST_TOKEN_SECONDS);
  for (const { kid } of keys) rows.raiseMark(kid, mark);

  const system = { actor: { kind: "operator" }, address: null, requestId: null } as const;
  const restored = audit(draft("store.restored", system, {}, { epoch, keep_sessions: keepSessions }));
  if (keepSessions) {
    apply(rows, [restored], now);
    rows.finish();
    return { epoch, sessionsEnded: 0, keysRevoked: 0 };
  }
  // A shared secret is the operator's setting, not the backup's: the new epoch refuses its tokens without ending it.
  const revoked = keys.filter(({ state, publicJwk }) => state !== "revoked" && publicJwk !== null);
  const ends: Effect[] = [{ effect: "end_all_sessions", reason: "restored" }];
  for (const key of revoked) {
    rows.putKey({ ...key, state: "revoked", sealedPrivate: null, retiredAt: now });
    ends.push({ effect: "revoke", kind: "key", value: key.kid, reason: "restored" });
  }
  rows.bumpKeySet();
  const sessionsEnded = apply(rows, [...ends, restored], now);
  rows.finish();
  return { epoch, sessionsEnded, keysRevoked: revoked.length };
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

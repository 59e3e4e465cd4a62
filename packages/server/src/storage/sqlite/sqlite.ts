/**
 * The SQLite driver: one file, nothing to install. One thread writes and commits in groups, this one reads.
 *
 *   read  ──► a read-only connection on this thread       sees every acknowledged write (WAL)
 *   write ──► queue.ts ──► writer.ts (worker) ──► commit.ts ──► the step over rows.ts
 */
import type { World } from "../../prelude/world.ts";
import { isBefore, type Position, type RevocationEntry } from "../../revocation/entry.ts";
import { CommitListeners } from "../listeners.ts";
import { portsOver } from "../ports.ts";
import { ALONE, type Storage } from "../storage.ts";
import { backupOf } from "./backup.ts";
import { openReader } from "./connection.ts";
import { faultOf, reportOf } from "./faults.ts";
import { lockWriter } from "./lock.ts";
import { prepare } from "./prepare.ts";
import { WriteQueue } from "./queue.ts";
import { SqliteReads } from "./statements.ts";
import { moduleBeside } from "./threads.ts";

/**
 * Opens a database file, made where there is none. Throws `StartRefused`.
 * @param writer the module that runs as the writer's thread
 */
export async function openSqlite(file: string, world: World, writer = moduleBeside("writer")): Promise<Storage> {
  const lock = lockWriter(file);
  try {
    prepare(file, world.clock.now());
    const db = openReader(file);
    const reads = new SqliteReads(db);
    const listeners = new CommitListeners();
    let head: Position = reads.head();

    const tell = (entries: readonly RevocationEntry[]): void => {
      const first = entries[0];
      // A writer that died may have committed what it never told: then the log itself says what is new.
      const gap = first !== undefined && first.seq !== head.seq + 1;
      const news = gap ? reads.entries(head, Number.MAX_SAFE_INTEGER) : entries;
      const last = news.at(-1);
      if (last === undefined) return;
      head = { epoch: last.epoch, seq: last.seq };
      listeners.tell(news);
    };
    /** Asks the file itself, and tells what has been committed and not told yet. */
    const catchUp = (): Position => {
      const committed = reads.head();
      if (isBefore(head, committed)) tell(reads.entries(head, Number.MAX_SAFE_INTEGER));
      if (isBefore(head, committed)) head = committed; // the last entries were forgotten already
      return committed;
    };
    const restarted = (): void => {
      try {
        catchUp();
      } catch {
        // The next commit finds the gap.
      }
    };
    const queue = new WriteQueue({ file, writer, clock: world.clock, onEntries: tell, onRestart: restarted });
    // Not waited for: a start that writes nothing need not have a writer yet.
    queue.start();

    const read = <T>(query: (reads: SqliteReads) => T): T => {
      try {
        return query(reads);
      } catch (error) {
        throw faultOf(reportOf(error));
      }
    };
    return portsOver({
      nature: { says: file, warnings: [], shared: false },
      clock: world.clock,
      read: async (query) => read(query),
      write: (name, ...args) => queue.write(name, args),
      head: () => head,
      // One statement on the file sees every commit before it (WAL), and this process has the only writer.
      readHead: async () => read(catchUp),
      onCommit: (listener) => listeners.add(listener),
      // Nobody else changes them.
      onKeys: () => {},
      duty: ALONE,
      nodes: null,
      backup: backupOf(file),
      check: async () => {
        read((rows) => rows.head());
        await queue.write("touch", []);
      },
      close: async () => {
        // The writer goes last: it folds the log back into the file, which it cannot beside a reader.
        db.close();
        await queue.close();
        lock.release();
      },
    });
  } catch (error) {
    lock.release();
    throw error;
  }
}

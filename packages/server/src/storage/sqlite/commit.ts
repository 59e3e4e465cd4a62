/**
 * Group commit: many steps, one transaction, one wait for the disk.
 *
 *   BEGIN ── step ── step ── step ── COMMIT ──► all answered          something throws ──► ROLLBACK, then each alone
 *
 * Refusals are results and cost nothing. A fault (a full disk, a broken row) rolls the whole group back and every step
 * runs again in a transaction of its own, so that the faulty one fails alone. Nothing had been answered, so running a
 * step again is running it for the first time. That is cheaper than a savepoint around each step of every group, which
 * would be paid for in the usual case.
 */
import type { DatabaseSync } from "node:sqlite";
import type { RevocationEntry } from "../../revocation/entry.ts";
import { runStep } from "../steps.ts";
import { type FaultReport, reportOf } from "./faults.ts";
import { SqliteRows } from "./statements.ts";
import { codecOf, type Sent } from "./wire.ts";

export interface Reply {
  /** One per step, in their order; of no meaning where there is a fault. */
  readonly results: readonly unknown[];
  /** `null` where none failed. */
  readonly faults: ReadonlyMap<number, FaultReport> | null;
  readonly entries: readonly RevocationEntry[];
}

export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #rows: SqliteRows;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#rows = new SqliteRows(db);
  }

  run(group: readonly Sent[]): Reply {
    const together = this.#transaction(group);
    if (!("fault" in together)) return { ...together, faults: null };
    if (group.length === 1) return { results: [null], faults: new Map([[0, together.fault]]), entries: [] };
    const results: unknown[] = [];
    const entries: RevocationEntry[] = [];
    const faults = new Map<number, FaultReport>();
    for (const [index, sent] of group.entries()) {
      const alone = this.#transaction([sent]);
      results.push("fault" in alone ? null : alone.results[0]);
      if ("fault" in alone) faults.set(index, alone.fault);
      else entries.push(...alone.entries);
    }
    return { results, faults, entries };
  }

  #transaction(group: readonly Sent[]): Omit<Reply, "faults"> | { readonly fault: FaultReport } {
    let committed = false;
    try {
      // IMMEDIATE: takes the write lock now, so that nothing inside can fail for want of it.
      this.#db.exec("BEGIN IMMEDIATE");
      const results = group.map(([name, now, args]) => {
        const codec = codecOf(name);
        return codec.sendResult(runStep(name, this.#rows, now, codec.receiveArguments(args)));
      });
      const entries = this.#rows.finish();
      this.#db.exec("COMMIT");
      committed = true;
      return { results, entries };
    } catch (error) {
      // SQLite has rolled back by itself after some errors (sqlite.org/lang_transaction.html, §3).
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      return { fault: reportOf(error) };
    } finally {
      this.#rows.reset(committed);
    }
  }
}

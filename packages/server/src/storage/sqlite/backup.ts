/**
 * A consistent copy of the database while it serves.
 *
 *   VACUUM INTO, in a thread of its own ──► <file>.<pid>.partial ──fsync, link──► <file>
 *
 * One snapshot, so the writer never waits for it and it never waits for the writer. (SQLite's page-by-page backup starts
 * over whenever another connection has written, which under load is always.) It also leaves behind what deleted rows
 * held. The secrets are not in the database, so they are not in the copy.
 */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Backup, BackupProgress } from "../storage.ts";
import { moduleBeside } from "./threads.ts";

const PROGRESS_MS = 100;

export interface CopyOrder {
  readonly from: string;
  readonly to: string;
}

/** The backup of a database file that this process serves. */
export function backupOf(file: string): Backup {
  return async (to, progress) => {
    // Said before the work is done, and once more by the system when it is.
    if (existsSync(to)) return refusalOf("EEXIST", to);
    const partial = `${to}.${process.pid}.partial`;
    try {
      // Only this user may read it: what it holds is what the database holds.
      closeSync(openSync(partial, "wx", 0o600));
    } catch (error) {
      return refusalOf(error, to);
    }
    try {
      await copyInThread({ from: file, to: partial }, progress);
      // Unlike a rename, a link never replaces what is there.
      linkSync(partial, to);
      syncFolderOf(to);
      return { ok: true, bytes: statSync(to).size };
    } catch (error) {
      return refusalOf(error, to);
    } finally {
      rmSync(partial, { force: true });
    }
  };
}

function refusalOf(error: unknown, to: string): Awaited<ReturnType<Backup>> {
  const code = error instanceof Error && "code" in error ? error.code : error;
  if (code === "EEXIST") return { ok: false, refusal: "exists", message: `${to} exists: a backup overwrites nothing.` };
  const reason = error instanceof Error ? error.message : String(error);
  return { ok: false, refusal: "failed", message: `The backup ${to} could not be written: ${reason}.` };
}

function copyInThread(order: CopyOrder, progress: BackupProgress | undefined): Promise<void> {
  const total = statSync(order.from).size;
  const report = () => progress?.(Math.min(statSync(order.to).size, total), total);
  const timer = setInterval(report, PROGRESS_MS);
  return new Promise<void>((resolve, reject) => {
    const worker = new Worker(moduleBeside("copier"), { workerData: order });
    worker.once("error", reject);
    worker.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error("the copying thread stopped"));
    });
  })
    .then(() => progress?.(total, total))
    .finally(() => clearInterval(timer));
}

/** Makes a rename in a folder durable. */
export function syncFolderOf(path: string): void {
  // Windows cannot open a folder, and its renames need no help.
  if (process.platform === "win32") return;
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

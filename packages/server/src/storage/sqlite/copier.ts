/** The backup's thread: copies one snapshot of the database into an empty file and sees it onto the disk. */
import { closeSync, fsyncSync, openSync } from "node:fs";
import { workerData } from "node:worker_threads";
import type { CopyOrder } from "./backup.ts";
import { openReader } from "./connection.ts";

const { from, to }: CopyOrder = workerData;
const db = openReader(from);
try {
  db.prepare("VACUUM INTO ?").run(to);
} finally {
  db.close();
}
// VACUUM INTO leaves the flushing to the system.
const copy = openSync(to, "r+");
fsyncSync(copy);
closeSync(copy);

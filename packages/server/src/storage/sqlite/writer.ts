/** The writer's thread: opens the one writing connection, commits groups as they come, closes when told. */
import { parentPort, workerData } from "node:worker_threads";
import { GroupCommit } from "./commit.ts";
import { openWriter } from "./connection.ts";
import type { Sent } from "./wire.ts";

/** A group to commit, or `null`: close. */
export type ToWriter = readonly Sent[] | null;

const port = parentPort;
if (port === null) throw new Error("writer.ts runs as a worker");
const db = openWriter(String(workerData));
const commit = new GroupCommit(db);
port.on("message", (message: ToWriter) => {
  if (message !== null) {
    port.postMessage(commit.run(message));
    return;
  }
  // Folds the write-ahead log back, so that what is left is one file.
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  port.close();
});
port.postMessage(null);

/** A writer that dies at its second group, before it commits it: stands in for one that the system took down. */
import { parentPort } from "node:worker_threads";

let groups = 0;
parentPort?.on("message", () => {
  groups += 1;
  if (groups === 2) process.exit(1);
});
await import("./writer.ts");

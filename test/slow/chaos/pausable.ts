/**
 * Loaded before a program's own code: at SIGUSR2 its event loop stands still for a second, as in a long computation or a
 * collection of garbage, while its threads and the kernel go on.
 */
import { isMainThread } from "node:worker_threads";

export const PAUSE_MS = 1_000;

if (isMainThread) {
  process.on("SIGUSR2", () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  });
}

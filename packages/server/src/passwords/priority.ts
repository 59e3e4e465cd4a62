/**
 * Hashing yields. A hash keeps a core busy for 15 ms, and on a small machine there is no core to spare: the event loop
 * and the database's writer would wait for their turn behind it. On Linux a thread has a priority of its own (nice), so
 * the pool that hashes is lowered by some steps; where there is a core to spare, it hashes as fast as before. Nothing
 * that a request waits for runs in that pool but hashing itself.
 *
 * Elsewhere there is no such thing, and nothing happens.
 */
import { readdir, readFile } from "node:fs/promises";
import { setPriority } from "node:os";

const TASKS = "/proc/self/task";
/** What libuv calls the threads of its pool. */
const POOL = "libuv-worker";
/** A nice value of 5 is about a third of the weight of 0 (sched(7)). */
const NICE = 5;

/** Lowers the pool's threads. @returns how many there were */
export async function lowerHashing(): Promise<number> {
  if (process.platform !== "linux") return 0;
  let lowered = 0;
  try {
    // Reading the directory is itself work for the pool: its threads are there by then.
    for (const task of await readdir(TASKS)) {
      if ((await readFile(`${TASKS}/${task}/comm`, "utf8")).trim() !== POOL) continue;
      setPriority(Number(task), NICE);
      lowered += 1;
    }
  } catch {
    // A container without /proc, or a rule against it: hashing is as urgent as the rest, which is how it began.
  }
  return lowered;
}

/** A process's memory is told by itself, and what it has let go is not counted. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { freePort } from "../../../test/processes.ts";
import { heldBytes } from "./heap.ts";

const MIB = 1024 * 1024;
/** Holds 8 MiB in the heap and 8 outside of it from the first line on its input, and has dropped as much; nothing from the next. */
const PROGRAM = `
  let held = [];
  const take = () => [Array.from({ length: MIB }, (_, index) => index + 0.5), Buffer.alloc(8 * MIB)];
  const MIB = ${MIB};
  process.stdin.on("data", () => {
    held = held.length > 0 ? [] : (take(), take());
    console.log("done");
  });
  console.log("there");
`;

test("what is held counts, in the heap and outside, and what was dropped does not", async (t) => {
  const port = await freePort();
  const child = spawn(process.execPath, [`--inspect-port=127.0.0.1:${port}`, "-e", PROGRAM], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const { pid } = child;
  assert.ok(pid !== undefined);
  const before = await heldBytes(pid, port);
  child.stdin.write("take\n");
  await once(child.stdout, "data");
  const full = (await heldBytes(pid, port)) - before;
  assert.ok(full > 15 * MIB && full < 18 * MIB, `${full / MIB} MiB`);
  child.stdin.write("drop\n");
  await once(child.stdout, "data");
  assert.ok((await heldBytes(pid, port)) - before < MIB);
});

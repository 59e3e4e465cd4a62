/** The queue before the writer, when the writer dies or does not keep up. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { RevocationEntry } from "../../revocation/entry.ts";
import { TestClock } from "../contract/stage.ts";
import { prepare } from "./prepare.ts";
import { WriteQueue } from "./queue.ts";
import { moduleBeside } from "./threads.ts";

const folder = mkdtempSync(join(tmpdir(), "mapae-queue-"));
after(() => rmSync(folder, { recursive: true }));
let made = 0;

function openQueue(writer = moduleBeside("writer")) {
  made += 1;
  const file = join(folder, `${made}.db`);
  prepare(file, 1000);
  const clock = new TestClock();
  const heard: RevocationEntry[] = [];
  let restarts = 0;
  const queue = new WriteQueue({
    file,
    clock,
    writer,
    onEntries: (entries) => heard.push(...entries),
    onRestart: () => {
      restarts += 1;
    },
  });
  const revoke = (value: string) =>
    queue.write("applyEffects", [[{ effect: "revoke", kind: "token", value, reason: "admin" }]]);
  return { queue, clock, heard, revoke, restarts: () => restarts };
}

describe("the write queue", () => {
  test("a writer that dies fails what it had not answered as unavailable; the next write starts another", async () => {
    const dying = new URL("./dying-writer.test-support.ts", import.meta.url);
    const { queue, clock, heard, revoke, restarts } = openQueue(dying);
    queue.start();
    await revoke("kept");
    const lost = await Promise.allSettled([revoke("lost 1"), revoke("lost 2")]);
    for (const each of lost) {
      assert.equal(each.status, "rejected");
      assert(each.reason instanceof Error && each.reason.name === "Unavailable");
    }
    await assert.rejects(revoke("at once"), { name: "Unavailable" });
    clock.advance(1000);
    const { seq } = await revoke("after");
    assert.equal(seq, 2);
    assert.equal(restarts(), 1);
    assert.deepEqual(
      heard.map(({ value }) => value),
      ["kept", "after"],
    );
    await queue.close();
  });

  test("when far more writes wait than the disk takes, the next is told so at once and the others are done", async () => {
    const { queue, revoke } = openQueue();
    queue.start();
    const waiting = Array.from({ length: 10_000 }, (_, index) => revoke(`${index}`));
    await assert.rejects(revoke("one too many"), { name: "Unavailable" });
    const positions = await Promise.all(waiting);
    assert.equal(positions.at(-1)?.seq, 10_000);
    await queue.close();
  });
});

/** A copy of the rows is a backup: what happens after it was made does not reach it, and restoring it ends what it revived. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../../prelude/ids.ts";
import { systemWorld } from "../../prelude/world.ts";
import { beginEpoch } from "../begin-epoch.ts";
import { Stage, TestClock } from "../contract/stage.ts";
import { MapRows } from "./maps.ts";
import { openMemory } from "./memory.ts";

test("a restored copy ends the sessions it revived, in an epoch that comes after every position seen", async () => {
  const clock = new TestClock();
  const world = { clock, random: systemWorld.random };
  const rows = new MapRows(1);
  const stage = new Stage(openMemory(world, rows), clock);
  const user = await stage.user();
  const { standing } = await stage.logIn(user.id);
  const backup = rows.copy();

  await stage.store.sessions.end({ session: standing.session.id }, "logout", {
    actor: { kind: "anyone" },
    address: null,
    requestId: null,
  });
  assert.equal(stage.store.revocation.head().seq, 1);
  assert.deepEqual(backup.position(), { epoch: 1, seq: 0 });

  const begun = beginEpoch(
    backup,
    { epoch: rows.position().epoch, highestExp: 0, sessionsUntil: 0 },
    false,
    clock.now(),
  );
  assert.equal(begun.sessionsEnded, 1);
  assert(begun.epoch > 1);
  const restored = openMemory(world, backup);
  const entries = await restored.revocation.after({ epoch: 0, seq: 0 }, 10);
  assert.deepEqual(
    entries.map(({ kind, epoch }) => [kind, epoch]),
    [["all", begun.epoch]],
  );
  assert.equal((await restored.sessions.find(asId("session", standing.session.id)))?.ended?.reason, "restored");
});

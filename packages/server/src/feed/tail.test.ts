import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../prelude/ids.ts";
import type { Position } from "../revocation/entry.ts";
import type { Begun } from "../revocation/store.ts";
import { Tail, type TailNotice, type TailWatch } from "./tail.ts";

const orders = asId("client", "orders");
const at = (seq: number, epoch = 7): Position => ({ epoch, seq });
const BEGUN: Begun = { epoch: 8, sessionsEnded: 3, keysRevoked: 2 };

/** A log whose head is 7.10, and which has begun anew once it was told to. */
function open(prove: TailWatch["prove"] = (text) => ({ epoch: 7, seq: Number(text) })) {
  const notices: TailNotice[] = [];
  const restarts: Position[] = [];
  let distrusted = 0;
  const restart = async (lost: Position) => {
    restarts.push(lost);
    return restarts.length === 1 ? BEGUN : null;
  };
  const tail = new Tail(
    { prove, restart },
    (notice) => notices.push(notice),
    () => {
      distrusted += 1;
    },
  );
  return { tail, notices, restarts, distrusted: () => distrusted };
}

test("a proof of a later position begins a new epoch, and says so", async () => {
  const { tail, notices, restarts, distrusted } = open();
  assert.equal(await tail.hear(orders, at(14), "13", at(10)), true);
  assert.deepEqual(restarts, [at(13)]);
  assert.deepEqual(notices, [{ kind: "tail_lost", client: "orders", lost: at(13), head: at(10), begun: BEGUN }]);
  assert.equal(distrusted(), 1);
});

test("who has loaded the snapshot of the shortened log in the meantime proves it just as well", async () => {
  const { tail, restarts } = open();
  assert.equal(await tail.hear(orders, at(10), "13", at(10)), true);
  assert.deepEqual(restarts, [at(13)]);
});

test("a mere claim begins nothing, and is told", async () => {
  const { tail, notices, restarts } = open(() => null);
  assert.equal(await tail.hear(orders, at(14), null, at(10)), false);
  assert.equal(await tail.hear(orders, at(14), "forged", at(10)), false);
  assert.deepEqual(restarts, []);
  const notice = { kind: "position_ahead", client: "orders", position: at(14), head: at(10) };
  assert.deepEqual(notices, [notice, notice]);
});

test("what the log reaches, or had in an earlier epoch, proves nothing", async () => {
  const { tail, notices, restarts } = open();
  assert.equal(await tail.hear(orders, at(10), "10", at(10)), false);
  assert.equal(await tail.hear(orders, at(2), "3", at(10)), false);
  assert.equal(await tail.hear(orders, at(2), "1000", at(1, 8)), false);
  assert.deepEqual([restarts, notices], [[], []]);
});

test("where somebody else was first, it is not told again", async () => {
  const { tail, notices, restarts } = open();
  await tail.hear(orders, at(14), "13", at(10));
  assert.equal(await tail.hear(orders, at(14), "14", at(10)), true);
  assert.equal(restarts.length, 2);
  assert.deepEqual(
    notices.map(({ kind }) => kind),
    ["tail_lost"],
  );
});

test("a node that heard more of the log than the database has is proof enough", async () => {
  const { tail, notices, restarts } = open();
  assert.equal(await tail.compare(at(10), at(10)), false);
  assert.equal(await tail.compare(at(10), at(0, 8)), false);
  assert.equal(await tail.compare(at(12), at(10)), true);
  assert.deepEqual(restarts, [at(12)]);
  assert.deepEqual(notices, [{ kind: "tail_lost", client: null, lost: at(12), head: at(10), begun: BEGUN }]);
});

test("without a watch nothing begins", async () => {
  const notices: TailNotice[] = [];
  const tail = new Tail(
    null,
    (notice) => notices.push(notice),
    () => assert.fail("nothing began"),
  );
  assert.equal(await tail.hear(orders, at(14), "13", at(10)), false);
  assert.equal(await tail.compare(at(12), at(10)), false);
  assert.deepEqual(
    notices.map(({ kind }) => kind),
    ["position_ahead"],
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { systemWorld } from "../prelude/world.ts";
import { jtiWith, LIST_BITS, nextSlot, OPEN_MS, type StatusList, slotOfJti, takesTokens } from "./slot.ts";

const NOW = Date.UTC(2027, 0, 1);
const seed = Buffer.alloc(16, 1);
const list: StatusList = { id: NOW / 1000, epoch: 7, seed, used: 5, openedAt: NOW, void: false };

test("the first list is numbered by its time, and the next one is never the same", () => {
  const first = nextSlot(undefined, 7, seed, NOW);
  assert.deepEqual(first.list, { ...list, used: 1 });
  assert.equal(first.slot.list, list.id);
  const full = { ...list, used: LIST_BITS };
  assert.equal(nextSlot(full, 7, seed, NOW).list.id, list.id + 1);
  assert.equal(nextSlot(full, 7, seed, NOW).list.used, 1);
});

test("a list takes tokens for a day, in its own epoch, until everyone's are taken back", () => {
  assert.equal(nextSlot(list, 7, seed, NOW).list.used, 6);
  assert.ok(takesTokens(list, 7, NOW + OPEN_MS - 1));
  assert.ok(!takesTokens(list, 7, NOW + OPEN_MS));
  assert.ok(!takesTokens(list, 7, NOW - OPEN_MS), "a clock that was set far back");
  assert.ok(!takesTokens(list, 8, NOW));
  assert.ok(!takesTokens({ ...list, void: true }, 7, NOW));
});

test("a jti says which slot it is of, and no other text does", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 40 - 1), fc.nat(LIST_BITS - 1), (id, idx) => {
      const jti = jtiWith({ list: id, idx }, systemWorld.random);
      assert.match(jti, /^[A-Za-z0-9_-]{32}$/);
      assert.deepEqual(slotOfJti(jti), { list: id, idx });
      assert.equal(slotOfJti(`${jti}A`), null);
      assert.equal(slotOfJti(jti.slice(1)), null);
    }),
  );
  fc.assert(
    fc.property(fc.string(), (text) => {
      const slot = slotOfJti(text);
      assert.ok(slot === null || (slot.idx < LIST_BITS && text.length === 32));
    }),
  );
  assert.equal(slotOfJti("_".repeat(32)), null, "an index that no list has");
});

test("two tokens of one slot have different ids", () => {
  const slot = { list: 1, idx: 1 };
  assert.notEqual(jtiWith(slot, systemWorld.random), jtiWith(slot, systemWorld.random));
});

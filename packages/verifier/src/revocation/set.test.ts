import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  ENTRY_BYTES,
  type FeedEntry,
  REVOCATION_KINDS,
  type RevocationKind,
  SECONDS_MAX,
  writeEntry,
} from "./entry.ts";
import { comparePositions } from "./position.ts";
import { RevocationSet } from "./set.ts";

function octetsOf(entry: FeedEntry): Uint8Array {
  const octets = new Uint8Array(ENTRY_BYTES);
  writeEntry(octets, 0, entry);
  return octets;
}

/** A key from a number, spread over few partitions and few places, so that entries get into each other's way. */
function keyOf(id: number): Uint8Array {
  const key = new Uint8Array(16);
  new DataView(key.buffer).setUint32(0, (id % 3) * 0x01000000 + (id % 2) * 0x10000);
  new DataView(key.buffer).setUint32(4, (id % 7) * 0x24924924 + id);
  return key;
}

function wordsOf(key: Uint8Array): [number, number] {
  const view = new DataView(key.buffer, key.byteOffset);
  return [view.getUint32(0), view.getUint32(4)];
}

function entry(id: number, changes: Partial<FeedEntry> = {}): FeedEntry {
  const position = { epoch: 1_800_000_000, seq: id + 1 };
  return {
    kind: "token",
    reason: "logout",
    position,
    at: 1_800_000_000,
    expires: 1_800_000_900,
    key: keyOf(id),
    ...changes,
  };
}

describe("the set", () => {
  test("agrees with a Map after any sequence of additions and forgetting, and tells position, reason and end", () => {
    const kinds = Object.keys(REVOCATION_KINDS) as RevocationKind[];
    const addition = fc.record({
      id: fc.nat({ max: 120 }),
      epoch: fc.integer({ min: 1, max: 3 }),
      seq: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 2 ** 40, max: 2 ** 48 - 1 })),
      expires: fc.integer({ min: 0, max: 100 }),
      at: fc.integer({ min: 0, max: 100 }),
    });
    const forgetting = fc.record({ before: fc.integer({ min: 0, max: 110 }) });
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 12, arbitrary: addition }, forgetting), { maxLength: 400 }), (steps) => {
        const set = new RevocationSet();
        const model = new Map<number, FeedEntry>();
        for (const step of steps) {
          if ("before" in step) {
            set.forget(step.before, Number.MAX_SAFE_INTEGER);
            for (const [id, held] of model) if (held.kind !== "key" && held.expires < step.before) model.delete(id);
            continue;
          }
          const { id, epoch, seq, expires, at } = step;
          const kind = kinds[id % kinds.length] ?? "token";
          const added = entry(id, { kind, position: { epoch, seq }, expires, at });
          assert.equal(set.add(octetsOf(added), 0), true);
          const held = model.get(id);
          const later = held === undefined || comparePositions(added.position, held.position) > 0;
          model.set(id, {
            ...(later ? added : held),
            expires: Math.max(expires, held?.expires ?? 0),
            at: later ? Math.max(at, held?.at ?? 0) : held.at,
          });
        }
        assert.equal(set.size, model.size);
        for (let id = 0; id <= 120; id++) {
          const row = set.find(...wordsOf(keyOf(id)));
          const held = model.get(id);
          assert.equal(row >= 0, held !== undefined, `${id}`);
          if (held === undefined) continue;
          const { key: _, ...rest } = held;
          assert.deepEqual(set.entryAt(row), rest);
        }
        for (const kind of kinds) {
          const many = [...model.values()].filter((held) => held.kind === kind).length;
          assert.equal(set.countOf(REVOCATION_KINDS[kind].octet), many);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("says when it is full, keeps what it has and takes what it knows already; room that is freed is used again", () => {
    const set = new RevocationSet(100);
    for (let id = 0; id < 100; id++) assert.equal(set.add(octetsOf(entry(id, { expires: id })), 0), true);
    assert.equal(set.add(octetsOf(entry(100)), 0), false);
    assert.equal(set.add(octetsOf(entry(5, { position: { epoch: 1_800_000_000, seq: 900 } })), 0), true);
    for (let id = 0; id < 100; id++) assert.notEqual(set.find(...wordsOf(keyOf(id))), -1);
    assert.equal(set.find(...wordsOf(keyOf(100))), -1);
    const { bytes } = set;
    assert.equal(set.forget(50, 1_000), 49);
    for (let id = 100; id < 149; id++) assert.equal(set.add(octetsOf(entry(id)), 0), true);
    assert.equal(set.add(octetsOf(entry(149)), 0), false);
    assert.ok(set.bytes <= bytes * 1.25);
  });

  test("never forgets the entry of a key, nor one without an end", () => {
    const set = new RevocationSet();
    set.add(octetsOf(entry(1, { kind: "key", expires: 1 })), 0);
    set.add(octetsOf(entry(2, { expires: SECONDS_MAX })), 0);
    assert.equal(set.forget(2 ** 32, 100), 0);
    assert.equal(set.size, 2);
  });

  test("knows 256 epochs and refuses to mix up the next with one of them", () => {
    const set = new RevocationSet();
    for (let epoch = 0; epoch < 256; epoch++)
      assert.equal(set.add(octetsOf(entry(epoch, { position: { epoch, seq: 1 } })), 0), true);
    assert.equal(set.add(octetsOf(entry(999, { position: { epoch: 256, seq: 1 } })), 0), false);
    assert.equal(set.entryAt(set.find(...wordsOf(keyOf(255)))).position.epoch, 255);
  });

  test("remembers its last changes one by one, and says when there were more than it remembers", () => {
    const set = new RevocationSet();
    for (let id = 0; id < 10; id++) set.add(octetsOf(entry(id)), 0);
    const { version } = set;
    const changes = () => {
      const rows: number[] = [];
      const looked = set.changedSince(version, (_, row) => {
        rows.push(row);
        return false;
      });
      return looked ? rows : null;
    };
    assert.deepEqual(changes(), []);
    set.add(octetsOf(entry(3)), 0);
    assert.deepEqual(changes(), []);
    set.add(octetsOf(entry(3, { position: { epoch: 1_800_000_000, seq: 77 } })), 0);
    set.add(octetsOf(entry(11)), 0);
    assert.deepEqual(changes(), [set.find(...wordsOf(keyOf(3))), set.find(...wordsOf(keyOf(11)))]);
    for (let id = 20; id < 60; id++) set.add(octetsOf(entry(id)), 0);
    assert.equal(changes(), null);
  });

  test("keeps 300,000 random entries below 32 octets each, however they came", () => {
    for (const reserved of [0, 300_000]) {
      const set = new RevocationSet();
      set.reserve(reserved);
      const keys = randomBytes(300_000 * 16);
      const octets = octetsOf(entry(0));
      for (let id = 0; id < 300_000; id++) {
        octets.set(keys.subarray(id * 16, id * 16 + 16), 24);
        assert.ok(set.add(octets, 0));
      }
      assert.equal(set.size, 300_000);
      assert.ok(set.bytes < 32 * 300_000, `${set.bytes / 300_000}`);
      for (let id = 0; id < 300_000; id += 97)
        assert.notEqual(set.find(keys.readUInt32BE(id * 16), keys.readUInt32BE(id * 16 + 4)), -1);
      for (let id = 0; id < 3_000; id++) assert.equal(set.find(...wordsOf(randomBytes(16))), -1);
    }
  });
});

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccessTokenClaims } from "@mapae/verifier";
import fc from "fast-check";
import { SYSTEM } from "../audit/event.ts";
import { asId } from "../prelude/ids.ts";
import { systemWorld } from "../prelude/world.ts";
import { openMemory } from "../storage/memory/memory.ts";
import { isBefore, REVOCATION_KINDS, type RevocationEntry, type RevocationKind } from "./entry.ts";
import { entryExpires, isForgettable } from "./expiry.ts";
import { LiveSet } from "./live-set.ts";
import type { RevocationStore } from "./store.ts";

const VALUES: Record<RevocationKind, string> = {
  token: "jti-1",
  session: "ses_1",
  grant: "grt_1",
  key: "kid-1",
  user: "usr_1",
  client: "app",
  all: "",
};
const KINDS = Object.keys(REVOCATION_KINDS) as RevocationKind[];

function claims(rsq: readonly [number, number], more: Partial<AccessTokenClaims> = {}): AccessTokenClaims {
  return {
    iss: "i",
    sub: VALUES.user,
    aud: "a",
    exp: 2,
    iat: 1,
    jti: VALUES.token,
    client_id: VALUES.client,
    sid: VALUES.session,
    gid: VALUES.grant,
    rsq,
    ...more,
  };
}

function entry(kind: RevocationKind, seq: number, more: Partial<RevocationEntry> = {}): RevocationEntry {
  const about = { kind, value: VALUES[kind], reason: "admin", audience: null, grant: null } as const;
  return { ...about, epoch: 1, seq, at: 0, expires: 1000, ...more };
}

function setOf(...entries: RevocationEntry[]): LiveSet {
  const set = new LiveSet();
  set.add(entries);
  return set;
}

for (const kind of KINDS) {
  const wide = REVOCATION_KINDS[kind].onlyEarlier;
  test(`an entry of kind ${kind} kills a token issued before it`, () => {
    assert.equal(setOf(entry(kind, 5)).reasonFor(claims([1, 4]), VALUES.key), "admin");
  });
  test(`an entry of kind ${kind} ${wide ? "spares" : "kills"} a token issued after it`, () => {
    assert.equal(setOf(entry(kind, 5)).reasonFor(claims([1, 5]), VALUES.key), wide ? null : "admin");
    assert.equal(setOf(entry(kind, 5)).reasonFor(claims([2, 0]), VALUES.key), wide ? null : "admin");
  });
  if (kind !== "all") {
    test(`an entry of kind ${kind} with another value concerns nobody else`, () => {
      assert.equal(setOf(entry(kind, 5, { value: "another" })).reasonFor(claims([1, 0]), VALUES.key), null);
    });
  }
}

test("a value of one kind is no value of another", () => {
  assert.equal(setOf(entry("user", 5, { value: VALUES.session })).reasonFor(claims([1, 0]), VALUES.key), null);
});

test("a token without a position is older than every entry", () => {
  const { rsq: _, ...without } = claims([9, 9]);
  assert.equal(setOf(entry("user", 1)).reasonFor(without, VALUES.key), "admin");
});

test("order and repetition of entries change nothing", () => {
  const entries = fc.array(
    fc.record({
      kind: fc.constantFrom(...KINDS),
      epoch: fc.integer({ min: 1, max: 2 }),
      seq: fc.integer({ min: 1, max: 9 }),
    }),
    { maxLength: 12 },
  );
  const position = fc.tuple(fc.integer({ min: 0, max: 2 }), fc.nat(10));
  fc.assert(
    fc.property(entries, fc.infiniteStream(fc.nat()), position, (rows, dice, rsq) => {
      const all = rows.map(({ kind, epoch, seq }) => entry(kind, seq, { epoch }));
      const shuffled = [...all, ...all].map((row) => [dice.next().value ?? 0, row] as const);
      shuffled.sort(([a], [b]) => a - b);
      const issued = { epoch: rsq[0], seq: rsq[1] };
      const dead = all.some((row) => !REVOCATION_KINDS[row.kind].onlyEarlier || isBefore(issued, row));
      for (const set of [setOf(...all), setOf(...shuffled.map(([, row]) => row))]) {
        assert.equal(set.reasonFor(claims(rsq), VALUES.key) !== null, dead);
      }
    }),
  );
});

test("compaction forgets what concerns no living token, and keeps revoked keys", () => {
  const set = setOf(
    entry("session", 1, { expires: 10 }),
    entry("user", 2, { expires: 30 }),
    entry("key", 3, { expires: 10 }),
  );
  set.compact(20);
  assert.equal(set.size, 2);
  assert.equal(set.reasonFor(claims([1, 9], { sid: VALUES.session, sub: "usr_2" }), "other"), null);
  assert.equal(set.reasonFor(claims([1, 9]), VALUES.key), "admin");
});

test("an entry outlives every token that could have been issued before it", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), (highestExp, now) => {
      const made = { ...entry("session", 1), expires: entryExpires(highestExp, now) };
      assert.equal(isForgettable(made.kind, made.expires, false, highestExp * 1000), false);
      assert.equal(isForgettable(made.kind, made.expires, false, now), false);
    }),
  );
});

test("loading reads the whole log, page by page, and every commit after it", async () => {
  const store = openMemory(systemWorld).revocation;
  const revoke = (value: string) =>
    store.apply([{ effect: "revoke", kind: "session", value, reason: "admin" }]).then(() => undefined);
  for (let index = 0; index < 2500; index += 1) await revoke(`ses_${index}`);
  const set = await LiveSet.load(store);
  assert.equal(set.size, 2500);
  await revoke("ses_late");
  assert.equal(set.reasonFor(claims([0, 0], { sid: "ses_late" }), undefined), "admin");
});

test("an entry committed while the log is being read is not missed", async () => {
  const memory = openMemory(systemWorld).revocation;
  await memory.apply([{ effect: "revoke", kind: "session", value: "ses_0", reason: "admin" }]);
  const store: RevocationStore = {
    ...memory,
    after: async (position, limit) => {
      const page = await memory.after(position, limit);
      await memory.apply([{ effect: "revoke", kind: "session", value: "ses_between", reason: "admin" }]);
      return page;
    },
  };
  const set = await LiveSet.load(store);
  assert.equal(set.reasonFor(claims([0, 0], { sid: "ses_between" }), undefined), "admin");
});

test("logging in again works in the millisecond of the log-out everywhere", async () => {
  const world = { ...systemWorld, clock: { now: () => 1_800_000_000_000, monotonic: () => 0 } };
  const storage = openMemory(world);
  const set = await LiveSet.load(storage.revocation);
  const before = storage.revocation.head();
  await storage.sessions.end({ user: asId("user", VALUES.user) }, "logout", SYSTEM);
  const after = storage.revocation.head();
  assert.equal(set.reasonFor(claims([before.epoch, before.seq]), VALUES.key), "logout");
  assert.equal(set.reasonFor(claims([after.epoch, after.seq]), VALUES.key), null);
});

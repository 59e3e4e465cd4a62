import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { gunzipSync, inflateSync } from "node:zlib";
import { bindSigningKey, parseJws, signJws } from "@mapae/verifier/jose";
import { systemWorld } from "../prelude/world.ts";
import { CAUSE, Stage } from "../storage/contract/stage.ts";
import { openMemory } from "../storage/memory/memory.ts";
import { type ListClaims, SIGNED_LIST_MAX, STATUS_LIST_TYP } from "./encode.ts";
import { createStatusLists, type SignedList, type StatusLists } from "./lists.ts";
import { KEPT_MS, LIST_BITS, type Slot } from "./slot.ts";

const ISSUER = "https://id.example.com";
const TTL_MS = 30_000;
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key = bindSigningKey(privateKey, { alg: "ES256", kid: "k1" });
const listSeed = Buffer.alloc(16, 3);

class Show {
  readonly stage: Stage;
  readonly lists: StatusLists;
  signatures = 0;
  pages = 0;
  verifies = true;

  private constructor(stage: Stage) {
    this.stage = stage;
    const { status } = stage.store;
    this.lists = createStatusLists({
      store: {
        ...status,
        invalid: (after, limit) => {
          this.pages += 1;
          return status.invalid(after, limit);
        },
      },
      issuer: ISSUER,
      ttlMs: TTL_MS,
      sign: async (claims) => {
        this.signatures += 1;
        return { text: signJws({ typ: STATUS_LIST_TYP }, claims, key, SIGNED_LIST_MAX), kid: "k1" };
      },
      verifies: () => this.verifies,
      clock: stage.clock,
      alarm: (_ms, ring) => {
        void setImmediate().then(ring);
        return () => {};
      },
    });
  }

  static async open(): Promise<Show> {
    return new Show(await Stage.open(async (world) => openMemory(world)));
  }

  async logIn(user: Parameters<Stage["logIn"]>[0]): Promise<Slot & { end: () => Promise<unknown> }> {
    const { standing } = await this.stage.logIn(user, { logIn: { listSeed } });
    assert.ok(standing.slot !== null);
    const end = () => this.stage.store.sessions.end({ session: standing.session.id }, "logout", CAUSE);
    return { ...standing.slot, end };
  }

  async get(id: number): Promise<{ signed: SignedList; claims: ListClaims; bits: Buffer }> {
    const signed = await this.lists.signed(id);
    assert.ok(signed !== undefined);
    const jws = parseJws(signed.text, SIGNED_LIST_MAX);
    assert.ok(jws.ok && jws.header.mediaType === STATUS_LIST_TYP);
    const claims = JSON.parse(Buffer.from(jws.payload, "base64url").toString()) as ListClaims;
    return { signed, claims, bits: inflateSync(Buffer.from(claims.status_list.lst, "base64url")) };
  }
}

const bitAt = (bits: Buffer, idx: number): number => ((bits[idx >> 3] ?? 0) >> (idx & 7)) & 1;
const ones = (bits: Buffer): number =>
  bits.reduce((sum, octet) => sum + octet.toString(2).replaceAll("0", "").length, 0);

test("a list says of each token whether it was taken back, and is what a token's status names", async () => {
  const show = await Show.open();
  const { id } = await show.stage.user();
  const [one, other] = [await show.logIn(id), await show.logIn(id)];
  const before = await show.get(one.list);
  assert.equal(before.bits.length, LIST_BITS / 8);
  assert.equal(ones(before.bits), 0);
  const iat = Math.floor(show.stage.clock.now() / 1000);
  const { status_list, ...rest } = before.claims;
  const sub = `${ISSUER}/status-lists/${one.list}`;
  assert.deepEqual(rest, { iss: ISSUER, sub, iat, exp: iat + 61, ttl: 30 });
  assert.equal(status_list.bits, 1);
  assert.deepEqual(await show.lists.uris(), [sub]);
  await one.end();
  show.stage.clock.advance(1000);
  const after = await show.get(one.list);
  assert.deepEqual([bitAt(after.bits, one.idx), bitAt(after.bits, other.idx), ones(after.bits)], [1, 0, 1]);
  assert.notEqual(after.signed.tag, before.signed.tag);
});

test("the store is asked once a second, and a list signed once while nothing changes", async () => {
  const show = await Show.open();
  const slot = await show.logIn((await show.stage.user()).id);
  const first = await show.get(slot.list);
  await Promise.all(Array.from({ length: 50 }, () => show.get(slot.list)));
  assert.deepEqual([show.pages, show.signatures], [1, 1]);
  for (let second = 1; second < 15; second += 1) {
    show.stage.clock.advance(1000);
    assert.equal((await show.get(slot.list)).signed, first.signed);
  }
  assert.deepEqual([show.pages, show.signatures], [15, 1]);
  // Half of the time is over: who gets it now must be able to keep it for all of it.
  show.stage.clock.advance(1000);
  const renewed = await show.get(slot.list);
  assert.notEqual(renewed.signed.tag, first.signed.tag);
  assert.deepEqual([show.signatures, renewed.claims.status_list], [2, first.claims.status_list]);
});

test("after many revocations within a second it is signed once more", async () => {
  const show = await Show.open();
  const { id } = await show.stage.user();
  const slots = await Promise.all(Array.from({ length: 30 }, () => show.logIn(id)));
  const list = slots[0]?.list ?? 0;
  await show.get(list);
  for (const slot of slots) {
    await slot.end();
    await show.get(list);
  }
  assert.equal(show.signatures, 1);
  show.stage.clock.advance(1000);
  assert.equal(ones((await show.get(list)).bits), 30);
  assert.equal(show.signatures, 2);
});

test("more than a page is read in pages", async () => {
  const show = await Show.open();
  const { id } = await show.stage.user();
  const slots = await Promise.all(Array.from({ length: 1500 }, () => show.logIn(id)));
  await show.stage.store.sessions.end({ user: id }, "admin", CAUSE);
  const { bits } = await show.get(slots[0]?.list ?? 0);
  assert.equal(ones(bits), 1500);
  assert.ok(slots.every(({ idx }) => bitAt(bits, idx) === 1));
  assert.equal(show.pages, 4);
});

test("when everyone's tokens are taken back, all of it is invalid", async () => {
  const show = await Show.open();
  const { id } = await show.stage.user();
  const slot = await show.logIn(id);
  await show.get(slot.list);
  await show.stage.store.sessions.end({ everyone: true }, "admin", CAUSE);
  const later = await show.logIn(id);
  show.stage.clock.advance(1000);
  assert.equal(ones((await show.get(slot.list)).bits), LIST_BITS);
  assert.equal(ones((await show.get(later.list)).bits), 0);
});

test("a list whose signing key was revoked is signed again at once", async () => {
  const show = await Show.open();
  const slot = await show.logIn((await show.stage.user()).id);
  await show.get(slot.list);
  show.verifies = false;
  const asked = [show.get(slot.list), show.get(slot.list)];
  await Promise.all(asked);
  assert.ok(show.signatures >= 2);
});

test("there is no list that was not opened, and none that is over", async () => {
  const show = await Show.open();
  assert.deepEqual(await show.lists.uris(), []);
  const slot = await show.logIn((await show.stage.user()).id);
  // Looked a moment ago, but it is newer than all that were there.
  await show.get(slot.list);
  assert.equal(await show.lists.signed(slot.list + 1), undefined);
  assert.equal(await show.lists.signed(slot.list - 1), undefined);
  show.stage.clock.advance(KEPT_MS + 1);
  await show.stage.store.status.prune(show.stage.clock.now() - KEPT_MS);
  assert.equal(await show.lists.signed(slot.list), undefined);
  assert.deepEqual(await show.lists.uris(), []);
});

test("it is packed where that makes it shorter", async () => {
  const show = await Show.open();
  const slot = await show.logIn((await show.stage.user()).id);
  const { signed } = await show.get(slot.list);
  assert.ok(signed.gzip !== null && signed.gzip.length < signed.text.length);
  assert.equal(gunzipSync(signed.gzip).toString(), signed.text);
});

test("a signature that cannot be had is tried again by the next who asks", async () => {
  const stage = await Stage.open(async (world) => openMemory(world));
  let tries = 0;
  const lists = createStatusLists({
    store: stage.store.status,
    issuer: ISSUER,
    ttlMs: TTL_MS,
    sign: async () => {
      tries += 1;
      if (tries === 1) throw new Error("no key");
      return { text: "signed", kid: "k1" };
    },
    verifies: () => true,
    clock: systemWorld.clock,
    alarm: () => () => {},
  });
  const { standing } = await stage.logIn((await stage.user()).id, { logIn: { listSeed } });
  const id = standing.slot?.list ?? 0;
  await assert.rejects(lists.signed(id), /no key/);
  assert.equal((await lists.signed(id))?.text, "signed");
});

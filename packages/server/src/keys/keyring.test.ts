import assert from "node:assert/strict";
import { test } from "node:test";
import { thumbprint } from "@mapae/verifier/jose";
import { SYSTEM } from "../audit/event.ts";
import { StartRefused, Unavailable } from "../prelude/fault.ts";
import { Secret } from "../prelude/secret.ts";
import { systemWorld, type World } from "../prelude/world.ts";
import { openMemory } from "../storage/memory/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { openVault } from "../vault/vault.ts";
import { type Keyring, type KeyringOptions, openKeyring } from "./keyring.ts";
import type { KeyStore } from "./store.ts";

const HOUR = 3_600_000;
const START = 1_800_000_000_000;
const SECRET = new Secret("a secret that wraps, of 32 characters or more");
const OPTIONS: KeyringOptions = {
  alg: "ES256",
  rotateAfterMs: 24 * HOUR,
  publishLeadMs: HOUR,
  cachedMs: 300_000,
  toleranceSeconds: 60,
  sharedSecrets: [],
};

interface Stage {
  readonly storage: Storage;
  readonly world: World;
  advance(ms: number): void;
  open(options?: Partial<KeyringOptions>, store?: KeyStore): Promise<Keyring>;
}

function stage(): Stage {
  let now = START;
  const world: World = { clock: { now: () => now, monotonic: () => now - START }, random: systemWorld.random };
  const storage = openMemory(world);
  return {
    storage,
    world,
    advance: (ms) => {
      now += ms;
    },
    open: async (options = {}, store = storage.keys) => {
      const vault = await openVault(storage.vault, [SECRET], world);
      return openKeyring(store, vault, { ...OPTIONS, ...options }, world);
    },
  };
}

const states = (keyring: Keyring) => keyring.records().map(({ state }) => state);
const activeOf = (keyring: Keyring) => keyring.records().find(({ state }) => state === "active");
const seconds = (ms: number) => Math.floor(ms / 1000);

test("a restart goes on with the same keys", async () => {
  const { open } = stage();
  const first = await open();
  assert.deepEqual((await open()).records(), first.records());
  assert.deepEqual(states(first).sort(), ["active", "upcoming"]);
});

test("the kid is the RFC 7638 thumbprint of the public key, and nothing private is published", async () => {
  const keyring = await stage().open();
  for (const jwk of keyring.jwks().keys) {
    assert.equal(jwk.kid, thumbprint({ kty: "EC", crv: "P-256", x: String(jwk.x), y: String(jwk.y) }));
    assert.deepEqual(Object.keys(jwk).sort(), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
  }
  assert.equal(keyring.jwks().keys.length, 2, "the upcoming key is published before it signs");
});

test("the mark of a key is durable before its token leaves, and is not written for every token", async () => {
  const { storage, open } = stage();
  let writes = 0;
  const counted: KeyStore = {
    ...storage.keys,
    raiseMark: (kid, exp) => {
      writes += 1;
      return storage.keys.raiseMark(kid, exp);
    },
  };
  const keyring = await open({}, counted);
  const exp = seconds(START) + 300;
  for (let token = 0; token < 100; token += 1) await keyring.signer(exp + token);
  const stored = (await storage.keys.all()).keys.find(({ state }) => state === "active");
  assert.ok((stored?.highestExp ?? 0) >= exp + 99);
  assert.equal(writes, 1);
});

test("a rotation while a mark is being written: the token is signed by the key that stays", async () => {
  const { storage, open, advance } = stage();
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let first = true;
  const slow: KeyStore = {
    ...storage.keys,
    raiseMark: async (kid, exp) => {
      if (first) {
        first = false;
        await held;
      }
      await storage.keys.raiseMark(kid, exp);
    },
  };
  const keyring = await open({}, slow);
  const before = activeOf(keyring)?.kid;
  advance(25 * HOUR);
  const signing = keyring.signer(seconds(START + 25 * HOUR) + 300);
  await keyring.tick();
  release();
  const { kid } = await signing;
  assert.notEqual(kid, before);
  assert.notEqual(keyring.find(kid), undefined, "what was signed can be verified");
});

test("a retired key is kept for what another process signed with it in the meantime", async () => {
  const { storage, open, advance, world } = stage();
  const keyring = await open();
  const { kid } = await keyring.signer(seconds(START) + 300);
  assert.ok(kid);
  await keyring.rotate(SYSTEM, true);
  await storage.keys.raiseMark(kid, seconds(START) + 7200);
  advance(HOUR);
  await keyring.tick();
  assert.notEqual(keyring.find(kid), undefined);
  advance(2 * HOUR);
  await keyring.tick();
  assert.equal(keyring.find(kid), undefined);
  assert.equal(world.clock.now(), START + 3 * HOUR);
});

test("rotating harms nobody: the earlier key verifies on, and there is an upcoming one again", async () => {
  const keyring = await stage().open();
  const { kid } = await keyring.signer(seconds(START) + 300);
  const record = await keyring.rotate(SYSTEM, true);
  assert.ok("kid" in record && record.kid !== kid);
  assert.notEqual(keyring.find(kid), undefined);
  assert.deepEqual(states(keyring).sort(), ["active", "retired", "upcoming"]);
});

test("a key that a cached key set may not have does not sign, unless it has to", async () => {
  const { open, advance } = stage();
  const keyring = await open();
  const before = activeOf(keyring);
  const knownFrom = START + 300_000;
  advance(299_999);
  assert.deepEqual(await keyring.rotate(SYSTEM, false), { knownFrom });
  assert.deepEqual(await keyring.retire(before?.kid ?? "", SYSTEM, false), { knownFrom });
  assert.deepEqual(activeOf(keyring), before);
  advance(1);
  const rotated = await keyring.rotate(SYSTEM, false);
  assert.ok("kid" in rotated && rotated.kid === activeOf(keyring)?.kid && rotated.kid !== before?.kid);
  // The next one was made a moment ago.
  assert.ok("knownFrom" in (await keyring.rotate(SYSTEM, false)));
  assert.equal(await keyring.revoke(rotated.kid, SYSTEM), null, "what leaked does not wait");
  assert.notEqual(activeOf(keyring)?.kid, rotated.kid);
});

test("retiring: only the active key can be, and another signs at once", async () => {
  const keyring = await stage().open();
  const active = activeOf(keyring)?.kid ?? "";
  const upcoming = keyring.records().find(({ state }) => state === "upcoming")?.kid ?? "";
  await keyring.signer(seconds(START) + 300);
  assert.equal(await keyring.retire("no such key", SYSTEM, true), "not_found");
  assert.equal(await keyring.retire(upcoming, SYSTEM, true), "not_possible");
  assert.equal(await keyring.retire(active, SYSTEM, true), null);
  assert.equal(await keyring.retire(active, SYSTEM, true), null, "retiring again changes nothing");
  assert.equal(activeOf(keyring)?.kid, upcoming);
  assert.notEqual(keyring.find(active), undefined);
});

test("revoking: the key is gone from the key set, forgets its private half, and stands in the log", async () => {
  const { storage, open } = stage();
  const keyring = await open();
  const active = activeOf(keyring)?.kid ?? "";
  assert.equal(await keyring.revoke(active, SYSTEM), null);
  assert.equal(keyring.find(active), undefined);
  assert.equal(
    keyring.jwks().keys.some(({ kid }) => kid === active),
    false,
  );
  const entries = await storage.revocation.after({ epoch: 0, seq: 0 }, 10);
  assert.deepEqual(
    entries.map(({ kind, value }) => [kind, value]),
    [["key", active]],
  );
  assert.equal(keyring.records().find(({ kid }) => kid === active)?.sealedPrivate, null);
  assert.deepEqual(
    states(keyring)
      .filter((state) => state !== "revoked")
      .sort(),
    ["active", "upcoming"],
  );
});

test("two processes that rotate at the same time make one successor", async () => {
  const { open } = stage();
  const [one, other] = [await open(), await open()];
  const [left, right] = await Promise.all([one.rotate(SYSTEM, true), other.rotate(SYSTEM, true)]);
  await Promise.all([one.tick(), other.tick()]);
  assert.deepEqual(one.records(), other.records());
  assert.equal(states(one).filter((state) => state === "active").length, 1);
  assert.deepEqual([left, right], [activeOf(one), activeOf(one)]);
});

test("no key without its vault: another secret does not open the private half", async () => {
  const { storage, open, world } = stage();
  await open();
  await assert.rejects(openVault(storage.vault, [new Secret("another secret of 32 characters or more")], world));
});

const shared = (...bytes: readonly number[]) =>
  bytes.map((byte) => new Secret(Buffer.alloc(64, `${byte} not on any list`).toString("base64url")));

test("a shared secret is never published, and the one before it verifies on", async () => {
  const { open } = stage();
  const before = await open({ alg: "HS256", sharedSecrets: shared(1) });
  const { kid } = await before.signer(seconds(START) + 300);
  const after = await open({ alg: "HS256", sharedSecrets: shared(2, 1) });
  assert.notEqual((await after.signer(seconds(START) + 300)).kid, kid);
  assert.notEqual(after.find(kid), undefined);
  assert.deepEqual(after.jwks(), { keys: [] });
});

test("the same shared secret under another algorithm signs with that one", async () => {
  const { open } = stage();
  await open({ alg: "HS256", sharedSecrets: shared(1) });
  const keyring = await open({ alg: "HS512", sharedSecrets: shared(1) });
  const key = await keyring.signer(seconds(START) + 300);
  assert.equal(key.algorithm.name, "HS512");
  assert.equal(keyring.find(key.kid)?.algorithm.name, "HS512");
});

test("a revoked shared secret signs no more, lets upkeep run on, and does not start again", async () => {
  const { open } = stage();
  const keyring = await open({ alg: "HS256", sharedSecrets: shared(1) });
  assert.equal(await keyring.retire(activeOf(keyring)?.kid ?? "", SYSTEM, true), "not_possible");
  assert.equal(await keyring.revoke(activeOf(keyring)?.kid ?? "", SYSTEM), null);
  await assert.rejects(async () => keyring.signer(seconds(START) + 300), Unavailable);
  await keyring.tick();
  await assert.rejects(open({ alg: "HS256", sharedSecrets: shared(1) }), StartRefused);
  await open({ alg: "HS256", sharedSecrets: shared(2) });
});

test("a shared secret that is too short is refused in one clear line", async () => {
  const short = new Secret(Buffer.alloc(16, "not on any list").toString("base64url"));
  await assert.rejects(stage().open({ alg: "HS256", sharedSecrets: [short] }), StartRefused);
});

test("changing from a shared secret to key pairs and back keeps one that signs", async () => {
  const { open } = stage();
  const first = await open({ alg: "HS256", sharedSecrets: shared(1) });
  assert.equal(activeOf(first)?.alg, "HS256");
  const second = await open();
  assert.equal(activeOf(second)?.alg, "ES256");
  const third = await open({ alg: "HS256", sharedSecrets: shared(1) });
  assert.equal(activeOf(third)?.alg, "HS256");
  const es = third.records().filter(({ alg, state }) => alg === "ES256" && state !== "retired");
  assert.deepEqual(es, []);
});

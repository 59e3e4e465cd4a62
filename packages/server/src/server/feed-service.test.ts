/** What a checkpoint proves, and what not: whoever could prove a loss that never was could end everyone's sessions. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { before, test } from "node:test";
import { bindSigningKey, signJws } from "@mapae/verifier/jose";
import { CHECKPOINT_TYP, checkpointClaims } from "@mapae/verifier/revocation";
import { SYSTEM } from "../audit/event.ts";
import { type Keyring, type KeyringOptions, openKeyring } from "../keys/keyring.ts";
import { Secret } from "../prelude/secret.ts";
import { systemWorld } from "../prelude/world.ts";
import { openMemory } from "../storage/memory/memory.ts";
import { openVault } from "../vault/vault.ts";
import { createFeedSigner, createTailWatch } from "./feed-service.ts";

const ISSUER = "https://id.example.com";
const POSITION = { epoch: 1_800_000_000, seq: 42 };
const OPTIONS: KeyringOptions = {
  alg: "ES256",
  rotateAfterMs: 0,
  publishLeadMs: 0,
  cachedMs: 0,
  toleranceSeconds: 60,
  sharedSecrets: [],
};

async function open(options: Partial<KeyringOptions> = {}) {
  const storage = openMemory(systemWorld);
  const vault = await openVault(storage.vault, [new Secret("a secret of 32 characters or more")], systemWorld);
  const keyring = await openKeyring(storage.keys, vault, { ...OPTIONS, ...options }, systemWorld);
  const watch = createTailWatch(keyring, ISSUER, storage.revocation, false);
  return { storage, keyring, watch };
}

let keyring: Keyring;
let prove: (checkpoint: string) => unknown;
let storage: Awaited<ReturnType<typeof open>>["storage"];
let restart: Awaited<ReturnType<typeof open>>["watch"]["restart"];
before(async () => {
  const opened = await open();
  keyring = opened.keyring;
  storage = opened.storage;
  ({ prove, restart } = opened.watch);
});

const statement = {
  aud: "https://api.example.com",
  position: POSITION,
  since: null,
  count: 1,
  sha256: "digest",
  iat: 1_800_000_000,
};
const claims = checkpointClaims({ iss: ISSUER, ...statement });
const signed = async (payload: object = claims, typ: string = CHECKPOINT_TYP) =>
  signJws({ typ }, payload, await keyring.signer(1_800_000_000));

test("a checkpoint as this server signs it proves its position, a snapshot's too", async () => {
  const { checkpoint } = createFeedSigner(keyring, ISSUER);
  assert.deepEqual(prove(await checkpoint(statement)), POSITION);
  assert.deepEqual(prove(await checkpoint({ ...statement, since: { ...POSITION, seq: 40 } })), POSITION);
});

test("a checkpoint of another issuer proves nothing here, although the keys are the same", async () => {
  assert.equal(prove(await signed({ ...claims, iss: "https://staging.example.com" })), null);
});

test("what is no checkpoint proves nothing, although the server signed it", async () => {
  assert.equal(prove(await signed(claims, "at+jwt")), null);
  assert.equal(prove(await signed(claims, "statuslist+jwt")), null);
  assert.equal(prove(await signed({ ...claims, seq: "42" })), null);
  assert.equal(prove(await signed({ iss: ISSUER })), null);
});

test("a forged, foreign or broken signature proves nothing", async () => {
  const good = await signed();
  const { kid } = await keyring.signer(1_800_000_000);
  const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const forged = signJws({ typ: CHECKPOINT_TYP }, claims, bindSigningKey(stranger, { alg: "ES256", kid: kid ?? "" }));
  const [header = "", , signature = ""] = good.split(".");
  const other = Buffer.from(JSON.stringify({ ...claims, seq: 43 })).toString("base64url");
  for (const text of [
    forged,
    `${header}.${other}.${signature}`,
    good.slice(0, -2),
    "",
    "x",
    "a.b.c",
    good.repeat(50),
  ]) {
    assert.equal(prove(text), null);
  }
});

test("with a shared secret every verifier could have signed it: it proves nothing", async () => {
  const sharedSecrets = [new Secret(Buffer.alloc(32, "not on any list").toString("base64url"))];
  const shared = await open({ alg: "HS256", sharedSecrets });
  const checkpoint = signJws({ typ: CHECKPOINT_TYP }, claims, await shared.keyring.signer(1_800_000_000));
  assert.equal(shared.watch.prove(checkpoint), null);
});

test("after the epoch has begun the keys are new, and a checkpoint of the revoked ones proves nothing any more", async () => {
  const checkpoint = await signed();
  const { kid } = await keyring.signer(1_800_000_000);
  const head = storage.revocation.head();
  const begun = await restart({ epoch: head.epoch, seq: 5 });
  assert.equal(begun?.keysRevoked, 2);
  assert.notEqual((await keyring.signer(1_800_000_000)).kid, kid);
  assert.equal(keyring.find(kid), undefined);
  assert.equal(prove(checkpoint), null);
  assert.equal(await restart({ epoch: head.epoch, seq: 5 }), null);
});

test("a checkpoint of a key that was revoked by hand proves nothing: it may be in other hands", async () => {
  const checkpoint = await signed();
  assert.deepEqual(prove(checkpoint), POSITION);
  await keyring.revoke((await keyring.signer(1_800_000_000)).kid ?? "", SYSTEM);
  assert.equal(prove(checkpoint), null);
});

/** The contract of the vault's data keys and of the signing keys. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { SigningKeyRecord } from "../../keys/signing-key.ts";
import type { WrappedKey } from "../../vault/store.ts";
import { type Open, Stage } from "./stage.ts";

export function signingKey(fields: Partial<SigningKeyRecord> = {}): SigningKeyRecord {
  return {
    kid: "kid",
    alg: "ES256",
    state: "active",
    publicJwk: { kty: "EC", crv: "P-256", x: "x", y: "y" },
    sealedPrivate: Buffer.from("sealed"),
    dataKey: 1,
    createdAt: 1,
    activatedAt: null,
    retiredAt: null,
    highestExp: 0,
    ...fields,
  };
}

function dataKey(id: number, wrapped = `wrapped ${id}`): WrappedKey {
  return { id, purpose: "signing", wrapped: Buffer.from(wrapped), wrappedBy: "secret", createdAt: id };
}

export function describeKeyStores(open: Open): void {
  describe("vault", () => {
    test("adds all of its data keys or none", async () => {
      const stage = await Stage.open(open);
      assert.equal(await stage.store.vault.add([dataKey(1), dataKey(4_294_967_295)]), true);
      assert.equal(await stage.store.vault.add([dataKey(2), dataKey(1, "another")]), false);
      assert.deepEqual(await stage.store.vault.all(), [dataKey(1), dataKey(4_294_967_295)]);
      await stage.store.close();
    });

    test("of parallel additions of one id, one succeeds", async () => {
      const stage = await Stage.open(open);
      const added = await Promise.all(
        Array.from({ length: 20 }, (_, index) => stage.store.vault.add([dataKey(1, `${index}`)])),
      );
      const winner = added.indexOf(true);
      assert.equal(added.filter((won) => won).length, 1);
      assert.deepEqual(await stage.store.vault.all(), [dataKey(1, `${winner}`)]);
      // Whoever lost must have written nothing: what was made under a key that is overwritten is lost for good.
      for (let id = 2; id < 30; id += 1) {
        const pair = await Promise.all(["a", "b"].map((wrapped) => stage.store.vault.add([dataKey(id, wrapped)])));
        assert.equal(pair.filter((won) => won).length, 1, `two wrote the key ${id}`);
      }
      await stage.store.close();
    });

    test("wraps keys that exist anew, and makes none", async () => {
      const stage = await Stage.open(open);
      await stage.store.vault.add([dataKey(1)]);
      await stage.store.vault.rewrap([dataKey(1, "newly wrapped"), dataKey(2)]);
      assert.deepEqual(await stage.store.vault.all(), [dataKey(1, "newly wrapped")]);
      await stage.store.vault.add([dataKey(3)]);
      await stage.store.vault.remove([1, 2]);
      assert.deepEqual(await stage.store.vault.all(), [dataKey(3)]);
      await stage.store.close();
    });
  });

  describe("signing keys", () => {
    test("a set is replaced only at the version it was read at", async () => {
      const stage = await Stage.open(open);
      assert.deepEqual(await stage.store.keys.all(), { version: 0, keys: [] });
      const effect = { effect: "revoke", kind: "token", value: "jti", reason: "admin" } as const;
      const kids = ["a", "b", "c"];
      const replaced = await Promise.all(
        kids.map((kid) => stage.store.keys.replace(0, [signingKey({ kid })], [effect])),
      );
      assert.equal(replaced.filter((won) => won).length, 1);
      const [kid] = kids.filter((_, index) => replaced[index]);
      assert.deepEqual(await stage.store.keys.all(), { version: 1, keys: [signingKey({ ...(kid && { kid }) })] });
      assert.equal(stage.heard.length, 1);
      await stage.store.close();
    });

    test("keys come oldest first, whole, and gone ones not at all", async () => {
      const stage = await Stage.open(open);
      const shared = signingKey({ kid: "shared", publicJwk: null, sealedPrivate: null, createdAt: 3, alg: "HS256" });
      const young = signingKey({ kid: "a", createdAt: 2, activatedAt: 5, retiredAt: 6, state: "retired" });
      const old = signingKey({ kid: "z", createdAt: 1, state: "upcoming" });
      await stage.store.keys.replace(0, [shared, young, old, signingKey({ kid: "gone", state: "gone" })], []);
      assert.deepEqual((await stage.store.keys.all()).keys, [old, young, shared]);
      await stage.store.close();
    });

    test("a mark only rises, moves no version, and survives a replacement that did not know of it", async () => {
      const stage = await Stage.open(open);
      await stage.store.keys.replace(0, [signingKey()], []);
      await Promise.all([500, 900, 100].map((exp) => stage.store.keys.raiseMark("kid", exp)));
      await stage.store.keys.raiseMark("unknown", 1000);
      assert.deepEqual(await stage.store.keys.all(), { version: 1, keys: [signingKey({ highestExp: 900 })] });
      await stage.store.keys.replace(1, [signingKey({ state: "retired", highestExp: 0 })], []);
      assert.deepEqual((await stage.store.keys.all()).keys, [signingKey({ state: "retired", highestExp: 900 })]);
      await stage.store.close();
    });
  });
}

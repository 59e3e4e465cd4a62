import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { asId, newId } from "../prelude/ids.ts";
import { systemWorld } from "../prelude/world.ts";
import type { DataKey, Vault } from "../vault/vault.ts";
import { formatDeviceToken, readDeviceToken } from "./device-token.ts";
import { formatRefreshToken, parseRefreshToken } from "./refresh-token.ts";
import { formatSessionToken, parseSessionToken } from "./session-token.ts";

/** A vault whose keys are the same for both purposes: the worst case, in which only the domain tells them apart. */
function vaultOf(...ids: readonly number[]): Vault {
  const keys = ids.map((id): DataKey => ({ id, purpose: "refresh-mac", key: Buffer.alloc(32, id) }));
  return {
    current: (purpose) => ({ id: 0, key: Buffer.alloc(32), ...keys.at(-1), purpose }),
    find: (purpose, id) => keys.filter((key) => key.id === id).map((key) => ({ ...key, purpose }))[0],
    learn: async () => false,
    rotate: async () => {
      throw new Error("not here");
    },
    tick: async () => {},
  };
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const vault = vaultOf(1, 2);
const secretId = Buffer.alloc(16, 7);
const token = formatRefreshToken({ secretId, generation: 5, macKey: 2 }, vault);
const sessionToken = formatSessionToken({ secretId, macKey: 2 }, vault);
const user = asId("user", "usr_1");
const device = newId("device", systemWorld.random);
const deviceToken = formatDeviceToken(device, user, vault);

test("a refresh token reads back as what it was made of, and is the same text every time", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.nat(0xffff_ffff),
      fc.constantFrom(1, 2),
      (bytes, generation, macKey) => {
        const parts = { secretId: Buffer.from(bytes), generation, macKey };
        const text = formatRefreshToken(parts, vault);
        assert.equal(text.length, 76);
        assert.equal(formatRefreshToken(parts, vault), text);
        assert.deepEqual(parseRefreshToken(text, vault), parts);
      },
    ),
  );
});

function* bitFlips(text: string): Generator<string> {
  const bytes = Buffer.from(text, "base64url");
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    yield flipped.toString("base64url");
  }
}

test("a session token reads back as its grant's secret id, and is no refresh token", () => {
  assert.equal(sessionToken.length, 71);
  assert.deepEqual(parseSessionToken(sessionToken, vault), secretId);
  assert.equal(parseSessionToken(token, vault), undefined);
  assert.equal(parseRefreshToken(sessionToken, vault), undefined);
});

test("a session token with any one bit flipped is none", () => {
  for (const forged of bitFlips(sessionToken)) assert.equal(parseSessionToken(forged, vault), undefined);
});

test("a refresh token with any one bit flipped is none", () => {
  for (const forged of bitFlips(token)) assert.equal(parseRefreshToken(forged, vault), undefined);
});

test("a device token with any one bit flipped is none", () => {
  for (const forged of bitFlips(deviceToken)) assert.equal(readDeviceToken(forged, vault), undefined);
});

test("a token with any one character replaced is none, so that a token has one spelling", () => {
  for (const [text, read] of [
    [token, parseRefreshToken],
    [sessionToken, parseSessionToken],
    [deviceToken, readDeviceToken],
  ] as const) {
    for (let at = 0; at < text.length; at += 1) {
      for (const letter of [...LETTERS, "=", ".", "ﬀ", "\0", ""]) {
        const changed = text.slice(0, at) + letter + text.slice(at + 1);
        if (changed !== text) assert.equal(read(changed, vault), undefined);
      }
    }
  }
});

test("reading never throws, whatever the text", () => {
  const near = fc.tuple(fc.nat(110), fc.string()).map(([at, text]) => token.slice(0, at) + text + token.slice(at));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.base64String(), near), (text) => {
      if (text === token) return;
      assert.equal(parseRefreshToken(text, vault), undefined);
      assert.equal(readDeviceToken(text, vault), undefined);
    }),
  );
});

test("a token whose MAC key is gone from the vault is none", () => {
  assert.equal(parseRefreshToken(token, vaultOf(1)), undefined);
  assert.equal(readDeviceToken(deviceToken, vaultOf(1)), undefined);
});

test("a token made under an earlier MAC key stays readable after a newer one came", () => {
  assert.notEqual(parseRefreshToken(token, vaultOf(1, 2, 3)), undefined);
  assert.notEqual(readDeviceToken(deviceToken, vaultOf(1, 2, 3)), undefined);
});

test("a device token names its device, and its user to those who ask for that one", () => {
  const known = readDeviceToken(deviceToken, vault);
  assert.equal(known?.device, device);
  assert.equal(known?.isOf(user), true);
  assert.equal(known?.isOf(asId("user", "usr_2")), false);
});

test("no device token is one where there is none", () => assert.equal(readDeviceToken(null, vault), undefined));

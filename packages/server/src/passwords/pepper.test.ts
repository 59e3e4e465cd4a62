import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { systemWorld } from "../prelude/world.ts";
import { keyIdOf, PepperFault, type PepperKeyring, protect, reveal, rewrap } from "./pepper.ts";

const { random } = systemWorld;
const keys = new Map([1, 2, 7].map((id) => [id, randomBytes(32)]));

function keyring(current: number): PepperKeyring {
  const key = keys.get(current);
  assert.ok(key);
  return { current: { id: current, key }, get: (id) => keys.get(id) };
}

test("what is protected opens again, for every hash and every user id", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string(), (hash, user) => {
      assert.equal(reveal(protect(hash, user, keyring(1), random), user, keyring(2)), hash.toWellFormed());
    }),
  );
});

test("a stored hash that is copied to another user does not open", () => {
  const stored = protect("$argon2id$…", "usr_victim", keyring(1), random);
  assert.throws(() => reveal(stored, "usr_thief", keyring(1)), PepperFault);
});

test("no changed or cut byte goes unnoticed", () => {
  const stored = protect("$argon2id$…", "usr_a", keyring(1), random);
  for (let at = 0; at < stored.length; at++) {
    const changed = Buffer.from(stored);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.throws(() => reveal(changed, "usr_a", keyring(1)), PepperFault, `byte ${at}`);
    assert.throws(() => reveal(stored.subarray(0, at), "usr_a", keyring(1)), PepperFault, `cut at ${at}`);
  }
});

test("a missing pepper key is a fault that names the key and shows nothing stored", () => {
  const stored = protect(
    "$argon2id$…",
    "usr_a",
    { current: { id: 99, key: randomBytes(32) }, get: () => undefined },
    random,
  );
  assert.throws(() => reveal(stored, "usr_a", keyring(1)), {
    message: "Pepper key 99, which protects stored passwords, is missing.",
  });
});

test("the pepper rotates without the passwords: old ones open, and are wrapped anew once", () => {
  const old = protect("$argon2id$…", "usr_a", keyring(1), random);
  const fresh = rewrap(old, "usr_a", keyring(7), random);
  assert.ok(fresh);
  assert.equal(keyIdOf(fresh), 7);
  assert.equal(reveal(fresh, "usr_a", keyring(7)), "$argon2id$…");
  assert.equal(rewrap(fresh, "usr_a", keyring(7), random), undefined);
});

test("the same hash never looks the same twice", () => {
  assert.notDeepEqual(protect("x", "usr_a", keyring(1), random), protect("x", "usr_a", keyring(1), random));
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StartRefused } from "../prelude/fault.ts";
import { systemWorld } from "../prelude/world.ts";
import { DEFAULT_PARAMETERS } from "./formats/argon2.ts";
import {
  argon2Parameters,
  decoyHash,
  estimateCost,
  hashPassword,
  inspectHash,
  measureCost,
  needsUpgrade,
  verifyHash,
} from "./hash.ts";
import { SAMPLE_HASHES } from "./samples/hashes.ts";

const { random, clock } = systemWorld;
const parameters = argon2Parameters();

test("a new hash is Argon2id of version 19 with 19 MiB, 2 passes, 1 lane, a salt of 16 and a digest of 32 bytes", async () => {
  const hash = await hashPassword("quiet river stones", parameters, random);
  assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.deepEqual(inspectHash(hash), {
    ok: true,
    format: "argon2id",
    parameters: { m: 19456, t: 2, p: 1, salt: 16, digest: 32 },
    cost: 1,
  });
});

test("the password is verified exactly as received: case, spaces, normal form and every later byte count (ASVS 6.2.8)", async () => {
  const password = `Café quiet river ${"stones ".repeat(12)}end`;
  const hash = await hashPassword(password, parameters, random);
  assert.equal(await verifyHash(hash, password), true);
  const near = [
    `${password} `,
    ` ${password}`,
    password.toLowerCase(),
    password.normalize("NFD"),
    password.slice(0, 72),
    password.slice(0, -1),
  ];
  for (const other of near) assert.equal(await verifyHash(hash, other), false, other);
});

test("half surrogates do not match the replacement character that UTF-8 would make of them", async () => {
  const hash = await hashPassword("quiet \ufffd river", parameters, random);
  assert.equal(await verifyHash(hash, "quiet \ufffd river"), true);
  assert.equal(await verifyHash(hash, "quiet \ud800 river"), false);
  assert.throws(() => hashPassword("quiet \ud800 river", parameters, random), TypeError);
  assert.throws(() => hashPassword("quiet\0river", parameters, random), TypeError);
});

test("passwords of any script and of the greatest length come back", async () => {
  for (const password of ["따뜻한 커피 한 잔과 책", "雨の日に傘を二本", "🐢🐇🦔🦡🦦🦫🐾🐌", "한".repeat(1000)])
    assert.equal(await verifyHash(await hashPassword(password, parameters, random), password), true);
});

test("parameters below the floor, out of bounds or not whole refuse the start", () => {
  const refused = [
    { memory: 19_455 },
    { passes: 1 },
    { lanes: 0 },
    { lanes: 17 },
    { memory: 262_145 },
    { passes: 1000 },
    { passes: 2.5 },
    { memory: Number.NaN },
  ];
  for (const wanted of refused) assert.throws(() => argon2Parameters(wanted), StartRefused, JSON.stringify(wanted));
  assert.deepEqual(argon2Parameters({ memory: 65_536, passes: 3 }), { memory: 65_536, passes: 3, lanes: 1 });
});

test("whatever parameters a start accepts, a hash made with them can be read again", () => {
  const wanted = fc.record({
    memory: fc.integer({ min: 0, max: 400_000 }),
    passes: fc.integer({ min: 0, max: 300 }),
    lanes: fc.integer({ min: 0, max: 20 }),
  });
  fc.assert(
    fc.property(wanted, (values) => {
      let accepted: typeof values;
      try {
        accepted = argon2Parameters(values);
      } catch {
        return;
      }
      assert.equal(inspectHash(decoyHash(accepted, random)).ok, true);
    }),
    { numRuns: 1000 },
  );
});

test("imported and weaker hashes are to be upgraded, ours and stronger ones are not", async () => {
  for (const { hash } of SAMPLE_HASHES) assert.equal(needsUpgrade(hash, parameters), true, hash);
  assert.equal(needsUpgrade(decoyHash(parameters, random), parameters), false);
  assert.equal(needsUpgrade(decoyHash(argon2Parameters({ memory: 65_536 }), random), parameters), false);
  assert.equal(needsUpgrade(decoyHash(parameters, random), argon2Parameters({ passes: 3 })), true);
});

test("a decoy costs what a real hash costs, and no password has it", async () => {
  const decoy = decoyHash(parameters, random);
  assert.equal(estimateCost(decoy), estimateCost(await hashPassword("quiet river stones", parameters, random)));
  assert.equal(await verifyHash(decoy, "quiet river stones"), false);
  assert.equal(await verifyHash(decoy, ""), false);
});

test("costs are told in default hashes, and measured in milliseconds", async () => {
  assert.equal(estimateCost(decoyHash(DEFAULT_PARAMETERS, random)), 1);
  const bcrypt12 = `$2b$12$${"a".repeat(21)}u${"a".repeat(31)}`;
  assert.ok(estimateCost(bcrypt12) > 10);
  assert.ok((await measureCost(decoyHash(parameters, random), clock.monotonic)) > 0);
});

test("a stored hash that cannot be read is a fault, whose message does not repeat it", async () => {
  await assert.rejects(verifyHash("$argon2id$damaged", "x"), (error: unknown) => {
    assert.ok(error instanceof Error);
    assert.ok(!error.message.includes("damaged"));
    return true;
  });
});

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { systemWorld } from "../prelude/world.ts";
import { createHashAdmission, type HashAdmission } from "./admission.ts";
import { argon2Parameters } from "./hash.ts";
import { createPasswords } from "./passwords.ts";
import { keyIdOf, PepperFault, reveal } from "./pepper.ts";
import { SAMPLE_HASHES, SAMPLE_PASSWORD } from "./samples/hashes.ts";

const { clock, random } = systemWorld;
const parameters = argon2Parameters();

function room(options: { admission?: HashAdmission } = {}) {
  const keys = new Map([[1, randomBytes(32)]]);
  let newest = 1;
  const pepper = {
    get current() {
      const key = keys.get(newest);
      assert.ok(key);
      return { id: newest, key };
    },
    get: (id: number) => keys.get(id),
  };
  const costs: number[] = [];
  const inner = options.admission ?? createHashAdmission({ slots: 1, clock });
  const admission: HashAdmission = {
    run: (task, settings) => {
      costs.push(settings?.cost ?? 1);
      return inner.run(task, settings);
    },
    metrics: () => inner.metrics(),
  };
  return {
    passwords: createPasswords({ pepper, parameters, admission, random }),
    pepper,
    costs,
    rotate: () => {
      newest++;
      keys.set(newest, randomBytes(32));
    },
    lose: (id: number) => keys.delete(id),
  };
}

async function stored(
  passwords: ReturnType<typeof room>["passwords"],
  password: string,
  user: string,
): Promise<Buffer> {
  const made = await passwords.hash(password, user);
  assert.ok(made.ok);
  return made.stored;
}

test("the right password matches and needs no upgrade, a wrong one does not match", async () => {
  const { passwords } = room();
  const kept = await stored(passwords, "quiet river stones", "usr_a");
  assert.deepEqual(await passwords.verify("quiet river stones", kept, "usr_a"), { ok: true, match: true });
  assert.deepEqual(await passwords.verify("quiet river stone", kept, "usr_a"), { ok: true, match: false });
});

test("what is stored shows nothing of the hash", async () => {
  const { passwords } = room();
  const kept = await stored(passwords, "quiet river stones", "usr_a");
  assert.ok(!kept.toString("latin1").includes("argon2"));
});

test("an unknown account does the work of a known one through the same queue, and never matches", async () => {
  const { passwords, costs } = room();
  const kept = await stored(passwords, "quiet river stones", "usr_a");
  costs.length = 0;
  await passwords.verify("a wrong password", kept, "usr_a");
  assert.deepEqual(await passwords.verify("a wrong password", undefined, undefined), { ok: true, match: false });
  assert.deepEqual(await passwords.verify("", undefined, "usr_without_password"), { ok: true, match: false });
  assert.deepEqual(costs, [1, 1, 1]);
});

test("a hash moved from the attacker's row to the victim's does not open", async () => {
  const { passwords } = room();
  const kept = await stored(passwords, "quiet river stones", "usr_attacker");
  await assert.rejects(passwords.verify("quiet river stones", kept, "usr_victim"), PepperFault);
});

for (const { by, hash } of SAMPLE_HASHES) {
  test(`an imported hash by ${by} is replaced by Argon2id at the first log-in that matches, and only then`, async () => {
    const { passwords, pepper } = room();
    const taken = passwords.importHash(hash, "usr_a");
    assert.ok(taken.ok);
    assert.deepEqual(await passwords.verify("wrong", taken.stored, "usr_a"), { ok: true, match: false });
    const verified = await passwords.verify(SAMPLE_PASSWORD, taken.stored, "usr_a");
    assert.ok(verified.ok && verified.match && verified.upgraded);
    assert.match(reveal(verified.upgraded, "usr_a", pepper), /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    assert.deepEqual(await passwords.verify(SAMPLE_PASSWORD, verified.upgraded, "usr_a"), { ok: true, match: true });
  });
}

test("a hash that cannot be imported is refused with its reason", () => {
  const taken = room().passwords.importHash("$1$salt$digest", "usr_a");
  assert.deepEqual(taken, {
    ok: false,
    reason: "unsupported_format",
    message: "MD5-crypt cannot be imported: too weak to keep.",
  });
});

test("after the pepper rotated, a log-in wraps the same hash under the new key", async () => {
  const { passwords, pepper, rotate, lose } = room();
  const kept = await stored(passwords, "quiet river stones", "usr_a");
  const before = reveal(kept, "usr_a", pepper);
  rotate();
  const verified = await passwords.verify("quiet river stones", kept, "usr_a");
  assert.ok(verified.ok && verified.match && verified.upgraded);
  assert.equal(keyIdOf(verified.upgraded), 2);
  assert.equal(reveal(verified.upgraded, "usr_a", pepper), before);
  lose(1);
  assert.deepEqual(await passwords.verify("quiet river stones", verified.upgraded, "usr_a"), { ok: true, match: true });
  await assert.rejects(passwords.verify("quiet river stones", kept, "usr_a"), PepperFault);
  assert.deepEqual(await passwords.verify("anything", undefined, undefined), { ok: true, match: false });
});

test("in a storm the excess is refused at once with a time to come back, and the rest is answered rightly", async () => {
  const admission = createHashAdmission({ slots: 1, waitingPerSlot: 4, clock });
  const { passwords } = room({ admission });
  const kept = await stored(passwords, "quiet river stones", "usr_a");
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => passwords.verify("quiet river stones", kept, "usr_a")),
  );
  const matched = answers.filter((answer) => answer.ok && answer.match).length;
  const refused = answers.filter((answer) => !answer.ok && answer.retryAfter >= 1).length;
  assert.deepEqual([matched, refused], [5, 25]);
  assert.equal(admission.metrics().refused, 25);
});

test("a log-in is not refused because its upgrade finds no place: the next log-in upgrades", async () => {
  const inner = createHashAdmission({ slots: 1, clock });
  let calls = 0;
  const admission: HashAdmission = {
    run: (task, settings) =>
      ++calls === 1 ? inner.run(task, settings) : Promise.resolve({ ok: false, refusal: "overloaded", retryAfter: 3 }),
    metrics: () => inner.metrics(),
  };
  const { passwords } = room({ admission });
  const taken = passwords.importHash(SAMPLE_HASHES[0]?.hash ?? "", "usr_a");
  assert.ok(taken.ok);
  assert.deepEqual(await passwords.verify(SAMPLE_PASSWORD, taken.stored, "usr_a"), { ok: true, match: true });
  assert.deepEqual(await passwords.hash("quiet river stones", "usr_a"), {
    ok: false,
    refusal: "overloaded",
    retryAfter: 3,
  });
});

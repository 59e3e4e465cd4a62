/** What can be done to a receipt, and that none of it convinces the sender. The attacks of the story are in story.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openDocument, sealDocument } from "./document.ts";
import { KeysRefused } from "./key-refusals.ts";
import { countries, textOf } from "./parties.test-support.ts";
import { makeReceipt, verifyReceipt } from "./receipt.ts";

const { a, b } = await countries();
const envelope = await sealDocument(new TextEncoder().encode("23:00"), { from: a.own, to: b.published });
const opened = await openDocument(envelope, { from: a.published, to: b.own });
assert.ok(opened.ok);
const receipt = await makeReceipt(opened, { from: b.own });
const verified = async (text: unknown) => verifyReceipt(text, envelope, { from: b.published, to: a.published });

/** A genuine signature of B around anything: what only B can do, and what B would never do. */
async function signedByB(header: object, claims: object): Promise<string> {
  const signing = b.own.signing[0];
  assert.ok(signing);
  const input = `${textOf(header)}.${textOf(claims)}`;
  return `${input}.${Buffer.from(await signing.key.sign(input)).toString("base64url")}`;
}

const partOf = (index: number): Record<string, unknown> =>
  JSON.parse(Buffer.from(receipt.split(".")[index] ?? "", "base64url").toString());
const [header, claims] = [partOf(0), partOf(1)];

test("cut off anywhere, or with any bit of any character turned, a receipt acknowledges nothing", async () => {
  assert.equal((await verified(receipt)).ok, true);
  for (let at = 0; at < receipt.length; at++) {
    assert.equal((await verified(receipt.slice(0, at))).ok, false, `${at} characters`);
    const flipped = String.fromCharCode(receipt.charCodeAt(at) ^ (1 << (at % 7)));
    assert.equal((await verified(receipt.slice(0, at) + flipped + receipt.slice(at + 1))).ok, false, `${at}`);
  }
});

test("a receipt with a member missing, added, doubled or of another form is none, even signed by B", async () => {
  assert.equal((await verified(await signedByB(header, claims))).ok, true, "the way of this test is right");
  for (const name of Object.keys(claims)) {
    const { [name]: _left, ...without } = claims;
    assert.equal((await verified(await signedByB(header, without))).ok, false, `without ${name}`);
    for (const value of [null, 7.5, "", [claims[name]], true, `${claims[name]}=`]) {
      assert.equal((await verified(await signedByB(header, { ...claims, [name]: value }))).ok, false, name);
    }
  }
  assert.equal((await verified(await signedByB(header, { ...claims, exp: 1 }))).ok, false);
  for (const wrong of [{ typ: "at+jwt" }, { typ: undefined }, { kid: "k" }, { crit: ["exp"] }, { alg: "none" }]) {
    assert.equal((await verified(await signedByB({ ...header, ...wrong }, claims))).ok, false, JSON.stringify(wrong));
  }
});

test("anything at all is no receipt, without a fault", async () => {
  for (const nothing of [undefined, null, 7, {}, [], new Uint8Array(9), "A".repeat(3_000_000)]) {
    assert.equal((await verified(nothing)).ok, false);
  }
  await fc.assert(
    fc.asyncProperty(fc.string(), async (text) => {
      assert.equal((await verified(text)).ok, false);
      assert.equal((await verified(`${textOf(header)}.${text}.${text}`)).ok, false);
    }),
  );
});

test("whoever has no key for signatures can acknowledge nothing", async () => {
  const refused = (error: unknown) => error instanceof KeysRefused && error.code === "no_signing_key";
  await assert.rejects(makeReceipt(opened, { from: { ...b.own, signing: [] } }), refused);
});

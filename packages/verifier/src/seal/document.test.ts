/** What can be done to a sealed document's text, and that none of it opens. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { makeJwe } from "../jwe/compact.ts";
import { DOCUMENT_MAX, openDocument, sealDocument } from "./document.ts";
import { KeysRefused } from "./key-refusals.ts";
import type { DiscardCode } from "./outcome.ts";
import { type Country, countries, country, headerOf, KEY_KINDS, textOf } from "./parties.test-support.ts";

const { a, b } = await countries();
const DOCUMENT = new TextEncoder().encode("attack at dawn");
const envelope = await sealDocument(DOCUMENT, { from: a.own, to: b.published });

async function outcome(text: unknown, from: Country = a, to: Country = b): Promise<DiscardCode | "opened"> {
  const opened = await openDocument(text, { from: from.published, to: to.own });
  return opened.ok ? "opened" : opened.code;
}

/** A genuine signature of A around anything: what only A can do, and what A would never do. */
async function signedByA(header: object, payload: string, from: Country = a): Promise<string> {
  const signing = from.own.signing[0];
  assert.ok(signing);
  const input = `${textOf(header)}.${Buffer.from(payload).toString("base64url")}`;
  return `${input}.${Buffer.from(await signing.key.sign(input)).toString("base64url")}`;
}

const outer = headerOf(envelope);
const inner = Buffer.from(envelope.split(".")[1] ?? "", "base64url").toString();

test("documents of any content and size come out as they went in, and no two envelopes are alike", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (content) => {
      const text = await sealDocument(content, { from: a.own, to: b.published });
      const opened = await openDocument(text, { from: a.published, to: b.own });
      assert.ok(opened.ok);
      assert.deepEqual(Buffer.from(opened.document), Buffer.from(content));
    }),
    { numRuns: 30 },
  );
  assert.notEqual(await sealDocument(DOCUMENT, { from: a.own, to: b.published }), envelope);
  const largest = new Uint8Array(DOCUMENT_MAX);
  assert.equal(await outcome(await sealDocument(largest, { from: a.own, to: b.published })), "opened");
  await assert.rejects(sealDocument(new Uint8Array(DOCUMENT_MAX + 1), { from: a.own, to: b.published }), RangeError);
});

test("cut off anywhere, or with any bit of any character turned, a document does not open", async () => {
  for (let at = 0; at < envelope.length; at++) {
    assert.equal(await outcome(envelope.slice(0, at)), "not_from_sender", `${at} characters`);
    const flipped = String.fromCharCode(envelope.charCodeAt(at) ^ (1 << (at % 7)));
    assert.equal(await outcome(envelope.slice(0, at) + flipped + envelope.slice(at + 1)), "not_from_sender", `${at}`);
  }
});

test("another spelling of the same base64url is no envelope", async () => {
  const [header = "", payload = "", signature = ""] = envelope.split(".");
  for (const text of [
    `${header}=.${payload}.${signature}`,
    `${header}.${payload}==.${signature}`,
    `${header}.${payload}.${signature}=`,
    `${envelope}\n`,
    ` ${envelope}`,
    `${envelope}.`,
    `${envelope}.x`,
    `${header}..${signature}`,
    envelope.replaceAll("-", "+"),
    [header, payload, `\u0141${signature.slice(1)}`].join("."),
  ]) {
    if (text !== envelope) assert.equal(await outcome(text), "not_from_sender", text.slice(-20));
  }
});

test("an outer header with a member missing, added, doubled or of another form is no envelope, even signed by A", async () => {
  assert.equal(await outcome(await signedByA(outer, inner)), "opened", "the way of this test is right");
  for (const name of Object.keys(outer)) {
    const { [name]: _left, ...without } = outer;
    assert.equal(await outcome(await signedByA(without, inner)), "not_from_sender", `without ${name}`);
    for (const value of [null, 7.5, -1, "", [outer[name]], { toString: outer[name] }, true, `${outer[name]}=`]) {
      assert.equal(await outcome(await signedByA({ ...outer, [name]: value }, inner)), "not_from_sender", name);
    }
  }
  for (const added of [
    { crit: ["exp"] },
    { zip: "DEF" },
    { kid: "k" },
    { b64: false },
    { jwk: {} },
    { __proto__x: 1 },
  ]) {
    assert.equal(await outcome(await signedByA({ ...outer, ...added }, inner)), "not_from_sender");
  }
  const doubled = Buffer.from(`{"iss":"x",${JSON.stringify(outer).slice(1)}`).toString("base64url");
  const signing = a.own.signing[0];
  const input = `${doubled}.${envelope.split(".")[1]}`;
  const signature = Buffer.from((await signing?.key.sign(input)) ?? []).toString("base64url");
  assert.equal(await outcome(`${input}.${signature}`), "not_from_sender");
});

test("a header of gigabytes is refused by its length", async () => {
  const long = `${"A".repeat(3_000_000)}.${"A".repeat(10)}.AAAA`;
  assert.equal(await outcome(long), "not_from_sender");
  const header = textOf({ ...outer, iss: "x".repeat(100_000) });
  assert.equal(await outcome(`${header}.AAAA.AAAA`), "not_from_sender");
});

test("an algorithm that is not the key's is refused, none and HS256 with the public key among them", async () => {
  for (const alg of ["none", "HS256", "RS256", "ES256", "Ed25519", "EdDSA ", ""]) {
    assert.equal(await outcome(await signedByA({ ...outer, alg }, inner)), "not_from_sender", alg);
    assert.equal(await outcome(`${textOf({ ...outer, alg })}.${envelope.split(".")[1]}.`), "not_from_sender", alg);
  }
});

test("an inner layer that is not exactly what A writes does not open, and tells nothing but that", async () => {
  const key = b.published.encrypting[0]?.key;
  assert.ok(key);
  const names = { iss: outer.iss, aud: outer.aud, jti: outer.jti };
  const made = (header: object) => makeJwe({ typ: "mapae-content", ...names, ...header }, DOCUMENT, key);
  const seen = new Set<string>();
  for (const [what, jwe] of [
    ["zip", await made({}).then((text) => tampered(text, { zip: "DEF" }))],
    ["crit", await made({}).then((text) => tampered(text, { crit: ["x"], x: 1 }))],
    ["p2c", await made({}).then((text) => tampered(text, { alg: "PBES2-HS256+A128KW", p2c: 2 ** 31, p2s: "AAAA" }))],
    ["dir", await made({}).then((text) => tampered(text, { alg: "dir" }))],
    ["enc", await made({}).then((text) => tampered(text, { enc: "A128GCM" }))],
    ["alg", await made({}).then((text) => tampered(text, { alg: "RSA-OAEP-256" }))],
    [
      "weak epk",
      await made({}).then((text) => tampered(text, { epk: { kty: "OKP", crv: "X25519", x: "A".repeat(43) } })),
    ],
    ["private epk", await made({}).then((text) => tampered(text, { epk: { ...epkOf(text), d: "A".repeat(43) } }))],
    ["no epk", await made({}).then((text) => tampered(text, { epk: undefined }))],
    ["another recipient", await made({ aud: outer.iss })],
    ["too short", await makeJwe({ typ: "mapae-content", ...names }, new Uint8Array(31), key)],
    ["not what was committed to", await made({})],
    ["a key beside the agreement", await made({}).then((text) => text.replace("..", ".AAAA."))],
    ["four parts", inner.slice(0, inner.lastIndexOf("."))],
    ["six parts", `${inner}.AAAA`],
    ["a short tag", inner.slice(0, -4)],
    ["another type", await made({ typ: "mapae-content-key" })],
    ["nothing", ""],
  ] as const) {
    const opened = await openDocument(await signedByA(outer, jwe), { from: a.published, to: b.own });
    assert.ok(!opened.ok, what);
    seen.add(opened.code === "not_for_me" ? opened.message : opened.code);
  }
  assert.deepEqual([...seen].sort(), ["Discarded: not for me or altered.", "not_from_sender"]);
});

function tampered(jwe: string, change: object): string {
  return [textOf({ ...headerOf(jwe), ...change }), ...jwe.split(".").slice(1)].join(".");
}

function epkOf(jwe: string): object {
  const { epk } = headerOf(jwe);
  assert.ok(typeof epk === "object" && epk !== null);
  return epk;
}

test("every fault of decryption under RSA is the same answer: the padding, the key's length, the content, the tag", async () => {
  const [sender, recipient] = [await country(KEY_KINDS.rsa()), await country(KEY_KINDS.rsa())];
  const text = await sealDocument(DOCUMENT, { from: sender.own, to: recipient.published });
  const jwe = Buffer.from(text.split(".")[1] ?? "", "base64url").toString();
  const parts = jwe.split(".");
  const answers = new Set<string>();
  for (let part = 1; part < 5; part++) {
    for (const bit of [0, 3, 60]) {
      const octets = Buffer.from(parts[part] ?? "", "base64url");
      const at = bit % octets.length;
      octets[at] = (octets[at] ?? 0) ^ 1;
      const changed = parts.with(part, octets.toString("base64url")).join(".");
      const opened = await openDocument(await signedByA(headerOf(text), changed, sender), {
        from: sender.published,
        to: recipient.own,
      });
      assert.ok(!opened.ok);
      answers.add(JSON.stringify(opened));
    }
  }
  assert.equal(answers.size, 1);
});

test("anything at all is discarded without a fault", async () => {
  for (const nothing of [undefined, null, 7, {}, [], Symbol("x"), new Uint8Array(9)]) {
    assert.equal(await outcome(nothing), "not_from_sender");
  }
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), fc.string({ unit: "binary" })), async (text) => {
      assert.equal(await outcome(text), "not_from_sender");
      assert.equal(await outcome(`${textOf(outer)}.${text}.${text}`), "not_from_sender");
    }),
  );
});

test("keys that cannot do what is asked are the caller's mistake", async () => {
  const { a: other } = await countries();
  const signs = { ...other.published, encrypting: [] };
  const only = { ...other.own, signing: [] };
  await assert.rejects(sealDocument(DOCUMENT, { from: a.own, to: signs }), refusedAs("no_encryption_key"));
  await assert.rejects(sealDocument(DOCUMENT, { from: only, to: b.published }), refusedAs("no_signing_key"));
  const blind = { from: { verifying: [], encrypting: [] }, to: b.own };
  await assert.rejects(openDocument(envelope, blind), refusedAs("no_signing_key"));
  const shut = { from: a.published, to: { signing: [], opening: [] } };
  await assert.rejects(openDocument(envelope, shut), refusedAs("no_encryption_key"));
});

function refusedAs(code: string) {
  return (error: unknown) => error instanceof KeysRefused && error.code === code;
}

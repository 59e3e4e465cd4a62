/**
 * Writes docs/vectors/seal: what docs/seal-format.md says, in octets, for implementations in other languages.
 *
 *   node --conditions=mapae-source packages/verifier/scripts/seal-vectors.ts
 *
 * Keys and envelopes are random, so each run writes other ones; what is written has been opened again before. The sizes of
 * the files are small because their pieces are: 1 KiB, the least that the format allows.
 */
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import type { Jwk } from "../src/jose/keys.ts";
import { openJwe, parseJwe } from "../src/jwe/compact.ts";
import {
  bindPrivateKeys,
  bindPublicKeys,
  makeReceipt,
  type Opened,
  openDocument,
  openFile,
  publicHalves,
  sealDocument,
  sealFile,
  seekableBlob,
  verifyReceipt,
} from "../src/seal/index.ts";

const FOLDER = new URL("../../../docs/vectors/seal/", import.meta.url);
const CLOCK = () => Date.UTC(2023, 4, 19, 23);

const jwkOf = (key: KeyObject): Jwk => key.export({ format: "jwk" });
const pairs = {
  "Ed25519 and X25519": () => [
    { ...jwkOf(generateKeyPairSync("ed25519").privateKey), use: "sig" },
    { ...jwkOf(generateKeyPairSync("x25519").privateKey), use: "enc" },
  ],
  "P-256": () => [jwkOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey)],
  RSA: () => [jwkOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey)],
};

async function party(jwks: readonly Jwk[]) {
  return {
    jwks: { keys: jwks },
    own: await bindPrivateKeys(jwks),
    published: await bindPublicKeys(publicHalves(jwks)),
  };
}
type Party = Awaited<ReturnType<typeof party>>;

const base64 = (octets: Uint8Array) => Buffer.from(octets).toString("base64");
const hex = (octets: Uint8Array) => Buffer.from(octets).toString("hex");
const sha256 = (octets: Uint8Array) => createHash("sha256").update(octets).digest();

/** What only the recipient sees, of either kind. */
async function content(seal: string, to: Party): Promise<Uint8Array> {
  const jwe = parseJwe(Buffer.from(seal.split(".")[1] ?? "", "base64url").toString(), 1e7, [
    "typ",
    "iss",
    "aud",
    "jti",
  ]);
  const key = to.own.opening[0]?.key;
  assert.ok(jwe && key);
  const opened = await openJwe(jwe, key);
  assert.ok(opened);
  return opened;
}

async function acknowledged(opened: Opened, to: Party) {
  return {
    envelope_hash: opened.envelope.hash,
    proof: hex(opened.proof),
    ack: base64url(sha256(opened.proof)),
    receipt: await makeReceipt(opened, { from: to.own, clock: () => CLOCK() + 60_000 }),
  };
}
const base64url = (octets: Uint8Array) => Buffer.from(octets).toString("base64url");

async function documentVector(what: string, text: string, from: Party, to: Party) {
  const envelope = await sealDocument(Buffer.from(text), { from: from.own, to: to.published, clock: CLOCK });
  const opened = await openDocument(envelope, { from: from.published, to: to.own });
  assert.ok(opened.ok);
  const secret = (await content(envelope, to)).subarray(0, 32);
  const told = await acknowledged(opened, to);
  assert.ok((await verifyReceipt(told.receipt, envelope, { from: to.published, to: from.published })).ok);
  return { what, document: text, envelope, secret_id: hex(secret), ...told };
}

function pattern(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (at * 7) & 0xff));
}

async function fileVector(what: string, length: number, from: Party, to: Party) {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  async function* source() {
    yield pattern(length);
  }
  const options = { from: from.own, to: to.published, clock: CLOCK, pieceOctets: 1024 };
  for await (const part of sealFile(source(), options)) parts.push(Uint8Array.from(part));
  const file = Buffer.concat(parts);
  const opened = await openFile(seekableBlob(new Blob(parts)), () => {}, { from: from.published, to: to.own });
  assert.ok(opened.ok);
  const sealLength = file.readUInt32BE(file.length - 12);
  const seal = file.subarray(file.length - 12 - sealLength, file.length - 12).toString();
  const inside = await content(seal, to);
  const told = await acknowledged(opened, to);
  return {
    what,
    length,
    file: base64(file),
    secret_id: hex(inside.subarray(0, 32)),
    content_key: hex(inside.subarray(32)),
    ...told,
  };
}

/** What must be discarded, made out of what is good: how, and with which outcome. */
async function badVectors(a: Party, b: Party, c: Party) {
  const text = await sealDocument(Buffer.from("23:00"), { from: a.own, to: b.published, clock: CLOCK });
  const parts = text.split(".");
  const byC = await sealDocument(Buffer.from("noon"), { from: c.own, to: b.published, clock: CLOCK });
  const toC = await sealDocument(Buffer.from("23:00"), { from: a.own, to: c.published, clock: CLOCK });
  const header = JSON.parse(Buffer.from(parts[0] ?? "", "base64url").toString());
  const signing = c.own.signing[0];
  assert.ok(signing);
  const input = `${base64url(Buffer.from(JSON.stringify({ ...header, iss: signing.name })))}.${parts[1]}`;
  const resigned = `${input}.${base64url(await signing.key.sign(input))}`;
  return [
    {
      what: "C alters: the last character of the payload",
      from: "a",
      envelope: altered(parts),
      outcome: "not_from_sender",
    },
    { what: "C forges: signed by C", from: "a", envelope: byC, outcome: "not_from_sender" },
    {
      what: "C re-signs: A's inner layer under C's signature",
      from: "c",
      envelope: resigned,
      outcome: "not_from_sender",
    },
    { what: "C forwards: sealed by A for C", from: "a", envelope: toC, outcome: "not_for_me" },
    { what: "cut off", from: "a", envelope: text.slice(0, -1), outcome: "not_from_sender" },
    { what: "with a line end", from: "a", envelope: `${text}\n`, outcome: "not_from_sender" },
    { what: "empty", from: "a", envelope: "", outcome: "not_from_sender" },
  ];
}

function altered([header = "", payload = "", signature = ""]: readonly string[]): string {
  const other = payload.endsWith("A") ? "E" : "A";
  return `${header}.${payload.slice(0, -1)}${other}.${signature}`;
}

const sets = [];
for (const [kind, make] of Object.entries(pairs)) {
  const [a, b, c] = [await party(make()), await party(make()), await party(make())];
  sets.push({
    kind,
    keys: { a: a.jwks, b: b.jwks, c: c.jwks },
    names: {
      a_signs: a.own.signing[0]?.name,
      b_opens: b.own.opening[0]?.name,
    },
    documents: [await documentVector("A to B", "2023-05-19 23:00", a, b), await documentVector("empty", "", a, b)],
    files: [
      await fileVector("empty: one empty piece", 0, a, b),
      await fileVector("one full piece", 1024, a, b),
      await fileVector("three pieces, the last of 17 octets", 2065, a, b),
    ],
    discarded: await badVectors(a, b, c),
  });
}
mkdirSync(FOLDER, { recursive: true });
writeFileSync(new URL("envelopes.json", FOLDER), `${JSON.stringify(sets, null, 1)}\n`);

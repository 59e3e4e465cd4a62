/**
 * The story of the three countries. A sends B a plan and has to know that B has read it; C sits in between, sees and holds
 * everything that is sent, owns keys as good as anybody's, and knows the format.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compactDecrypt, importJWK, type JWK } from "jose";
import { hmac, joined, sha256 } from "./digest.ts";
import { type Opened, openDocument, type SeenList, sealDocument } from "./document.ts";
import { openFile, sealFile } from "./file.ts";
import { type Envelope, makeLayers } from "./layers.ts";
import type { Discarded } from "./outcome.ts";
import { type Country, countries, country, headerOf, KEY_KINDS, textOf } from "./parties.test-support.ts";
import { makeReceipt, verifyReceipt } from "./receipt.ts";
import { type Seekable, seekableBlob } from "./seekable.ts";

const PLAN = new TextEncoder().encode("2023-05-19 23:00");

type Message = string | Seekable;

/** Both formats behind one face: every attack is tried on both. */
interface Format {
  readonly name: string;
  seal(from: Country, to: Country): Promise<Message>;
  open(message: Message, from: Country, to: Country, seen?: SeenList): Promise<Told>;
  /** The envelope with another outer layer around the same content. */
  reseal(message: Message, change: (text: string) => string | Promise<string>): Promise<Message>;
}
type Told = (Opened & { readonly text: string }) | Discarded;

const documents: Format = {
  name: "a document",
  seal: (from, to) => sealDocument(PLAN, { from: from.own, to: to.published }),
  async open(message, from, to, seen) {
    const options = { from: from.published, to: to.own, ...(seen === undefined ? {} : { seen }) };
    const opened = await openDocument(message, options);
    return opened.ok ? { ...opened, text: new TextDecoder().decode(opened.document) } : opened;
  },
  reseal: async (message, change) => change(String(message)),
};

async function sealedBlob(pieces: AsyncIterable<Uint8Array>): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of pieces) parts.push(Uint8Array.from(piece));
  return new Blob(parts);
}

async function* once(octets: Uint8Array) {
  yield octets;
}

const files: Format = {
  name: "a file",
  seal: async (from, to) => seekableBlob(await sealedBlob(sealFile(once(PLAN), { from: from.own, to: to.published }))),
  async open(message, from, to, seen) {
    assert.ok(typeof message !== "string");
    const options = { from: from.published, to: to.own, ...(seen === undefined ? {} : { seen }) };
    const parts: Uint8Array[] = [];
    const opened = await openFile(message, (piece) => void parts.push(piece), options);
    return opened.ok ? { ...opened, text: Buffer.concat(parts).toString() } : opened;
  },
  async reseal(message, change) {
    assert.ok(typeof message !== "string");
    const { size } = message;
    const foot = Buffer.from(await message.read(size - 12, 12));
    const length = foot.readUInt32BE(0);
    const before = await message.read(0, size - 12 - length);
    const seal = await change(Buffer.from(await message.read(size - 12 - length, length)).toString());
    foot.writeUInt32BE(seal.length, 0);
    return seekableBlob(new Blob([Buffer.from(before), seal, foot]));
  },
};

function seenList(): SeenList {
  const known = new Set<string>();
  const key = ({ from, id }: Envelope) => `${from} ${id}`;
  return {
    has: (envelope) => known.has(key(envelope)),
    admit: (envelope) => !known.has(key(envelope)) && known.add(key(envelope)) !== undefined,
  };
}

/** Signs anything, as C can with its own key. */
async function signedBy(who: Country, header: object, payload: string): Promise<string> {
  const [signing] = who.own.signing;
  assert.ok(signing);
  const input = `${textOf(header)}.${Buffer.from(payload).toString("base64url")}`;
  return `${input}.${Buffer.from(await signing.key.sign(input)).toString("base64url")}`;
}

const payloadOf = (text: string) => Buffer.from(text.split(".")[1] ?? "", "base64url").toString();

function assertDiscarded(
  told: { readonly ok: true } | Discarded,
  code: Discarded["code"],
  why: Discarded["why"] = null,
): void {
  assert.ok(!told.ok, "it was opened");
  assert.deepEqual([told.code, told.why], [code, why], told.message);
}

for (const format of [documents, files]) {
  for (const [kind, keys] of Object.entries(KEY_KINDS)) {
    test(`A seals ${format.name} for B, B opens it and acknowledges, A knows (${kind})`, async () => {
      const [a, b] = [await country(keys()), await country(keys())];
      const message = await format.seal(a, b);
      const told = await format.open(message, a, b);
      assert.ok(told.ok, "message" in told ? told.message : "");
      assert.equal(told.text, "2023-05-19 23:00");
      const receipt = await makeReceipt(told, { from: b.own, clock: () => 1_700_000_000_000 });
      const known = await verifyReceipt(receipt, message, { from: b.published, to: a.published });
      assert.ok(known.ok, "message" in known ? known.message : "");
      assert.equal(known.at, 1_700_000_000);
      assert.deepEqual(known.envelope, told.envelope);
    });
  }

  test(`C reads: ${format.name} opens for nobody but B, not even for A`, async () => {
    const { a, b, c } = await countries();
    const message = await format.seal(a, b);
    assertDiscarded(await format.open(message, a, c), "not_for_me");
    assertDiscarded(await format.open(message, a, a), "not_for_me");
  });

  test(`C alters: whatever of ${format.name} C changes under A's signature, it is not A's any more`, async () => {
    const { a, b } = await countries();
    const message = await format.seal(a, b);
    for (const [member, value] of [
      ["iat", 0],
      ["jti", "AAAAAAAAAAAAAAAAAAAAAA"],
      ["ack", "A".repeat(43)],
      ["aud", a.published.encrypting[0]?.name],
    ] as const) {
      const altered = await format.reseal(message, (text) => {
        const [, payload, signature] = text.split(".");
        return [textOf({ ...headerOf(text), [member]: value }), payload, signature].join(".");
      });
      assertDiscarded(await format.open(altered, a, b), "not_from_sender", "wrong_signature");
    }
  });

  test(`C forges: ${format.name} that C wrote and signed itself is not A's, whatever it says`, async () => {
    const { a, b, c } = await countries();
    const own = await format.seal(c, b);
    assertDiscarded(await format.open(own, a, b), "not_from_sender", "other_key");
    const named = await format.reseal(own, (text) =>
      signedBy(c, { ...headerOf(text), iss: a.published.verifying[0]?.name }, payloadOf(text)),
    );
    assertDiscarded(await format.open(named, a, b), "not_from_sender", "wrong_signature");
  });

  test(`C re-signs: ${format.name} of A in an envelope of C is not taken for C's words`, async () => {
    const { a, b, c } = await countries();
    const iss = c.published.verifying[0]?.name;
    const message = await format.seal(a, b);
    const stolen = await format.reseal(message, (text) => signedBy(c, { ...headerOf(text), iss }, payloadOf(text)));
    assertDiscarded(await format.open(stolen, c, b), "not_from_sender", "other_author");
    // Nor where C writes its own name into the inner layer as well: that layer is protected by a key that C does not have.
    const renamed = await format.reseal(message, (text) => {
      const [, ...rest] = payloadOf(text).split(".");
      const inner = [textOf({ ...headerOf(payloadOf(text)), iss }), ...rest].join(".");
      return signedBy(c, { ...headerOf(text), iss }, inner);
    });
    assertDiscarded(await format.open(renamed, c, b), "not_for_me");
  });

  test(`C forwards: ${format.name} that A sealed for C cannot be made one that A sealed for B`, async () => {
    const { a, b, c } = await countries();
    const toC = await format.seal(a, c);
    assertDiscarded(await format.open(toC, a, b), "not_for_me");
    // C opens it and encrypts it anew for B; A's signature covers the old ciphertext and the old name.
    const forB = await format.seal(c, b);
    const inner = await innerText(format, forB);
    const forwarded = await format.reseal(toC, (text) => {
      const [header, , signature] = text.split(".");
      return [header, Buffer.from(inner).toString("base64url"), signature].join(".");
    });
    assertDiscarded(await format.open(forwarded, a, b), "not_from_sender", "wrong_signature");
  });

  test(`C replays: ${format.name} that B has seen is discarded`, async () => {
    const { a, b } = await countries();
    const seen = seenList();
    const message = await format.seal(a, b);
    assert.equal((await format.open(message, a, b, seen)).ok, true);
    assertDiscarded(await format.open(message, a, b, seen), "seen_before");
    const again = await format.seal(a, b);
    assert.equal((await format.open(again, a, b, seen)).ok, true, "A may send the same plan again");
  });

  test(`a replay that arrives twice at once is opened once (${format.name})`, async () => {
    const { a, b } = await countries();
    const seen = seenList();
    const message = await format.seal(a, b);
    const told = await Promise.all([1, 2, 3].map(() => format.open(message, a, b, seen)));
    assert.equal(told.filter(({ ok }) => ok).length, 1);
  });

  test(`C withholds the acknowledgement of ${format.name}: nothing else convinces A`, async () => {
    const { a, b, c } = await countries();
    const message = await format.seal(a, b);
    const options = { from: b.published, to: a.published };
    const told = await format.open(message, a, b);
    assert.ok(told.ok);
    // Another receipt of B, of an earlier plan.
    const earlier = await format.open(await format.seal(a, b), a, b);
    assert.ok(earlier.ok);
    const old = await makeReceipt(earlier, { from: b.own });
    assertDiscarded(await verifyReceipt(old, message, options), "not_for_me", "other_envelope");
    // A receipt that C signs.
    const forged = await makeReceipt(told, { from: c.own });
    assertDiscarded(await verifyReceipt(forged, message, options), "not_from_sender", "other_key");
    // One of B that has not opened it: its proof is a guess.
    const guessed = await makeReceipt({ ...told, proof: new Uint8Array(32) }, { from: b.own });
    assertDiscarded(await verifyReceipt(guessed, message, options), "not_for_me", "not_opened");
    // One of C for A's envelope to B, however C came to know what was in it.
    const byC = await verifyReceipt(forged, message, { from: c.published, to: a.published });
    assertDiscarded(byC, "not_for_me", "other_recipient");
    // Nothing at all, the envelope itself, a receipt cut off, one for another's envelope.
    const receipt = await makeReceipt(told, { from: b.own });
    for (const nothing of [undefined, "", message, receipt.slice(0, -9), `${receipt}A`]) {
      assert.equal((await verifyReceipt(nothing, message, options)).ok, false);
    }
    const others = await format.seal(c, b);
    assertDiscarded(await verifyReceipt(receipt, others, options), "not_for_me", "other_sender");
  });

  test(`a receipt is good for the envelope that A sent, however C spells its signature (${format.name})`, async () => {
    const [a, b] = [await country(KEY_KINDS["P-256"]()), await country(KEY_KINDS["P-256"]())];
    const message = await format.seal(a, b);
    // Of an ECDSA signature (r, s), (r, n − s) is one as well.
    const spelt = await format.reseal(message, (text) => {
      const [header, payload, signature = ""] = text.split(".");
      const octets = Buffer.from(signature, "base64url");
      const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
      const s = order - BigInt(`0x${octets.subarray(32).toString("hex")}`);
      const other = Buffer.concat([octets.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, "0"), "hex")]);
      return [header, payload, other.toString("base64url")].join(".");
    });
    const told = await format.open(spelt, a, b);
    assert.ok(told.ok);
    const receipt = await makeReceipt(told, { from: b.own });
    assert.equal((await verifyReceipt(receipt, message, { from: b.published, to: a.published })).ok, true);
  });
}

async function innerText(format: Format, message: Message): Promise<string> {
  let inner = "";
  await format.reseal(message, (text) => {
    inner = payloadOf(text);
    return text;
  });
  return inner;
}

test("C replays: an envelope of C's own with the id of A's, sent first, does not keep A's from being opened", async () => {
  const { a, b, c } = await countries();
  const seen = seenList();
  const message = await sealDocument(PLAN, { from: a.own, to: b.published });
  const [signing, encrypting] = [c.own.signing[0], b.published.encrypting[0]];
  assert.ok(signing && encrypting);
  const id = String(headerOf(message).jti);
  const ack = await sha256(await hmac(new Uint8Array(32), PLAN));
  const statement = { kind: "document", id, sealedAt: 1, ack, extra: {} } as const;
  const own = await makeLayers(joined(new Uint8Array(32), PLAN), statement, signing, encrypting);
  assert.equal((await openDocument(own, { from: c.published, to: b.own, seen })).ok, true);
  assert.equal((await openDocument(message, { from: a.published, to: b.own, seen })).ok, true);
});

test("a sender who commits to another document than is inside is found out when it is opened", async () => {
  const { a, b } = await countries();
  const envelope = await sealDocument(PLAN, { from: a.own, to: b.published });
  const lying = await signedBy(a, { ...headerOf(envelope), ack: "A".repeat(43) }, payloadOf(envelope));
  const told = await openDocument(lying, { from: a.published, to: b.own });
  assert.ok(!told.ok);
  assert.equal(told.code, "not_for_me");
});

test("any JOSE library opens a sealed document: a JWS of A around a JWE for B, the document behind 32 octets", async () => {
  const [a, b] = [await country(KEY_KINDS["P-256"]()), await country(KEY_KINDS["P-256"]())];
  const envelope = await sealDocument(PLAN, { from: a.own, to: b.published });
  const { plaintext } = await compactDecrypt(payloadOf(envelope), await importJWK(b.jwks[0] as JWK, "ECDH-ES"));
  assert.equal(new TextDecoder().decode(plaintext.subarray(32)), "2023-05-19 23:00");
});

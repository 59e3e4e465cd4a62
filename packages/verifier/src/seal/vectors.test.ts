/**
 * The published vectors of sealed documents, read twice: by this implementation, and by one that is written here from
 * docs/seal-format.md with nothing but node:crypto's hashes and ciphers, so that the page says enough.
 */
import assert from "node:assert/strict";
import { createDecipheriv, createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Jwk } from "../jose/keys.ts";
import { openDocument } from "./document.ts";
import { openFile } from "./file.ts";
import { type Country, country } from "./parties.test-support.ts";
import { verifyReceipt } from "./receipt.ts";
import { seekableBlob } from "./seekable.ts";

interface Sealed {
  readonly what: string;
  readonly secret_id: string;
  readonly envelope_hash: string;
  readonly proof: string;
  readonly ack: string;
  readonly receipt: string;
}

interface VectorSet {
  readonly kind: string;
  readonly keys: Readonly<Record<"a" | "b" | "c", { readonly keys: readonly Jwk[] }>>;
  readonly names: { readonly a_signs: string; readonly b_opens: string };
  readonly documents: readonly (Sealed & { readonly document: string; readonly envelope: string })[];
  readonly files: readonly (Sealed & {
    readonly length: number;
    readonly file: string;
    readonly content_key: string;
  })[];
  readonly discarded: readonly { what: string; from: "a" | "c"; envelope: string; outcome: string }[];
}

const path = new URL("../../../../docs/vectors/seal/envelopes.json", import.meta.url);
const sets: readonly VectorSet[] = JSON.parse(readFileSync(path, "utf8"));

const sha256 = (...parts: readonly Uint8Array[]) => createHash("sha256").update(Buffer.concat(parts)).digest();
const chainOf = (pieces: readonly Uint8Array[]) =>
  pieces.reduce<Buffer>((chain, piece) => sha256(chain, sha256(piece)), sha256());

async function parties({ keys }: VectorSet): Promise<Record<"a" | "b" | "c", Country>> {
  return { a: await country(keys.a.keys), b: await country(keys.b.keys), c: await country(keys.c.keys) };
}

/** What the page says of the outer header, checked by hand. */
function checkSeal(seal: string, { envelope_hash, proof, ack }: Sealed, names: VectorSet["names"]) {
  const [header = "", payload = ""] = seal.split(".");
  const said = JSON.parse(Buffer.from(header, "base64url").toString());
  assert.equal(said.iss, names.a_signs);
  assert.equal(said.aud, names.b_opens);
  assert.equal(said.ack, ack);
  assert.equal(sha256(Buffer.from(proof, "hex")).toString("base64url"), ack);
  assert.equal(sha256(Buffer.from(`${header}.${payload}`)).toString("base64url"), envelope_hash);
  return said;
}

assert.deepEqual(
  sets.map(({ kind }) => kind),
  ["Ed25519 and X25519", "P-256", "RSA"],
);

for (const set of sets) {
  test(`the published documents open and are acknowledged (${set.kind})`, async () => {
    const { a, b } = await parties(set);
    for (const vector of set.documents) {
      const opened = await openDocument(vector.envelope, { from: a.published, to: b.own });
      assert.ok(opened.ok, vector.what);
      assert.equal(Buffer.from(opened.document).toString(), vector.document);
      assert.equal(Buffer.from(opened.proof).toString("hex"), vector.proof);
      const known = await verifyReceipt(vector.receipt, vector.envelope, { from: b.published, to: a.published });
      assert.ok(known.ok, vector.what);
      checkSeal(vector.envelope, vector, set.names);
      const mac = createHmac("sha256", Buffer.from(vector.secret_id, "hex")).update(vector.document).digest("hex");
      assert.equal(mac, vector.proof);
    }
  });

  test(`the published files open, by this implementation and by the page alone (${set.kind})`, async () => {
    const { a, b } = await parties(set);
    for (const vector of set.files) {
      const file = Buffer.from(vector.file, "base64");
      const expected = Buffer.from(Array.from({ length: vector.length }, (_, at) => (at * 7) & 0xff));
      const parts: Uint8Array[] = [];
      const source = seekableBlob(new Blob([file]));
      const opened = await openFile(source, (part) => void parts.push(part), { from: a.published, to: b.own });
      assert.ok(opened.ok, vector.what);
      assert.deepEqual(Buffer.concat(parts), expected);
      const known = await verifyReceipt(vector.receipt, source, { from: b.published, to: a.published });
      assert.ok(known.ok, vector.what);

      const end = file.length - 12 - file.readUInt32BE(file.length - 12);
      const said = checkSeal(file.subarray(end, file.length - 12).toString(), vector, set.names);
      assert.deepEqual([said.len, said.size], [vector.length, 1024]);
      const pieces: Buffer[] = [];
      for (let at = 8; at < end; at += 1024 + 16) pieces.push(file.subarray(at, Math.min(at + 1024 + 16, end)));
      assert.equal(chainOf(pieces).toString("base64url"), said.hash);
      const plain = pieces.map((piece, index) => {
        const nonce = Buffer.alloc(12);
        nonce.writeUInt32BE(index, 7);
        nonce[11] = index === pieces.length - 1 ? 1 : 0;
        const decipher = createDecipheriv("aes-256-gcm", Buffer.from(vector.content_key, "hex"), nonce);
        decipher.setAuthTag(piece.subarray(-16));
        return Buffer.concat([decipher.update(piece.subarray(0, -16)), decipher.final()]);
      });
      assert.deepEqual(Buffer.concat(plain), expected);
      const mac = createHmac("sha256", Buffer.from(vector.secret_id, "hex")).update(chainOf(plain)).digest("hex");
      assert.equal(mac, vector.proof);
    }
  });

  test(`what the published vectors say is discarded, is (${set.kind})`, async () => {
    const { b, ...senders } = await parties(set);
    assert.equal(set.discarded.length, 7);
    for (const { what, from, envelope, outcome } of set.discarded) {
      const opened = await openDocument(envelope, { from: senders[from].published, to: b.own });
      assert.ok(!opened.ok, what);
      assert.equal(opened.code, outcome, what);
    }
  });
}

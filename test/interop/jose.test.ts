/**
 * Sealed documents, receipts and encrypted tokens against two implementations of JOSE outside of Node, both ways: what is
 * made here they read with nothing but JWS and JWE, and what they make from docs/seal-format.md and RFC 9068 is read here.
 */
import assert from "node:assert/strict";
import { createHash, createHmac, generateKeyPairSync, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { createVerifier, type Jwk } from "@mapae/verifier";
import { bindEncryptionKey, nestJwt } from "@mapae/verifier/jwe";
import {
  bindPrivateKeys,
  bindPublicKeys,
  makeReceipt,
  openDocument,
  publicHalves,
  sealDocument,
  verifyReceipt,
} from "@mapae/verifier/seal";
import { createTestIssuer } from "@mapae/verifier/testing";
import { FOREIGN } from "../components/jose.ts";

const PLAN = Buffer.from("19 May, 23:00. 100 of ours, 100 of yours. \u0000\u00ff", "latin1");

interface Pair {
  readonly signs: Jwk;
  readonly opens: Jwk;
}

const rsa = (): Jwk => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const ec = (): Jwk => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });

const okp = (type: "ed25519" | "x25519"): Jwk => {
  const { privateKey } = type === "ed25519" ? generateKeyPairSync(type) : generateKeyPairSync(type);
  return privateKey.export({ format: "jwk" });
};

const SIGNS = {
  PS256: rsa,
  RS256: () => ({ ...rsa(), alg: "RS256" }),
  ES256: ec,
  EdDSA: () => okp("ed25519"),
} as const satisfies Record<string, () => Jwk>;
const OPENS = {
  "RSA-OAEP-256": rsa,
  "ECDH-ES over P-256": ec,
  "ECDH-ES over X25519": () => okp("x25519"),
} as const satisfies Record<string, () => Jwk>;

/** Every signature and every encryption at least once with each implementation that has it. */
const KINDS: readonly (readonly [keyof typeof SIGNS, keyof typeof OPENS])[] = [
  ["PS256", "RSA-OAEP-256"],
  ["RS256", "RSA-OAEP-256"],
  ["PS256", "ECDH-ES over P-256"],
  ["RS256", "ECDH-ES over P-256"],
  ["ES256", "ECDH-ES over P-256"],
  ["EdDSA", "ECDH-ES over X25519"],
];

async function party({ signs, opens }: Pair) {
  const jwks = [
    { ...signs, use: "sig" },
    { ...opens, use: "enc" },
  ];
  const [own, published] = [await bindPrivateKeys(jwks), await bindPublicKeys(publicHalves(jwks))];
  const [signing, opening] = [published.verifying[0], published.encrypting[0]];
  assert.ok(signing && opening);
  const [signHalf, openHalf] = publicHalves([signs, opens]);
  assert.ok(signHalf && openHalf);
  return {
    own,
    published,
    signs: { private: signs, public: signHalf, name: signing.name, alg: signing.key.algorithm.name },
    opens: { private: opens, public: openHalf, name: opening.name, alg: opening.key.management.name },
  };
}

const base64url = (octets: Uint8Array): string => Buffer.from(octets).toString("base64url");
const sha256 = (octets: Uint8Array | string): Buffer => createHash("sha256").update(octets).digest();
const headerOf = (compact: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(compact.split(".")[0] ?? "", "base64url").toString());

for (const { jose, needs } of FOREIGN) {
  test(`${jose.name}: what it is said to lack it lacks`, needs, () => {
    const text = Buffer.from("x");
    for (const name of jose.lacks) {
      const [signs, opens] = [Object.entries(SIGNS), Object.entries(OPENS)].map((known) => {
        return known.find(([known]) => known === name)?.[1]();
      });
      if (signs !== undefined) assert.throws(() => jose.sign(text, { alg: name }, signs), name);
      const alg = name.split(" ")[0] ?? "";
      if (opens !== undefined) assert.throws(() => jose.encrypt(text, { alg, enc: "A256GCM" }, opens), name);
    }
  });

  for (const [signature, encryption] of KINDS) {
    if (jose.lacks.includes(signature) || jose.lacks.includes(encryption)) continue;
    const make = (): Pair => ({ signs: SIGNS[signature](), opens: OPENS[encryption]() });
    describe(`${jose.name}, ${signature} and ${encryption}`, needs, () => {
      test("it reads a document that was sealed here, and the receipt", async () => {
        const [a, b] = [await party(make()), await party(make())];
        const envelope = await sealDocument(PLAN, { from: a.own, to: b.published });
        const inner = jose.verify(envelope, a.signs.public);
        const content = jose.decrypt(inner.toString(), b.opens.private);
        assert.deepEqual(content.subarray(32), PLAN);
        assert.throws(() => jose.verify(envelope, b.signs.public));
        assert.throws(() => jose.decrypt(inner.toString(), a.opens.private));

        const opened = await openDocument(envelope, { from: a.published, to: b.own });
        assert.ok(opened.ok);
        const receipt = await makeReceipt(opened, { from: b.own });
        const claims = JSON.parse(jose.verify(receipt, b.signs.public).toString());
        const proof = createHmac("sha256", content.subarray(0, 32)).update(PLAN).digest();
        assert.equal(claims.prf, base64url(proof));
        assert.equal(claims.aud, a.signs.name);
      });

      test("a document that it seals is opened here, and its receipt counts", async () => {
        const [a, b] = [await party(make()), await party(make())];
        const secret = randomBytes(32);
        const proof = createHmac("sha256", secret).update(PLAN).digest();
        const names = { iss: a.signs.name, aud: b.opens.name, jti: base64url(randomBytes(16)) };
        const inside = { typ: "mapae-content", alg: b.opens.alg, enc: "A256GCM", ...names };
        const inner = jose.encrypt(Buffer.concat([secret, PLAN]), inside, b.opens.public);
        const said = { ...names, iat: 1_800_000_000, ack: base64url(sha256(proof)) };
        const outside = { typ: "mapae-sealed", alg: a.signs.alg, ...said };
        const envelope = jose.sign(Buffer.from(inner), outside, a.signs.private).trim();

        const opened = await openDocument(envelope, { from: a.published, to: b.own });
        assert.ok(opened.ok, "message" in opened ? opened.message : "");
        assert.deepEqual(Buffer.from(opened.document), PLAN);
        assert.equal(opened.envelope.sealedAt, 1_800_000_000);

        const hash = base64url(sha256(envelope.slice(0, envelope.lastIndexOf("."))));
        const claims = { iss: b.signs.name, aud: a.signs.name, iat: 1_800_000_060, jti: names.jti };
        const payload = Buffer.from(JSON.stringify({ ...claims, env: hash, prf: base64url(proof) }));
        const receipt = jose.sign(payload, { typ: "mapae-receipt+jwt", alg: b.signs.alg }, b.signs.private).trim();
        const known = await verifyReceipt(receipt, envelope, { from: b.published, to: a.published });
        assert.ok(known.ok, "message" in known ? known.message : "");
        assert.equal(known.at, 1_800_000_060);
      });

      test("it opens an encrypted token of here, and one that it makes is accepted here", async () => {
        const server = await party(make());
        const issuer = createTestIssuer();
        const token = issuer.token({ sub: "kdw" });
        const nested = await nestJwt(token, await bindEncryptionKey(server.opens.public));
        assert.equal(jose.decrypt(nested, server.opens.private).toString(), token);

        const signer = await party(make());
        const jwk = { ...signer.signs.public, kid: "k1", alg: signer.signs.alg, use: "sig" };
        const now = Math.floor(Date.now() / 1000);
        const claims = {
          ...{ iss: "https://login.example", aud: "https://orders.example", sub: "kdw", client_id: "app" },
          ...{ jti: "t1", iat: now, exp: now + 300 },
        };
        const signed = jose.sign(
          Buffer.from(JSON.stringify(claims)),
          { typ: "at+jwt", alg: signer.signs.alg, kid: "k1" },
          signer.signs.private,
        );
        const header = { alg: server.opens.alg, enc: "A256GCM", cty: "JWT" };
        const theirs = jose.encrypt(Buffer.from(signed.trim()), header, server.opens.public).trim();
        assert.equal(headerOf(theirs).cty, "JWT");
        const verifier = createVerifier({
          issuer: claims.iss,
          audience: claims.aud,
          keys: { jwks: { keys: [jwk] } },
          decryptionKeys: { keys: [server.opens.private] },
          warn: () => undefined,
        });
        const verdict = await verifier.check(theirs);
        assert.ok(verdict.ok, verdict.ok ? "" : verdict.code);
        assert.equal(verdict.claims.sub, "kdw");
        // Bare claims that it encrypts are nobody's.
        const bare = jose.encrypt(Buffer.from(JSON.stringify(claims)), header, server.opens.public).trim();
        const refused = await verifier.check(bare);
        assert.equal(refused.ok ? "" : refused.code, "not_decryptable");
      });
    });
  }
}

/**
 * One test per class of attack on a JWS, each over both engines. What concerns claims is in claims.test.ts, keys in
 * jwk.test.ts, JSON in json.test.ts; here is what a whole token can try.
 */
import assert from "node:assert/strict";
import { createHmac, createSign, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { REFUSALS } from "../refusals.ts";
import { encodeBase64url } from "./base64url.ts";
import { ENGINES, type EngineKey } from "./engines.test-support.ts";
import { bindSigningKey } from "./jwk.ts";
import { signJws } from "./jws.ts";
import { type Jwk, KeyRefused } from "./keys.ts";
import { HEADER_TEXT_MAX, TOKEN_MAX } from "./limits.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed = generateKeyPairSync("ed25519");
const secret = randomBytes(32);

const jwkOf = (key: KeyObject): Jwk => key.export({ format: "jwk" });
const json = (value: unknown) =>
  encodeBase64url(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)));
const PAYLOAD = { sub: "victim" };

/** Signs whatever header is given, as an attacker with the key of a legitimate client could not, but a confused signer might. */
function signedWith(header: unknown, payload: unknown = PAYLOAD): string {
  const input = `${json(header)}.${json(payload)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

function es256(header: unknown, encoding: "ieee-p1363" | "der" = "ieee-p1363"): string {
  const input = `${json(header)}.${json(PAYLOAD)}`;
  const signature = sign("sha256", Buffer.from(input), { key: ec.privateKey, dsaEncoding: encoding });
  return `${input}.${signature.toString("base64url")}`;
}

async function codeOf(key: EngineKey, token: unknown): Promise<string> {
  const verdict = await key.verify(token);
  if (verdict.ok) return "accepted";
  assert.equal(verdict.message, REFUSALS[verdict.code]);
  return verdict.code;
}

for (const engine of ENGINES) {
  const over = `over ${engine.name}`;
  const hmacKey = () => engine.bind(secret, { alg: "HS256", kid: "k" });
  const ecKey = () => engine.bind({ ...jwkOf(ec.publicKey), kid: "k" });

  test(`alg none, in every spelling, with and without a signature, is refused ${over}`, async () => {
    const key = await hmacKey();
    for (const alg of ["none", "None", "NONE", "nOnE", "none ", "", "hs256", "HS256\0", "HS1", "HS256 "]) {
      const token = signedWith({ alg });
      assert.equal(await codeOf(key, token), "unsupported_algorithm", alg);
      assert.equal(await codeOf(key, token.replace(/[^.]+$/, "")), "malformed_token", alg);
    }
    for (const alg of [null, 1, true, ["HS256"], { toString: "HS256" }, undefined]) {
      assert.equal(await codeOf(key, signedWith({ alg })), "malformed_header");
    }
    for (const alg of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      assert.equal(await codeOf(key, signedWith({ alg })), "unsupported_algorithm", alg);
    }
  });

  test(`RS/HS confusion: a MAC under the public key's text verifies under nothing ${over}`, async () => {
    for (const { publicKey, alg } of [
      { publicKey: rsa.publicKey, alg: "RS256" },
      { publicKey: ec.publicKey, alg: "ES256" },
      { publicKey: ed.publicKey, alg: "EdDSA" },
    ] as const) {
      const key = await engine.bind({ ...jwkOf(publicKey), alg });
      const texts = [
        publicKey.export({ type: "spki", format: "pem" }).toString(),
        publicKey.export({ type: "spki", format: "pem" }).toString().trim(),
        publicKey.export({ type: "spki", format: "der" }),
        JSON.stringify(jwkOf(publicKey)),
      ];
      for (const text of texts) {
        const input = `${json({ alg: "HS256" })}.${json(PAYLOAD)}`;
        const token = `${input}.${createHmac("sha256", text).update(input).digest("base64url")}`;
        assert.equal(await codeOf(key, token), "algorithm_mismatch");
        if (typeof text === "string" && text.startsWith("-----")) {
          await assert.rejects(async () => engine.bind(Buffer.from(text), { alg: "HS256" }), KeyRefused);
        }
      }
    }
  });

  test(`a key verifies under its own algorithm only, not under its family's others ${over}`, async () => {
    const pss = await engine.bind(jwkOf(rsa.publicKey), { alg: "PS256" });
    const token = signJws({}, PAYLOAD, bindSigningKey(rsa.privateKey, { alg: "RS256" }));
    assert.equal(await codeOf(pss, token), "algorithm_mismatch");
    assert.equal(await codeOf(pss, token.replace(/^[^.]+/, json({ alg: "PS256" }))), "invalid_signature");
    const named = await engine.bind({ ...jwkOf(ed.publicKey), alg: "Ed25519" });
    assert.equal(await codeOf(named, signJws({}, PAYLOAD, bindSigningKey(ed.privateKey))), "algorithm_mismatch");
  });

  test(`embedded keys: jwk, jku, x5u, x5c, x5t and x5t#S256 have no effect but refusal ${over}`, async () => {
    const key = await ecKey();
    const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
    for (const parameter of [
      { jwk: jwkOf(own.publicKey) },
      { jku: "https://evil.example/jwks.json" },
      { x5u: "https://evil.example/cert" },
      { x5c: ["MIIB"] },
      { x5t: "AAAA" },
      { "x5t#S256": "AAAA" },
    ]) {
      const header = { alg: "ES256", ...parameter };
      const input = `${json(header)}.${json(PAYLOAD)}`;
      const signature = sign("sha256", Buffer.from(input), { key: own.privateKey, dsaEncoding: "ieee-p1363" });
      assert.equal(await codeOf(key, `${input}.${signature.toString("base64url")}`), "unsupported_header");
      assert.equal(await codeOf(key, es256(header)), "unsupported_header", "even signed by the right key");
    }
  });

  test(`kid injection: a kid is only ever compared ${over}`, async () => {
    const key = await hmacKey();
    for (const kid of [
      "../../../../dev/null",
      "/proc/self/environ",
      "k' OR '1'='1",
      "k\u0000",
      "K",
      " k",
      "__proto__",
      "constructor",
      "http://169.254.169.254/",
      "| sleep 10",
      "",
    ]) {
      assert.equal(await codeOf(key, signedWith({ alg: "HS256", kid })), "unknown_key", kid);
    }
    for (const kid of [null, 1, ["k"], { k: 1 }, true]) {
      assert.equal(await codeOf(key, signedWith({ alg: "HS256", kid })), "malformed_header");
    }
    assert.equal(await codeOf(key, signedWith({ alg: "HS256", kid: "k" })), "accepted");
  });

  test(`psychic signatures: r and s of zero, of the order, and beyond are refused ${over}`, async () => {
    const key = await ecKey();
    const order = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex");
    const zero = Buffer.alloc(32);
    const max = Buffer.alloc(32, 0xff);
    const input = `${json({ alg: "ES256" })}.${json(PAYLOAD)}`;
    for (const r of [zero, order, max]) {
      for (const s of [zero, order, max]) {
        const token = `${input}.${Buffer.concat([r, s]).toString("base64url")}`;
        assert.equal(await codeOf(key, token), "invalid_signature");
      }
    }
  });

  test(`malleable signatures: DER, padding, truncation and S beyond the order are refused ${over}`, async () => {
    const key = await ecKey();
    assert.equal(await codeOf(key, es256({ alg: "ES256" })), "accepted");
    assert.equal(await codeOf(key, es256({ alg: "ES256" }, "der")), "invalid_signature");
    const [header, payload, text = ""] = es256({ alg: "ES256" }).split(".");
    const signature = Buffer.from(text, "base64url");
    const stretched = [
      Buffer.concat([Buffer.alloc(1), signature]),
      Buffer.concat([signature, Buffer.alloc(1)]),
      Buffer.concat([Buffer.alloc(1), signature.subarray(0, 32), Buffer.alloc(1), signature.subarray(32)]),
      signature.subarray(0, 63),
      signature.subarray(1),
    ];
    for (const other of stretched) {
      assert.equal(await codeOf(key, `${header}.${payload}.${other.toString("base64url")}`), "invalid_signature");
    }

    const edKey = await engine.bind(jwkOf(ed.publicKey));
    const token = signJws({}, PAYLOAD, bindSigningKey(ed.privateKey));
    const cut = token.lastIndexOf(".") + 1;
    const edSignature = Buffer.from(token.slice(cut), "base64url");
    // RFC 8032 §5.1.7: S + L would be a second signature for the same text.
    const L = 2n ** 252n + 27742317777372353535851937790883648493n;
    const S = BigInt(`0x${Buffer.from(edSignature.subarray(32)).reverse().toString("hex")}`) + L;
    const second = Buffer.from(S.toString(16).padStart(64, "0"), "hex").reverse();
    const doubled = Buffer.concat([edSignature.subarray(0, 32), second]).toString("base64url");
    assert.equal(await codeOf(edKey, token), "accepted");
    assert.equal(await codeOf(edKey, token.slice(0, cut) + doubled), "invalid_signature");

    const rsaKey = await engine.bind(jwkOf(rsa.publicKey), { alg: "RS256" });
    const rsaToken = signJws({}, PAYLOAD, bindSigningKey(rsa.privateKey, { alg: "RS256" }));
    const rsaCut = rsaToken.lastIndexOf(".") + 1;
    const rsaSignature = Buffer.from(rsaToken.slice(rsaCut), "base64url");
    const padded = Buffer.concat([Buffer.alloc(1), rsaSignature]).toString("base64url");
    assert.equal(await codeOf(rsaKey, rsaToken), "accepted");
    assert.equal(await codeOf(rsaKey, rsaToken.slice(0, rsaCut) + padded), "invalid_signature");
  });

  test(`base64url leniency: no other spelling of a valid token is accepted ${over}`, async () => {
    const key = await hmacKey();
    const token = signedWith({ alg: "HS256" }, { sub: "victim>>>???" });
    assert.equal(await codeOf(key, token), "accepted");
    const parts = token.split(".");
    const spellings = [
      ...parts.map((_, index) => parts.map((part, at) => (at === index ? `${part}=` : part)).join(".")),
      ...parts.map((_, index) => parts.map((part, at) => (at === index ? `${part}==` : part)).join(".")),
      ...parts.map((_, index) => parts.map((part, at) => (at === index ? ` ${part}` : part)).join(".")),
      ...parts.map((_, index) => parts.map((part, at) => (at === index ? `${part}\n` : part)).join(".")),
      token.replaceAll("_", "/"),
      token.replaceAll("-", "+"),
      `${token}.`,
      `.${token}`,
      `${token}\0`,
      `Bearer ${token}`,
      token.replace(".", "\u2024"),
      token.replace(/.$/, (last) => String.fromCharCode(last.charCodeAt(0) + 256)),
    ].filter((spelling) => spelling !== token);
    for (const spelling of spellings)
      assert.notEqual(await codeOf(key, spelling), "accepted", JSON.stringify(spelling));
  });

  test(`letters that fold into the signed octets are refused after the signature ${over}`, async () => {
    const key = await hmacKey();
    const token = signedWith({ alg: "HS256" });
    const [header = "", payload = "", signature = ""] = token.split(".");
    for (let at = 0; at < payload.length; at++) {
      const folded = payload.slice(0, at) + String.fromCharCode(payload.charCodeAt(at) + 256) + payload.slice(at + 1);
      // The same refusal on either engine, so that a log tells the same story.
      assert.equal(await codeOf(key, `${header}.${folded}.${signature}`), "malformed_token");
    }
  });

  test(`duplicate header members are refused, whichever of the two is the good one ${over}`, async () => {
    const key = await hmacKey();
    for (const text of [
      '{"alg":"none","alg":"HS256"}',
      '{"alg":"HS256","alg":"none"}',
      '{"alg":"HS256","\\u0061lg":"HS256"}',
      '{"alg":"HS256","kid":"x","kid":"k"}',
    ]) {
      assert.equal(await codeOf(key, signedWith(text)), "malformed_header", text);
    }
  });

  test(`crit, b64, zip, cty and every other parameter are refused, whatever they say ${over}`, async () => {
    const key = await hmacKey();
    for (const parameter of [
      { crit: [] },
      { crit: ["exp"] },
      { crit: ["b64"], b64: true },
      { b64: true },
      { b64: false },
      { zip: "DEF" },
      { cty: "JWT" },
      { enc: "A256GCM" },
      { epk: {} },
      { nonce: "n" },
      { iss: "x" },
      { "": 1 },
      { constructor: 1 },
      { toString: 1 },
    ]) {
      assert.equal(await codeOf(key, signedWith({ alg: "HS256", ...parameter })), "unsupported_header");
    }
  });

  test(`an unencoded payload (RFC 7797) under a valid MAC is refused ${over}`, async () => {
    const key = await hmacKey();
    const header = json({ alg: "HS256", b64: false, crit: ["b64"] });
    const input = `${header}.{"sub":"victim"}`;
    const token = `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
    assert.equal(await codeOf(key, token), "unsupported_header");
  });

  test(`prototype pollution: __proto__ in a header is refused and sets nothing ${over}`, async () => {
    const key = await hmacKey();
    for (const text of ['{"__proto__":{"alg":"HS256"}}', '{"alg":"HS256","__proto__":{"admin":true}}']) {
      assert.equal(await codeOf(key, signedWith(text)), "malformed_header");
    }
    assert.equal(Object.hasOwn(Object.prototype, "admin"), false);
  });

  test(`oversized and deep input is refused before any work ${over}`, async () => {
    const key = await hmacKey();
    const big = signedWith({ alg: "HS256" }, { pad: "x".repeat(TOKEN_MAX) });
    assert.equal(await codeOf(key, big), "token_too_large");
    assert.equal(await codeOf(key, "a".repeat(50_000_000)), "token_too_large");
    assert.equal(await codeOf(key, signedWith({ alg: "HS256", kid: "k".repeat(1024) })), "token_too_large");
    assert.equal(await codeOf(key, `${".".repeat(TOKEN_MAX)}`), "malformed_token");
    assert.equal(
      await codeOf(key, signedWith(`{"alg":"HS256","typ":${"[".repeat(400)}${"]".repeat(400)}}`)),
      "malformed_header",
    );
    const limit = signedWith({ alg: "HS256", kid: "k" }, "x".repeat(6000));
    assert.ok(limit.length < TOKEN_MAX);
    assert.equal(await codeOf(key, limit), "accepted");
    assert.ok(HEADER_TEXT_MAX < TOKEN_MAX);
  });

  test(`a typ that is no media type is refused ${over}`, async () => {
    const key = await hmacKey();
    for (const typ of ["", " at+jwt", "at+jwt\n", "at\u212a", "a".repeat(128), 1, null, ["at+jwt"]]) {
      assert.equal(await codeOf(key, signedWith({ alg: "HS256", typ })), "malformed_header");
    }
  });

  test(`anything at all is answered and never thrown at ${over}`, async () => {
    const key = await hmacKey();
    const hostile = {
      toString() {
        throw new Error("called");
      },
    };
    for (const value of [
      undefined,
      null,
      0,
      1n,
      true,
      Symbol("x"),
      [],
      {},
      hostile,
      () => "",
      new Date(),
      Buffer.from("a.b.c"),
      Object("a.b.c"),
    ]) {
      assert.equal(await codeOf(key, value), "malformed_token");
    }
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.anything(), fc.string(), fc.string({ unit: fc.constantFrom(..."eyJ.A_-=") })),
        async (value) => {
          assert.notEqual(await codeOf(key, value), "accepted");
        },
      ),
    );
  });

  test(`a bit flipped anywhere in header, payload or signature is refused ${over}`, async () => {
    for (const [key, token] of [
      [await hmacKey(), signJws({ typ: "at+jwt" }, PAYLOAD, bindSigningKey(secret, { alg: "HS256", kid: "k" }))],
      [await ecKey(), signJws({ typ: "at+jwt" }, PAYLOAD, bindSigningKey(ec.privateKey, { kid: "k" }))],
      [await engine.bind(jwkOf(ed.publicKey)), signJws({ typ: "at+jwt" }, PAYLOAD, bindSigningKey(ed.privateKey))],
    ] as const) {
      assert.equal(await codeOf(key, token), "accepted");
      for (let at = 0; at < token.length; at++) {
        for (let bit = 0; bit < 7; bit++) {
          const flipped =
            token.slice(0, at) + String.fromCharCode(token.charCodeAt(at) ^ (1 << bit)) + token.slice(at + 1);
          assert.notEqual(await codeOf(key, flipped), "accepted", `bit ${bit} of letter ${at}`);
        }
      }
    }
  });

  test(`no refusal says anything of the token ${over}`, async () => {
    const key = await hmacKey();
    const marked = "c2VjcmV0LW1hcms";
    for (const token of [
      marked,
      `${marked}.${marked}.${marked}`,
      signedWith({ alg: marked }),
      signedWith({ alg: "HS256", kid: marked }),
    ]) {
      const verdict = await key.verify(token);
      assert.equal(verdict.ok, false);
      assert.equal(JSON.stringify(verdict).includes(marked), false);
    }
  });
}

test("a header that was accepted once is no licence for another signature or key", async () => {
  for (const engine of ENGINES) {
    const key = await engine.bind(secret, { alg: "HS256" });
    const other = await engine.bind(randomBytes(32), { alg: "HS256" });
    const token = signedWith({ alg: "HS256", kid: "remembered" });
    assert.equal(await codeOf(key, token), "accepted");
    assert.equal(await codeOf(other, token), "invalid_signature");
    assert.equal(await codeOf(key, token.replace(/[^.]{4}$/, "AAAA")), "invalid_signature");
  }
});

test("an RSA signature of the right digest but another hash is refused", async () => {
  const input = `${json({ alg: "RS256" })}.${json(PAYLOAD)}`;
  const signature = createSign("sha512").update(input).sign(rsa.privateKey);
  for (const engine of ENGINES) {
    const key = await engine.bind(jwkOf(rsa.publicKey), { alg: "RS256" });
    assert.equal(await codeOf(key, `${input}.${signature.toString("base64url")}`), "invalid_signature");
  }
});

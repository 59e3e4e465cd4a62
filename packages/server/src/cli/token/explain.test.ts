import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createOutput } from "../output.ts";
import { explainToken } from "./explain.ts";
import { explanationText } from "./show.ts";

const NOW = Date.UTC(2026, 10, 23);

function token(header: object, claims: object, signature = "c2ln"): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part(claims)}.${signature}`;
}

function explained(text: string) {
  const told = explainToken(text, NOW);
  assert.ok(told.ok);
  return told;
}

test("claims are told apart as registered, public and private, and times become dates", () => {
  const { claims } = explained(
    token({ alg: "ES256" }, { iss: "a", email: "b", gid: "c", own: 1, exp: NOW / 1000 + 60 }),
  );
  assert.deepEqual(
    claims?.map((claim) => [claim.name, claim.class, claim.at]),
    [
      ["iss", "registered", null],
      ["email", "public", null],
      ["gid", "private", null],
      ["own", "private", null],
      ["exp", "registered", NOW + 60_000],
    ],
  );
});

test("what makes a token dangerous is named: none, brought keys, crit, no signature, no end", () => {
  const said = (text: string) =>
    explained(text)
      .remarks.map(({ says }) => says)
      .join(" ");
  assert.match(said(token({ alg: "NONE" }, {}, "")), /"none".*never expires|no signature.*"none"/);
  assert.match(said(token({ alg: "ES256", jwk: {}, jku: "" }, { exp: 1 })), /own key along \(jwk, jku\).*expired/);
  assert.match(
    said(token({ alg: "HS256", crit: ["x"] }, { nbf: NOW / 1000 + 5 })),
    /not valid yet.*shared secret.*crit/,
  );
  assert.match(said(`${token({ alg: "ES256" }, { exp: 1e300 })}`), /exp is no time/);
  assert.match(said(`${token({ alg: "ES256" }, {})}=`), /not canonical base64url/);
});

test("members named like those of Object's prototype mean nothing", () => {
  const { claims } = explained(
    token({ alg: "ES256" }, JSON.parse('{"constructor": 1, "__proto__": 2, "toString": 3}')),
  );
  assert.deepEqual(
    claims?.map(({ meaning }) => meaning),
    [null, null, null],
  );
});

test("any text is explained or refused, and none throws", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (a, b, c) => {
      explainToken(a, NOW);
      explainToken([a, b, c].map((part) => Buffer.from(part).toString("base64url")).join("."), NOW);
    }),
  );
  fc.assert(fc.property(fc.object(), fc.object(), (header, claims) => void explainToken(token(header, claims), NOW)));
});

test("what is wrong comes before what is doubtful, and each says which it is", () => {
  const weights = (text: string) => explained(text).remarks.map(({ weight }) => weight);
  assert.deepEqual(weights(token({ alg: "HS256" }, { exp: 1 })), ["bad", "bad", "doubtful", "doubtful"]);
  const honest = { iss: "i", aud: "a", iat: NOW / 1000, exp: NOW / 1000 + 300 };
  assert.deepEqual(weights(token({ alg: "ES256" }, honest, "A".repeat(86))), []);
  assert.deepEqual(weights(token({ alg: "ES256" }, honest, "A".repeat(84))), ["bad"]);
});

test("two readings of one token are named: a member twice at any depth, and text that is no UTF-8", () => {
  const raw = (payload: string | Buffer) =>
    `${Buffer.from('{"alg":"ES256"}').toString("base64url")}.${Buffer.from(payload).toString("base64url")}.c2ln`;
  const says = (text: string) => explained(text).remarks.some((remark) => remark.says.includes("stands in it twice"));
  assert.equal(says(raw('{"sub":"a","sub":"b"}')), true);
  assert.equal(says(raw('{"sub":"a","s\\u0075b":"b"}')), true);
  assert.equal(says(raw('{"a":[{"b":1,"c":{"d":1,"d":2}}]}')), true);
  assert.equal(says(raw('{"a":{"b":1},"c":[{"b":1},{"b":2}],"d":"b:{\\"b\\":"}')), false);
  assert.equal(says(raw(Buffer.from([...Buffer.from('{"a":"'), 0xff, ...Buffer.from('"}')]))), true);
});

test("an access token that lacks what RFC 9068 asks for, a long life, a clock that is wrong", () => {
  const said = (claims: object, header: object = {}) =>
    explained(token({ alg: "ES256", ...header }, claims, "A".repeat(86)))
      .remarks.map(({ says }) => says)
      .join(" ");
  assert.match(
    said({ exp: NOW / 1000 + 9, aud: "a" }, { typ: "application/AT+JWT" }),
    /lacks iss, iat, sub, jti, client_id/,
  );
  assert.match(said({ iat: NOW / 1000, exp: NOW / 1000 + 90_000, aud: "a" }), /lives longer than a day/);
  assert.match(said({ iat: NOW / 1000 + 100, exp: NOW / 1000 + 200, aud: "a" }), /issued in the future/);
  assert.match(said({ iat: NOW / 1000 + 300, exp: NOW / 1000 + 200, aud: "a" }), /expired before it was issued/);
});

function encrypted(header: object): string {
  return `${Buffer.from(JSON.stringify(header)).toString("base64url")}.AAAA.${"A".repeat(16)}.AAAA.${"A".repeat(22)}`;
}

test("an encrypted token is explained by its header and its five parts, and its author is not guessed", () => {
  const told = explained(encrypted({ alg: "ECDH-ES", enc: "A256GCM", epk: { kty: "OKP" }, cty: "JWT", kid: "k" }));
  assert.equal(told.kind, "JWE");
  assert.equal(told.claims, null);
  assert.deepEqual(
    told.parts.map(({ name }) => name),
    ["header", "encrypted key", "nonce", "ciphertext", "tag"],
  );
  assert.deepEqual(
    told.header.map(({ name, word }) => [name, word?.slice(0, 13) ?? null]),
    [
      ["alg", "a content key"],
      ["enc", "AES-GCM, 256 "],
      ["epk", null],
      ["cty", "a token of it"],
      ["kid", null],
    ],
  );
  assert.deepEqual(told.remarks, []);
  assert.match(told.by, /does not say who/);
});

test("what makes an encrypted token dangerous is named: bare claims, shared keys, RSA1_5, compression, p2c, a short tag", () => {
  const said = (header: object) =>
    explained(encrypted(header))
      .remarks.map(({ says }) => says)
      .join(" ");
  assert.match(said({ alg: "ECDH-ES", enc: "A256GCM" }), /bare claims could be written by anyone/);
  assert.match(said({ alg: "dir", enc: "A256GCM", cty: "JWT" }), /also have written it/);
  assert.match(said({ alg: "RSA1_5", enc: "A256GCM", cty: "JWT" }), /padding oracles/);
  assert.match(said({ alg: "ECDH-ES", enc: "A256GCM", cty: "JWT", zip: "DEF" }), /compressed/);
  assert.match(said({ alg: "ECDH-ES", enc: "A256GCM", cty: "JWT", crit: ["x"], x: 1 }), /extensions \(crit\)/);
  assert.match(said({ alg: "PBES2-HS256+A128KW", enc: "A256GCM", p2c: 2 ** 31 }), /hashed 2147483648 times/);
  assert.match(said({ alg: "ECDH-ES", enc: "A128GCM", cty: "JWT" }), /A256GCM only/);
  const short = encrypted({ alg: "ECDH-ES", enc: "A256GCM", cty: "JWT" }).slice(0, -1);
  assert.match(
    explained(short)
      .remarks.map(({ says }) => says)
      .join(" "),
    /tag is not of 16 octets/,
  );
});

test("on a terminal the classes of claims and what is wrong have colours, and without one there are none", () => {
  const told = explained(token({ alg: "none" }, { iss: "a", email: "b", own: 1 }, ""));
  const shown = (env: NodeJS.ProcessEnv) => {
    const sink = { write: () => true };
    return explanationText(told, null, NOW, createOutput(false, sink, sink, env));
  };
  const coloured = shown({ FORCE_COLOR: "1" });
  const ansi = "\u001b[";
  assert.ok(coloured.includes(`${ansi}32mregistered`));
  assert.ok(coloured.includes(`${ansi}1mpublic`));
  assert.ok(coloured.includes(`${ansi}33mprivate`));
  assert.ok(coloured.includes(`${ansi}31m\u2717 Its algorithm is "none"`));
  assert.equal(shown({}).includes(ansi), false);
  assert.match(
    shown({}),
    /^A signed token \(JWS\)\..*\nHeader {2}how it is signed, \d+ characters\n {2}alg {2}"none" {2}/,
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { explainToken } from "./explain.ts";

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
  const said = (text: string) => explained(text).remarks.join(" ");
  assert.match(said(token({ alg: "NONE" }, {}, "")), /"none".*never expires|no signature.*"none"/);
  assert.match(said(token({ alg: "ES256", jwk: {}, jku: "" }, { exp: 1 })), /own key along \(jwk, jku\).*expired/);
  assert.match(
    said(token({ alg: "HS256", crit: ["x"] }, { nbf: NOW / 1000 + 5 })),
    /shared secret.*crit.*not valid yet/,
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

import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccessTokenClaims } from "@mapae/verifier";
import fc from "fast-check";
import { encoded, IDENTITY, identityOf } from "./identity.ts";

const CLAIMS: AccessTokenClaims = {
  iss: "https://issuer.test",
  sub: "usr_1",
  aud: "https://api.test",
  exp: 2,
  iat: 1,
  jti: "j",
  client_id: "app",
};

const text = fc.string({ unit: "binary", minLength: 1 }).filter((value) => value.isWellFormed());

test("whatever a claim says, its header is one line of visible letters that reads back as it was", () => {
  fc.assert(
    fc.property(text, (value) => {
      const header = encoded(value);
      assert.ok(header !== undefined);
      assert.match(header, /^[A-Za-z0-9\-._~:/@+=%]+$/);
      assert.equal(decodeURIComponent(header), value);
    }),
  );
});

test("usual ids, addresses and scopes stand as they are", () => {
  for (const value of ["usr_01J", "kim@example.com", "https://api.test/x", "orders:read", "a+b=c"]) {
    assert.equal(encoded(value), value);
  }
});

test("items of a list cannot become two, nor two become one", () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 1 }), (roles) => {
      const [, value = ""] = identityOf({ ...CLAIMS, roles }).slice(4);
      assert.deepEqual(value.split(",").map(decodeURIComponent), roles);
    }),
  );
});

test("what a token does not say has no header, and nothing but text is believed", () => {
  assert.deepEqual(identityOf(CLAIMS), ["X-Mapae-Subject", "usr_1", "X-Mapae-Client", "app"]);
  const odd = { ...CLAIMS, sid: "", scope: "", roles: [1, null, { toString: "x" }, ""] as unknown as string[] };
  assert.deepEqual(identityOf(odd), identityOf(CLAIMS));
});

test("the headers are those of the table, each at most once", () => {
  const full = { ...CLAIMS, sid: "s", scope: "a b", roles: ["r", "q, r"] };
  const names = identityOf(full).filter((_, index) => index % 2 === 0);
  assert.deepEqual(names, Object.keys(IDENTITY));
  assert.equal(identityOf(full), identityOf(full), "they are written once for the same claims");
});

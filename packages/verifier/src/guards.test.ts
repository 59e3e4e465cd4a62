import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { AccessTokenClaims } from "./claims.ts";
import { anyOf, requireFreshLogin, requireRole, requireScope } from "./guards.ts";

const NOW = 1_800_000_000;

function claims(more: Partial<AccessTokenClaims> = {}): AccessTokenClaims {
  return { iss: "i", sub: "u", aud: "a", exp: NOW + 60, iat: NOW, jti: "j", client_id: "c", ...more };
}

describe("requireScope", () => {
  test("allows a token that has every scope, in any order and among others", () => {
    const guard = requireScope("orders:read", "orders:write");
    assert.equal(guard(claims({ scope: "x orders:write orders:read" }), NOW).ok, true);
  });

  test("refuses where one is missing, and says which scopes it takes", () => {
    const verdict = requireScope("orders:read", "orders:write")(claims({ scope: "orders:read" }), NOW);
    assert.equal(verdict.ok, false);
    assert.equal(!verdict.ok && verdict.code === "insufficient_scope" && verdict.scope, "orders:read orders:write");
  });

  test("a scope that only begins or ends like the one needed is another scope", () => {
    for (const scope of ["orders:reader", "my-orders:read", "ORDERS:READ", "orders", "orders:read\torders", ""]) {
      assert.equal(requireScope("orders:read")(claims({ scope }), NOW).ok, false, JSON.stringify(scope));
    }
    assert.equal(requireScope("orders:read")(claims(), NOW).ok, false);
  });

  test("names that are no scopes are a mistake when the route is made", () => {
    for (const name of ["", "a b", 'a"b', "a\\b", "é", "a\r\nb"]) assert.throws(() => requireScope(name), TypeError);
    assert.throws(() => requireScope(), TypeError);
  });
});

describe("requireRole", () => {
  test("allows a token with every role and refuses any other", () => {
    const guard = requireRole("admin", "support");
    assert.equal(guard(claims({ roles: ["support", "x", "admin"] }), NOW).ok, true);
    for (const roles of [["admin"], [], ["admin support"]]) {
      const verdict = guard(claims({ roles }), NOW);
      assert.equal(!verdict.ok && verdict.code, "insufficient_role");
    }
    assert.equal(guard(claims(), NOW).ok, false);
  });

  test("without a role to ask for it is a mistake", () => {
    assert.throws(() => requireRole(), TypeError);
    assert.throws(() => requireRole(""), TypeError);
  });
});

describe("requireFreshLogin", () => {
  test("allows a login up to maxAge seconds ago, and not a second longer", () => {
    const guard = requireFreshLogin({ maxAge: 300 });
    assert.equal(guard(claims({ auth_time: NOW - 300 }), NOW).ok, true);
    const verdict = guard(claims({ auth_time: NOW - 301 }), NOW);
    assert.equal(!verdict.ok && verdict.code === "login_too_old" && verdict.maxAge, 300);
  });

  test("a token that does not say when its user logged in is not fresh", () => {
    assert.equal(requireFreshLogin({ maxAge: 300 })(claims(), NOW).ok, false);
  });

  test("a broken clock makes no login fresh", () => {
    assert.equal(requireFreshLogin({ maxAge: 300 })(claims({ auth_time: NOW }), Number.NaN).ok, false);
  });

  test("an age that is no whole number of seconds is a mistake", () => {
    for (const maxAge of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => requireFreshLogin({ maxAge }), TypeError);
    }
  });
});

describe("anyOf", () => {
  test("allows what one of its guards allows, and refuses with the first one's refusal", () => {
    const guard = anyOf(requireRole("admin"), requireScope("orders:read"));
    assert.equal(guard(claims({ roles: ["admin"] }), NOW).ok, true);
    assert.equal(guard(claims({ scope: "orders:read" }), NOW).ok, true);
    const verdict = guard(claims(), NOW);
    assert.equal(!verdict.ok && verdict.code, "insufficient_role");
    assert.throws(() => anyOf(), TypeError);
  });
});

test("a guard gives the same answer for the same claims and time, whatever it was asked before", () => {
  const guard = anyOf(requireScope("a"), requireFreshLogin({ maxAge: 10 }));
  const some = fc.record({
    scope: fc.constantFrom("a", "b", "a b"),
    auth_time: fc.integer({ min: NOW - 20, max: NOW }),
  });
  fc.assert(
    fc.property(some, some, (first, second) => {
      const before = guard(claims(first), NOW);
      guard(claims(second), NOW);
      assert.deepEqual(guard(claims(first), NOW), before);
      assert.equal(before.ok, first.scope.includes("a") || first.auth_time >= NOW - 10);
    }),
  );
});

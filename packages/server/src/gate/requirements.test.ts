import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccessTokenClaims } from "@mapae/verifier";
import fc from "fast-check";
import { createReader, type Requirements } from "./requirements.ts";

const NONE = { scope: [], role: [] };
const STALE = ["introspect", "reject"] as const;
const CLAIMS: AccessTokenClaims = {
  iss: "i",
  sub: "s",
  aud: "a",
  exp: 2_000,
  iat: 1_000,
  jti: "j",
  client_id: "c",
  scope: "orders:read orders:write",
  roles: ["admin", "ops"],
  auth_time: 1_000,
};

function read(query: string, always: Parameters<typeof createReader>[0] = NONE): Requirements {
  const found = createReader(always, STALE)(query);
  assert.ok(found.ok, JSON.stringify(found));
  return found.requirements;
}

const passes = ({ guards }: Requirements, now = 1_100) => guards.every((guard) => guard(CLAIMS, now).ok);

test("a query names scopes, roles and the age of the log-in; all are needed", () => {
  assert.ok(passes(read("scope=orders:read&role=admin&role=ops&max_age=100")));
  assert.ok(passes(read("scope=orders:read%20orders:write")));
  assert.ok(passes(read("scope=orders:read+orders:write")));
  assert.ok(!passes(read("scope=orders:read&scope=orders:delete")));
  assert.ok(!passes(read("role=admin&role=root")));
  assert.ok(!passes(read("max_age=99")));
  assert.ok(passes(read("")));
});

test("what the gate always asks is asked beside the query", () => {
  const always = { scope: ["orders:delete"], role: [] };
  assert.ok(!passes(read("", always)));
  assert.ok(!passes(read("scope=orders:read", always)));
  assert.ok(!passes(read("token=optional", { scope: [], role: ["root"] })));
});

test("a token is optional where the query says so, and only then", () => {
  assert.equal(read("token=optional").anonymous, true);
  assert.equal(read("token=required").anonymous, false);
  assert.equal(read("scope=x").anonymous, false);
});

test("a route chooses what it does while revocations are not known, among what the gate has", () => {
  assert.equal(read("on_stale=reject").onStale, "reject");
  assert.equal(read("").onStale, undefined);
  const reader = createReader(NONE, STALE);
  for (const query of ["on_stale=accept", "on_stale=ignore"]) assert.equal(reader(query).ok, false, query);
});

test("a query with a mistake opens nothing", () => {
  const reader = createReader(NONE, STALE);
  for (const query of [
    "scopes=orders:read",
    "Scope=orders:read",
    "scope=",
    "scope=%20",
    "scope=a%22b",
    "role=",
    "max_age=",
    "max_age=-1",
    "max_age=1.5",
    "max_age=1e3",
    "max_age=99999999999",
    "max_age=5&max_age=500000",
    "token=",
    "token=none",
    "token=optional&token=required",
    "=x",
    "x",
  ]) {
    assert.equal(reader(query).ok, false, query);
  }
});

test("whatever the query is, an answer comes, and each name that is not known is a fault", () => {
  const known = ["scope", "role", "max_age", "token", "on_stale"];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...known, "other"), fc.string())), (pairs) => {
      const found = createReader(NONE, STALE)(new URLSearchParams(pairs).toString());
      if (pairs.some(([name, value]) => name === "other" || value === "")) assert.equal(found.ok, false);
      if (found.ok && pairs.length > 0 && !found.requirements.anonymous) {
        const plain = pairs.every(([name]) => name === "token" || name === "on_stale");
        assert.equal(found.requirements.guards.length === 0, plain);
      }
    }),
  );
  fc.assert(fc.property(fc.string({ unit: "binary" }), (query) => void createReader(NONE, STALE)(query)));
});

test("a query is read once, and others do not fill the memory", () => {
  const reader = createReader(NONE, STALE);
  assert.equal(reader("scope=a"), reader("scope=a"));
  for (let n = 0; n < 300; n += 1) reader(`scope=a${n}`);
  assert.notEqual(reader("scope=a299"), reader("scope=a299"));
});

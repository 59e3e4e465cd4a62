import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { type AcceptedClaims, bindClaimRules, type ClaimRuleOptions, checkClaims, freezeClaims } from "./claims.ts";
import { bindSigningKey } from "./jose/jwk.ts";
import { parseJws, signJws } from "./jose/jws.ts";
import type { Refusal } from "./refusals.ts";

const key = bindSigningKey(randomBytes(32), { alg: "HS256" });
const NOW = 1_800_000_000;
const RULES: ClaimRuleOptions = { issuer: "https://login.example", audience: "https://api.example" };

const GOOD = {
  iss: "https://login.example",
  sub: "user-1",
  aud: "https://api.example",
  exp: NOW + 300,
  iat: NOW,
  jti: "t-1",
  client_id: "app",
};

function check(
  payload: object | Uint8Array | string,
  { typ = "at+jwt", now = NOW, ...rules }: { typ?: string | undefined; now?: number } & Partial<ClaimRuleOptions> = {},
): AcceptedClaims | Refusal {
  const octets = typeof payload === "string" ? Buffer.from(payload) : payload;
  const jws = parseJws(signJws({ typ }, octets, key));
  assert.ok(jws.ok);
  return checkClaims(jws, bindClaimRules({ ...RULES, ...rules }), now);
}

function code(...args: Parameters<typeof check>): string {
  const verdict = check(...args);
  return verdict.ok ? "accepted" : verdict.code;
}

test("a token of RFC 9068 is accepted, with every claim that is known here", () => {
  const full = {
    ...GOOD,
    nbf: NOW,
    scope: "read write",
    sid: "s",
    gid: "g",
    rsq: [1, 2],
    roles: ["admin"],
    auth_time: NOW - 5,
    amr: ["pwd", "otp"],
    custom: { nested: [1, { deep: true }] },
  };
  const verdict = check(full);
  assert.ok(verdict.ok);
  assert.deepEqual(verdict.claims, full);
});

test("claims that are to be shared are frozen to their depths", () => {
  const verdict = check({ ...GOOD, roles: ["member"], custom: { list: [{}] } });
  assert.ok(verdict.ok);
  const claims = freezeClaims(verdict.claims);
  const custom = claims.custom as { list: object[] };
  for (const part of [claims, claims.roles, custom, custom.list, custom.list[0]]) assert.ok(Object.isFrozen(part));
  assert.throws(() => (claims.roles as string[]).push("admin"), TypeError);
});

test("typ confusion: only at+jwt is an access token, in any case and with or without application/", () => {
  for (const typ of ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"]) {
    assert.equal(code(GOOD, { typ }), "accepted", typ);
  }
  for (const typ of [
    "JWT",
    "id+jwt",
    "dpop+jwt",
    "logout+jwt",
    "at",
    "at+jwt;v=1",
    "x/at+jwt",
    "application/application/at+jwt",
    "at+jwt/",
    "application/",
  ]) {
    assert.equal(code(GOOD, { typ }), "invalid_type", typ);
  }
  const untyped = parseJws(signJws({}, GOOD, key));
  assert.ok(untyped.ok);
  assert.deepEqual(checkClaims(untyped, bindClaimRules(RULES), NOW).ok, false);
});

test("each claim that RFC 9068 requires is required", () => {
  for (const name of Object.keys(GOOD)) {
    const { [name as keyof typeof GOOD]: _, ...rest } = GOOD;
    assert.equal(code(rest), "missing_claim", name);
    assert.equal(code({ ...GOOD, [name]: null }), "invalid_claim", name);
  }
});

test("claims of the wrong type are refused, and never coerced", () => {
  const wrong: Record<string, readonly unknown[]> = {
    iss: ["", 1, ["https://login.example"], { toString: "https://login.example" }],
    sub: ["", 0, true, [], {}],
    aud: ["", 1, [], [""], [1], {}, ["https://api.example", null], [["https://api.example"]]],
    jti: ["", 7],
    client_id: ["", []],
    nbf: ["0", null, true],
    scope: [["read"], 1],
    sid: ["", 1],
    gid: ["", {}],
    rsq: [1, [1], [1, 2, 3], [1, -1], [0.5, 1], ["1", "2"], [1, 2 ** 53], { 0: 1, 1: 2 }],
    roles: ["admin", [1], [""], { length: 0 }],
    auth_time: ["now", -1],
    amr: ["pwd", [null]],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.equal(code({ ...GOOD, [name]: value }), "invalid_claim", `${name}: ${JSON.stringify(value)}`);
    }
  }
});

test("numeric-date tricks: texts, infinities, negatives and the far future are no dates", () => {
  const rest = JSON.stringify(GOOD).slice(0, -1);
  for (const name of ["exp", "iat", "nbf"]) {
    const others = Object.entries(GOOD).filter(([key]) => key !== name);
    const text = JSON.stringify(Object.fromEntries(others)).slice(0, -1);
    for (const date of [
      '"1900000000"',
      "1e999",
      "-1e999",
      "-1",
      "253402300800",
      "1e300",
      "true",
      "[1900000000]",
      "{}",
      '"Infinity"',
      "null",
    ]) {
      assert.equal(code(`${text},"${name}":${date}}`), "invalid_claim", `${name}: ${date}`);
    }
    for (const date of ["NaN", "Infinity", "0x7fffffff", "01900000000", "1_900_000_000", "+1900000000"]) {
      assert.equal(code(`${text},"${name}":${date}}`), "malformed_claims", `${name}: ${date}`);
    }
  }
  assert.equal(code(`${rest},"exp":9999999999}`), "malformed_claims", "a second exp");
});

test("exp is the first moment at which the token is refused, tolerance included", () => {
  assert.equal(code(GOOD, { now: NOW + 299.999 }), "accepted");
  assert.equal(code(GOOD, { now: NOW + 300 }), "token_expired");
  assert.equal(code(GOOD, { now: NOW + 304.9, clockTolerance: 5 }), "accepted");
  assert.equal(code(GOOD, { now: NOW + 305, clockTolerance: 5 }), "token_expired");
  assert.equal(code({ ...GOOD, exp: 0 }), "token_expired");
});

test("nbf is the first moment at which the token is accepted, tolerance included", () => {
  assert.equal(code({ ...GOOD, nbf: NOW + 10 }), "token_not_yet_valid");
  assert.equal(code({ ...GOOD, nbf: NOW + 10 }, { now: NOW + 10 }), "accepted");
  assert.equal(code({ ...GOOD, nbf: NOW + 10 }, { clockTolerance: 10 }), "accepted");
  assert.equal(code({ ...GOOD, nbf: NOW + 10 }, { clockTolerance: 9 }), "token_not_yet_valid");
});

test("a token cannot live longer than the maximum by claiming to be issued in the future", () => {
  assert.equal(code(GOOD, { maxTokenLifetime: 300 }), "accepted");
  assert.equal(code(GOOD, { maxTokenLifetime: 299 }), "token_lifetime_exceeded");
  const postdated = { ...GOOD, iat: NOW + 1_000_000, exp: NOW + 1_000_300 };
  assert.equal(code(postdated, { maxTokenLifetime: 300 }), "token_lifetime_exceeded");
  assert.equal(code({ ...GOOD, iat: NOW + 301 }), "invalid_claim", "issued after it expires");
});

test("the issuer is compared letter for letter", () => {
  for (const iss of [
    "https://login.example/",
    "HTTPS://login.example",
    "https://login.example.evil",
    "https://login.exampl\u0435",
  ]) {
    assert.equal(code({ ...GOOD, iss }), "invalid_issuer", iss);
  }
});

test("one audience in common is enough, and none in common is refused", () => {
  const aud = ["https://other.example", "https://api.example"];
  assert.equal(code({ ...GOOD, aud }), "accepted");
  assert.equal(code({ ...GOOD, aud: "https://other.example" }, { audience: aud }), "accepted");
  assert.equal(code({ ...GOOD, aud: ["x", "y"] }, { audience: aud }), "invalid_audience");
  assert.equal(code({ ...GOOD, aud: "https://api.example/admin" }), "invalid_audience");
});

test("a payload that is no unambiguous JSON object in UTF-8 is refused", () => {
  const json = JSON.stringify(GOOD);
  for (const text of [
    "",
    "[]",
    "null",
    `[${json}]`,
    `${json}x`,
    json.replace('"sub"', '"__proto__":{},"sub"'),
    json.replace('"sub"', '"sub":"other","sub"'),
  ]) {
    assert.equal(code(text), "malformed_claims", text);
  }
  assert.equal(code(Buffer.from(json.replace("user-1", "us\u00e9r"), "latin1")), "malformed_claims");
  assert.equal(code(`\uFEFF${json}`), "malformed_claims");
});

test("rules that make no sense are the programmer's mistake", () => {
  const wrong: Partial<Record<keyof ClaimRuleOptions, unknown>>[] = [
    { issuer: "" },
    { issuer: 1 },
    { audience: "" },
    { audience: [] },
    { audience: [""] },
    { clockTolerance: -1 },
    { clockTolerance: Number.NaN },
    { clockTolerance: Number.POSITIVE_INFINITY },
    { maxTokenLifetime: 0 },
    { maxTokenLifetime: Number.NaN },
  ];
  for (const options of wrong) {
    assert.throws(
      () => bindClaimRules({ ...RULES, ...options } as ClaimRuleOptions),
      TypeError,
      JSON.stringify(options),
    );
  }
});

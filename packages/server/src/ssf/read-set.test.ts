import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { type AlgorithmName, bindKey, bindSigningKey, signJws } from "@mapae/verifier/jose";
import fc from "fast-check";
import { OLDEST_SECONDS, readClaims, readSet, SET_ALGORITHMS, type SetRead } from "./read-set.ts";

const NOW = 1_800_000_000;
const ISSUER = "https://idp.example";
const EXPECTED = { issuer: ISSUER, audience: ["me", "also-me"] };
const REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const CLAIMS = {
  iss: ISSUER,
  aud: "me",
  jti: "jti-1",
  iat: NOW,
  sub_id: { format: "email", email: "kim@example.com" },
  events: { [REVOKED]: { initiating_entity: "admin" } },
};

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
const keyOf = (key: KeyObject, alg: AlgorithmName = "ES256", kid = "k1") => bindKey(key, { alg, kid });
const published = keyOf(pair.publicKey);
let sought = 0;
const keys = {
  find: ({ kid }: { readonly kid: string | undefined }) => (kid === "k1" ? published : undefined),
  seek: async () => {
    sought += 1;
  },
  reachable: () => true,
};

function signed(
  claims: object = CLAIMS,
  typ: string | null = "secevent+jwt",
  key = pair.privateKey,
  kid = "k1",
): string {
  return signJws(typ === null ? {} : { typ }, claims, bindSigningKey(key, { alg: "ES256", kid }));
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const read = (text: string, supply: typeof keys = keys): Promise<SetRead> => readSet(text, EXPECTED, supply, NOW);
const errorOf = (result: SetRead): unknown => (result.ok ? "accepted" : result.error);

test("an event that is for us, of the provider, under its key, is read", async () => {
  const result = await read(signed());
  assert.deepEqual(result, {
    ok: true,
    set: {
      jti: "jti-1",
      iat: NOW,
      subject: { format: "email", email: "kim@example.com" },
      type: REVOKED,
      members: { initiating_entity: "admin" },
    },
  });
  assert.ok((await read(signed({ ...CLAIMS, aud: ["other", "also-me"], txn: 7, more: {} }))).ok);
  assert.ok((await read(signed(CLAIMS, "application/SECEVENT+JWT"))).ok);
});

test("forged: no algorithm, the public key as a shared secret, another's key, another's signature, a changed claim", async () => {
  const header = { typ: "secevent+jwt", kid: "k1" };
  const [, payload = "", signature = ""] = signed().split(".");
  assert.equal(errorOf(await read(`${part({ ...header, alg: "none" })}.${payload}.`)), "invalid_request");
  assert.equal(errorOf(await read(`${part({ ...header, alg: "none" })}.${payload}.${signature}`)), "invalid_request");
  // RFC 8725 §2.1: the text of the public key is known to everybody.
  for (const secret of [
    pair.publicKey.export({ type: "spki", format: "pem" }),
    pair.publicKey.export({ type: "spki", format: "der" }),
    JSON.stringify(pair.publicKey.export({ format: "jwk" })),
  ]) {
    const input = `${part({ ...header, alg: "HS256" })}.${payload}`;
    const mac = createHmac("sha256", secret).update(input).digest("base64url");
    assert.equal(errorOf(await read(`${input}.${mac}`)), "invalid_key");
  }
  assert.equal(errorOf(await read(signed(CLAIMS, "secevent+jwt", other.privateKey))), "invalid_key");
  assert.equal(
    errorOf(await read(`${part({ ...header, alg: "ES256" })}.${part({ ...CLAIMS, jti: "x" })}.${signature}`)),
    "invalid_key",
  );
  const jwk = pair.publicKey.export({ format: "jwk" });
  assert.equal(
    errorOf(await read(`${part({ ...header, alg: "ES256", jwk })}.${payload}.${signature}`)),
    "invalid_request",
  );
  assert.equal(
    SET_ALGORITHMS.some((name) => name.startsWith("HS")),
    false,
  );
});

test("a token of another type is no event, whoever signed it", async () => {
  for (const typ of [null, "JWT", "at+jwt", "logout+jwt", "application/application/secevent+jwt"]) {
    assert.equal(errorOf(await read(signed(CLAIMS, typ))), "invalid_request", String(typ));
  }
});

test("an unknown key is looked for once more; where keys cannot be had, nobody says that the event is bad", async () => {
  const before = sought;
  assert.equal(errorOf(await read(signed(CLAIMS, "secevent+jwt", pair.privateKey, "k2"))), "invalid_key");
  assert.equal(sought, before + 1);
  const away = { ...keys, reachable: () => false };
  assert.equal(errorOf(await read(signed(CLAIMS, "secevent+jwt", pair.privateKey, "k2"), away)), null);
});

test("an event of another issuer, for others, or with claims that are not as they should be, is refused by its name", () => {
  const cases: readonly (readonly [object, string])[] = [
    [{ iss: "https://idp.example/" }, "invalid_issuer"],
    [{ iss: [ISSUER] }, "invalid_issuer"],
    [{ aud: "other" }, "invalid_audience"],
    [{ aud: [] }, "invalid_audience"],
    [{ aud: { me: 1 } }, "invalid_audience"],
    [{ exp: NOW + 60 }, "invalid_request"],
    [{ sub: "usr_a" }, "invalid_request"],
    [{ jti: undefined }, "invalid_request"],
    [{ jti: "" }, "invalid_request"],
    [{ jti: 7 }, "invalid_request"],
    [{ jti: "x".repeat(256) }, "invalid_request"],
    [{ jti: "a\0b" }, "invalid_request"],
    [{ iat: undefined }, "invalid_request"],
    [{ iat: "now" }, "invalid_request"],
    [{ iat: NOW + 301 }, "invalid_request"],
    [{ iat: NOW - OLDEST_SECONDS - 1 }, "invalid_request"],
    [{ sub_id: undefined }, "invalid_request"],
    [{ sub_id: "kim" }, "invalid_request"],
    [{ events: undefined }, "invalid_request"],
    [{ events: [] }, "invalid_request"],
    [{ events: {} }, "invalid_request"],
    [{ events: { [REVOKED]: {}, "urn:x": {} } }, "invalid_request"],
    [{ events: { [REVOKED]: null } }, "invalid_request"],
    [{ events: { [REVOKED]: [] } }, "invalid_request"],
  ];
  for (const [change, error] of cases) {
    const claims = JSON.parse(JSON.stringify({ ...CLAIMS, ...change })) as Record<string, unknown>;
    assert.equal(errorOf(readClaims(claims, EXPECTED, NOW)), error, JSON.stringify(change));
  }
  for (const iat of [NOW + 300, NOW - OLDEST_SECONDS]) {
    assert.equal(errorOf(readClaims({ ...CLAIMS, iat }, EXPECTED, NOW)), "accepted");
  }
});

test("whatever text comes, reading it does not throw and accepts nothing", async () => {
  const good = signed();
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.tuple(fc.nat(good.length - 1), fc.constantFrom("A", ".", "=", "\u0000", "é")).map(([at, change]) => {
      const changed = good.slice(0, at) + change + good.slice(at + 1);
      return changed === good ? "" : changed;
    }),
    fc.nat(good.length - 1).map((end) => good.slice(0, end)),
    fc.jsonValue().map((value) => `${part(value)}.${part(value)}.${part(value)}`),
  );
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      assert.notEqual(errorOf(await read(text)), "accepted");
    }),
  );
});

test("whatever claims stand under a good signature, what is accepted is for us, of the provider, and of one event", () => {
  const mutated = fc.record(
    {
      iss: fc.oneof(fc.constant(ISSUER), fc.jsonValue()),
      aud: fc.oneof(fc.constant("me"), fc.constant(["x", "me"]), fc.jsonValue()),
      jti: fc.oneof(fc.constant("a"), fc.jsonValue()),
      iat: fc.oneof(fc.constant(NOW), fc.jsonValue(), fc.double()),
      sub_id: fc.oneof(fc.constant(CLAIMS.sub_id), fc.jsonValue()),
      events: fc.oneof(fc.constant(CLAIMS.events), fc.jsonValue()),
      exp: fc.jsonValue(),
      sub: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(mutated, (claims) => {
      const result = readClaims(claims, EXPECTED, NOW);
      if (!result.ok) return;
      assert.equal(claims.iss, ISSUER);
      assert.ok([claims.aud].flat().some((one) => one === "me" || one === "also-me"));
      assert.ok(!("exp" in claims) && !("sub" in claims));
      assert.ok(Number.isFinite(claims.iat));
      assert.equal(Object.keys(claims.events as object).length, 1);
      assert.equal(typeof result.set.jti, "string");
    }),
    { numRuns: 500 },
  );
});

/** Encrypted access tokens from end to end: a resource server registers a key, and only it can read its tokens. */
import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { createVerifier, type Jwk, type Verdict } from "@mapae/verifier";
import { ISSUER, list, object, openStage, type Stage, text } from "../stage.ts";

const ORDERS = "https://orders.example";
const pairs = { one: generateKeyPairSync("x25519"), two: generateKeyPairSync("rsa", { modulusLength: 2048 }) };
const jwkOf = (key: KeyObject, kid: string): Jwk => ({ ...key.export({ format: "jwk" }), kid });
const published = (kid: keyof typeof pairs) => ({ keys: [jwkOf(pairs[kid].publicKey, kid)] });

describe("encrypted access tokens", { concurrency: false }, () => {
  let stage: Stage;
  let admin = "";
  let refresh = "";
  before(async () => {
    stage = await openStage();
    admin = await stage.admin();
    await stage.signUp("kdw");
    refresh = (await stage.logIn("kdw")).refresh;
  });
  after(() => stage.close());

  const manage = (method: string, path: string, body: object) =>
    stage.call(method, `/v1/admin/clients${path}`, { token: admin, body });

  /** A token for an audience, as an app gets it: with a refresh token, which it replaces. */
  async function tokenFor(audience: string | null): Promise<string> {
    const answer = await stage.refresh(refresh, {}, audience === null ? {} : { audience });
    assert.equal(answer.status, 200, answer.text);
    refresh = text(answer.body.refresh_token);
    return text(answer.body.access_token);
  }

  async function judged(token: string, audience: string, own: readonly (keyof typeof pairs)[]): Promise<Verdict> {
    const jwks = await stage.call("GET", "/.well-known/jwks.json");
    const verifier = createVerifier({
      issuer: ISSUER,
      audience,
      keys: { jwks: { keys: list(jwks.body.keys) } },
      clock: () => 1_800_000_000_000,
      decryptionKeys: { keys: own.map((kid) => jwkOf(pairs[kid].privateKey, kid)) },
      warn: () => undefined,
    });
    return verifier.check(token);
  }

  test("a resource server registers keys, and its tokens are nested JWTs that only it opens", async () => {
    const made = await manage("POST", "", {
      id: "orders",
      kind: "resource_server",
      name: "Orders",
      audience: ORDERS,
      jwks: published("one"),
    });
    assert.equal(made.status, 201, made.text);
    const kept = { ...jwkOf(pairs.one.publicKey, "one"), use: "enc", alg: "ECDH-ES" };
    assert.deepEqual(object(made.body.client).jwks, { keys: [kept] });
    const token = await tokenFor(ORDERS);
    assert.equal(token.split(".").length, 5);
    const header = JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString());
    assert.deepEqual({ ...header, epk: null }, { alg: "ECDH-ES", enc: "A256GCM", kid: "one", cty: "JWT", epk: null });
    const verdict = await judged(token, ORDERS, ["one"]);
    assert.ok(verdict.ok, verdict.ok ? "" : verdict.code);
    assert.equal(verdict.claims.aud, ORDERS);
    const other = await judged(token, ORDERS, ["two"]);
    assert.equal(other.ok ? "" : other.code, "not_decryptable");
  });

  test("tokens for everybody else are signed as ever, and the account routes take them", async () => {
    const token = await tokenFor(null);
    assert.equal(token.split(".").length, 3);
    assert.equal((await stage.call("GET", "/v1/me", { token })).status, 200);
    const encrypted = await stage.call("GET", "/v1/me", { token: await tokenFor(ORDERS) });
    assert.equal(encrypted.status, 401);
  });

  test("keys rotate: tokens are for the new one at once, and the resource server opens both meanwhile", async () => {
    const before = await tokenFor(ORDERS);
    const changed = await manage("PATCH", "/orders", { jwks: published("two") });
    assert.equal(changed.status, 200, changed.text);
    const now = await tokenFor(ORDERS);
    for (const token of [before, now]) assert.equal((await judged(token, ORDERS, ["one", "two"])).ok, true);
    assert.equal((await judged(now, ORDERS, ["one"])).ok, false);
    assert.equal((await manage("PATCH", "/orders", { jwks: null })).status, 200);
    assert.equal((await tokenFor(ORDERS)).split(".").length, 3);
    assert.equal((await manage("PATCH", "/orders", { jwks: published("one") })).status, 200);
    const events = await stage.call("GET", "/v1/admin/audit?name=client.keys_changed", { token: admin });
    assert.equal(list(events.body.events).length, 3);
  });

  test("what cannot be encrypted for is refused, with the reason at its place", async () => {
    const cases: readonly (readonly [object, string, RegExp])[] = [
      [{ jwks: { keys: [] } }, "/jwks", /no key to encrypt with/],
      [{ jwks: { keys: [jwkOf(pairs.one.privateKey, "x")] } }, "/jwks", /private key/],
      [{ jwks: { keys: [{ kty: "oct", k: "AAAA" }] } }, "/jwks", /private key/],
      [{ jwks: published("one"), audience: undefined }, "/jwks", /audience of its own/],
      [{ jwks: published("one"), audience: ISSUER }, "/jwks", /audience of its own/],
      [{ jwks: published("one"), audience: ORDERS }, "/jwks", /no other resource server/],
      [{ audience: ORDERS }, "/audience", /no other resource server/],
      [{ jwks: { keys: [{ kty: "RSA", n: 7 }] } }, "/jwks/keys/0/n", /./],
      [{ jwks: "https://keys.example" }, "/jwks", /./],
    ];
    for (const [wish, pointer, detail] of cases) {
      const body = { id: "late", kind: "resource_server", name: "Late", audience: "https://late.example", ...wish };
      const answer = await manage("POST", "", body);
      assert.equal(answer.status, 422, JSON.stringify(wish));
      const [fault = {}] = list(answer.body.faults);
      assert.equal(fault.pointer, pointer, answer.text);
      assert.match(text(fault.detail), detail);
    }
    assert.equal((await manage("PATCH", "/nobody", { jwks: null })).status, 404);
    assert.equal((await manage("PATCH", "/mapae", { jwks: published("one") })).status, 422);
    assert.equal((await manage("PATCH", "/orders", {})).status, 422);
    const app = { id: "app", kind: "first_party", name: "App", jwks: published("one") };
    assert.equal((await manage("POST", "", app)).status, 422);
  });

  test("revoking an encrypted token by showing it is not answered with a silent yes (RFC 7009 §2.2.1)", async () => {
    const token = await tokenFor(ORDERS);
    const body = new URLSearchParams({ token, client_id: "mapae" });
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const answer = await stage.call("POST", "/oauth2/revoke", { raw: body, headers });
    assert.deepEqual([answer.status, answer.body], [400, { error: "unsupported_token_type" }]);
  });

  test("no encrypted token, no signed one and no private key is in the log", async () => {
    const token = await tokenFor(ORDERS);
    await judged(token, ORDERS, ["one"]);
    assert.equal(stage.log().includes(token), false);
    assert.equal(stage.log().includes(String(jwkOf(pairs.one.privateKey, "x").d)), false);
  });
});

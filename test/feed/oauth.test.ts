/** `/oauth2/revoke` (RFC 7009) and `/oauth2/introspect` (RFC 7662): who is heard, what is told, and what is not. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Answer, type Ask, claimsOf, ISSUER, openStage, type ResourceServer, type Stage } from "../stage.ts";

const FILES = "https://files.example.com";
let stage: Stage;
let orders: ResourceServer;
let files: ResourceServer;
before(async () => {
  stage = await openStage();
  orders = await stage.resourceServer("orders");
  files = await stage.resourceServer("files", FILES);
  await stage.signUp("kim");
});
after(() => stage.close());

const FORM = { "content-type": "application/x-www-form-urlencoded" };
const post = (path: string, form: Record<string, string>, ask: Ask = {}): Promise<Answer> =>
  stage.call("POST", path, { raw: new URLSearchParams(form).toString(), ...ask, headers: { ...FORM, ...ask.headers } });
const introspect = (token: string, as: ResourceServer) => post("/oauth2/introspect", { token }, { as });
const revoke = (token: string, ask: Ask, more: Record<string, string> = {}) =>
  post("/oauth2/revoke", { token, ...more }, ask);

async function tokenFor(audience: string): Promise<{ token: string; refresh: string }> {
  const { refresh } = await stage.logIn("kim");
  const { body } = await stage.refresh(refresh, {}, { audience });
  return { token: String(body.access_token), refresh: String(body.refresh_token) };
}

describe("introspection", () => {
  test("tells a resource server of a token of its own audience, with the claims", async () => {
    const { token } = await tokenFor(FILES);
    const { status, body, headers } = await introspect(token, files);
    const { sub, sid, exp, iat, jti } = claimsOf(token);
    assert.equal(status, 200);
    assert.equal(headers.get("cache-control"), "no-store");
    const told = { iss: ISSUER, sub, sid, exp, iat, jti, aud: FILES, client_id: "mapae", token_type: "Bearer" };
    assert.deepEqual({ ...body, ...told, active: true }, body);
  });

  test("says inactive and not a word more: another's token, a refresh token, noise, what is over or revoked", async () => {
    const theirs = await tokenFor(FILES);
    const ended = await stage.logIn("kim");
    await stage.call("DELETE", "/v1/sessions/current", { token: ended.access });
    const { access: old } = await stage.logIn("kim");
    const forged = `${old.slice(0, -4)}AAAA`;
    for (const token of [theirs.token, theirs.refresh, "noise", ended.access, forged, "x".repeat(8000)]) {
      const { status, text } = await introspect(token, orders);
      assert.deepEqual([status, text], [200, '{"active":false}']);
    }
    stage.advance(301_000);
    assert.equal((await introspect(old, orders)).text, '{"active":false}');
  });

  test("reads the log itself: a revocation that was just acknowledged is known", async () => {
    for (let round = 0; round < 20; round += 1) {
      const { access } = await stage.logIn("kim");
      assert.equal((await introspect(access, orders)).body.active, true);
      await stage.call("DELETE", "/v1/sessions/current", { token: access });
      assert.equal((await introspect(access, orders)).body.active, false);
    }
  });
});

describe("revocation by showing", () => {
  test("a resource server puts out a token of its own audience: that one and no other", async () => {
    const { token, refresh } = await tokenFor(FILES);
    assert.deepEqual([(await revoke(token, { as: files })).status], [200]);
    assert.equal((await introspect(token, files)).body.active, false);
    assert.equal((await stage.refresh(refresh)).status, 200);
    const entries = await stage.storage.revocation.after({ epoch: 0, seq: 0 }, 1000);
    const entry = entries.find(({ value }) => value === claimsOf(token).jti);
    assert.deepEqual([entry?.kind, entry?.audience, entry?.grant], ["token", FILES, claimsOf(token).gid]);
  });

  test("again, the unknown and noise: no error, no effect", async () => {
    const { token } = await tokenFor(FILES);
    await revoke(token, { as: files });
    const before_ = stage.storage.revocation.head();
    for (const each of [token, "noise", "x".repeat(8000)]) {
      const { status, text } = await revoke(each, { as: files });
      assert.deepEqual([status, text], [200, ""]);
    }
    assert.deepEqual(stage.storage.revocation.head(), before_);
  });

  test("a token of another audience is refused, and lives on", async () => {
    const { token } = await tokenFor(FILES);
    const answer = await revoke(token, { as: orders });
    assert.deepEqual([answer.status, answer.body.error], [400, "invalid_grant"]);
    assert.equal((await introspect(token, files)).body.active, true);
  });

  test("a first-party app shows its refresh token: the session ends, on this device alone", async () => {
    const [mine, other] = [await stage.logIn("kim"), await stage.logIn("kim")];
    const answer = await revoke(mine.refresh, {}, { client_id: "mapae", token_type_hint: "refresh_token" });
    assert.equal(answer.status, 200);
    assert.equal((await stage.refresh(mine.refresh)).body.code, "session_ended");
    assert.equal((await stage.call("GET", "/v1/me", { token: mine.access })).body.code, "session_ended");
    assert.equal((await stage.refresh(other.refresh)).status, 200);
  });

  test("a first-party app shows its access token, with whatever hint", async () => {
    const { access } = await stage.logIn("kim");
    assert.equal((await revoke(access, {}, { client_id: "mapae", token_type_hint: "refresh_token" })).status, 200);
    assert.equal((await stage.call("GET", "/v1/me", { token: access })).status, 401);
  });

  test("a resource server cannot end what a refresh token holds, nor a client what is another's", async () => {
    const { refresh } = await stage.logIn("kim");
    assert.equal((await revoke(refresh, { as: orders })).status, 200);
    assert.equal((await stage.refresh(refresh)).status, 200);
  });

  test("many tokens of one grant: the grant ends in their stead", async () => {
    const tokens = await stage.logIn("kim");
    let { access, refresh } = tokens;
    for (let round = 0; round < 12; round += 1) {
      await revoke(access, { as: orders });
      const { status, body } = await stage.refresh(refresh);
      if (status !== 200) break;
      access = String(body.access_token);
      refresh = String(body.refresh_token);
    }
    assert.equal((await stage.refresh(refresh)).body.code, "session_ended");
    const entries = await stage.storage.revocation.after({ epoch: 0, seq: 0 }, 10_000);
    assert.equal(entries.filter(({ grant }) => grant === claimsOf(access).gid).length, 0);
    assert.ok(entries.some(({ kind, value }) => kind === "grant" && value === claimsOf(access).gid));
  });
});

describe("requests that are none", () => {
  const PATHS = ["/oauth2/introspect", "/oauth2/revoke"] as const;
  for (const path of PATHS) {
    test(`${path}: wrong credentials are 401 invalid_client, alike for every way of being wrong`, async () => {
      const asks: readonly Ask[] = [
        {},
        { as: { ...orders, secret: "wrong" } },
        { as: { id: "nobody", secret: "x" } },
        { as: { id: "mapae", secret: "x" } },
        { headers: { authorization: "Basic !!!" } },
        { headers: { authorization: `Basic ${btoa("no colon")}` } },
        { headers: { authorization: `Basic ${btoa("orders%ZZ:x")}` } },
        { headers: { authorization: "Bearer x" } },
      ];
      for (const ask of asks) {
        const answer = await post(path, { token: "x" }, ask);
        assert.deepEqual([answer.status, answer.body], [401, { error: "invalid_client" }]);
        assert.match(answer.headers.get("www-authenticate") ?? "", /^Basic /);
      }
    });

    test(`${path}: what is no form with one token is 400 invalid_request`, async () => {
      const bad: readonly Ask[] = [
        { raw: "", headers: FORM },
        { raw: "token=", headers: FORM },
        { raw: "token=a&token=b", headers: FORM },
        { raw: '{"token":"x"}', headers: { "content-type": "application/json" } },
        { raw: Buffer.from([0xff, 0xfe]), headers: FORM },
        { raw: `token=${"x".repeat(17_000)}`, headers: FORM },
      ];
      for (const ask of bad) {
        const answer = await stage.call("POST", path, { as: orders, ...ask });
        assert.deepEqual(
          [answer.status, answer.body],
          [400, { error: "invalid_request" }],
          String(ask.raw).slice(0, 40),
        );
      }
      const large = await stage.call("POST", path, { as: orders, raw: `token=${"x".repeat(70_000)}`, headers: FORM });
      assert.deepEqual([large.status, large.body.error], [413, "invalid_request"]);
    });
  }

  test("two ways of saying who one is, and a resource server without its secret", async () => {
    const both = await revoke("x", { as: orders }, { client_id: "files" });
    assert.deepEqual([both.status, both.body.error], [401, "invalid_client"]);
    const bare = await revoke("x", {}, { client_id: "orders" });
    assert.deepEqual([bare.status, bare.body.error], [401, "invalid_client"]);
  });

  test("discovery names both endpoints and how to authenticate there", async () => {
    const { body } = await stage.call("GET", "/.well-known/oauth-authorization-server");
    assert.equal(body.revocation_endpoint, `${ISSUER}/oauth2/revoke`);
    assert.equal(body.introspection_endpoint, `${ISSUER}/oauth2/introspect`);
    assert.deepEqual(body.introspection_endpoint_auth_methods_supported, ["client_secret_basic"]);
  });
});

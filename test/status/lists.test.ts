/** Status lists over HTTP: from a log-in to the bit that is set, checked by nothing but zlib and jose. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { gunzipSync, inflateSync } from "node:zlib";
import { createLocalJWKSet, jwtVerify } from "jose";
import { readConfig } from "../../packages/server/src/settings/config.ts";
import { type Ask, claimsOf, ISSUER, object, openStage, type Stage, type Tokens, text } from "../stage.ts";

const TTL = 20;

interface Named {
  readonly uri: string;
  readonly idx: number;
}

function named(token: string): Named {
  const { uri, idx } = object(object(claimsOf(token).status).status_list);
  assert.equal(typeof idx, "number");
  return { uri: text(uri), idx: Number(idx) };
}

/** As a reader would: fetch what the token names, check the signature, look at the bit. */
async function isInvalid(stage: Stage, token: string): Promise<boolean> {
  const { uri, idx } = named(token);
  const answer = await stage.call("GET", uri.slice(ISSUER.length), {
    headers: { accept: "application/statuslist+jwt" },
  });
  assert.equal(answer.status, 200);
  const jwks = (await stage.call("GET", "/.well-known/jwks.json")).body;
  const { payload } = await jwtVerify(answer.text, createLocalJWKSet({ keys: [], ...jwks }), {
    typ: "statuslist+jwt",
    issuer: ISSUER,
    subject: uri,
    currentDate: new Date(stage.server.operations.world.clock.now()),
    requiredClaims: ["iat", "exp", "ttl"],
  });
  assert.equal(payload.ttl, TTL);
  const { bits, lst } = object(payload.status_list);
  assert.equal(bits, 1);
  const octets = inflateSync(Buffer.from(text(lst), "base64url"));
  assert.ok(idx < octets.length * 8);
  return (((octets[idx >> 3] ?? 0) >> (idx & 7)) & 1) === 1;
}

describe("a server whose tokens name status lists", () => {
  let stage: Stage;
  let admin: string;
  before(async () => {
    stage = await openStage({ settings: { statusListTtl: `${TTL}s`, rateLimit: "off" } });
    admin = await stage.admin();
    await stage.signUp("kim");
    await stage.signUp("lee");
  });
  after(() => stage.close());

  const revoke = (body: Record<string, unknown>, ask: Ask = { token: admin }) =>
    stage.call("POST", "/v1/revocations", { ...ask, body });
  /** Enough for the server to look again. */
  const soon = () => stage.advance(1_000);

  test("a token names a list and an index of its grant, and so does the next", async () => {
    const kim = await stage.logIn("kim");
    const next = text((await stage.refresh(kim.refresh)).body.access_token);
    assert.deepEqual(named(next), named(kim.access));
    assert.match(named(next).uri, /^https:\/\/login\.example\/status-lists\/\d+$/);
    const other = await stage.logIn("kim");
    assert.notEqual(named(other.access).idx, named(kim.access).idx);
    assert.equal(await isInvalid(stage, next), false);
  });

  const ways: [string, (kim: Tokens) => Promise<unknown>][] = [
    ["a log-out", ({ access }) => stage.call("DELETE", "/v1/sessions/current", { token: access })],
    ["the session, by an administrator", ({ session }) => revoke({ kind: "session", id: session })],
    ["the grant", ({ access }) => revoke({ kind: "grant", id: claimsOf(access).gid })],
    [
      "the token, by its own user",
      ({ access }) => revoke({ kind: "token", id: claimsOf(access).jti }, { token: access }),
    ],
    ["the token, by its id alone", ({ access }) => revoke({ kind: "token", id: claimsOf(access).jti })],
    ["the user", ({ user }) => revoke({ kind: "user", id: user })],
    ["the client", () => revoke({ kind: "client", id: "mapae", confirm: "mapae" })],
    [
      "the signing key",
      async ({ access }) => {
        const kid = object(JSON.parse(Buffer.from(access.split(".")[0] ?? "", "base64url").toString())).kid;
        await revoke({ kind: "key", id: kid, confirm: kid });
      },
    ],
    ["everyone", () => revoke({ kind: "all", confirm: "everyone" })],
  ];
  for (const [name, end] of ways) {
    test(`is told in the list: ${name}`, async () => {
      admin = await stage.logIn("administrator").then(async ({ refresh }) => {
        const { body } = await stage.refresh(refresh, {}, { audience: `${ISSUER}/admin` });
        return text(body.access_token);
      });
      const [kim, lee] = [await stage.logIn("kim"), await stage.logIn("lee")];
      assert.deepEqual([await isInvalid(stage, kim.access), await isInvalid(stage, lee.access)], [false, false]);
      await end(kim);
      soon();
      const wide = ["the client", "the signing key", "everyone"].includes(name);
      assert.deepEqual([await isInvalid(stage, kim.access), await isInvalid(stage, lee.access)], [true, wide]);
      const again = await stage.logIn("kim");
      assert.equal(await isInvalid(stage, again.access), false, "who logs in again is in");
    });
  }

  test("after one token was taken back, its grant goes on under another index", async () => {
    const kim = await stage.logIn("kim");
    await revoke({ kind: "token", id: claimsOf(kim.access).jti }, { token: kim.access });
    const next = text((await stage.refresh(kim.refresh)).body.access_token);
    soon();
    assert.deepEqual([await isInvalid(stage, kim.access), await isInvalid(stage, next)], [true, false]);
  });

  test("a list may be read by any page, kept for half of its ttl, asked for by its tag, and packed", async () => {
    const { access } = await stage.logIn("kim");
    const path = named(access).uri.slice(ISSUER.length);
    const get = (headers: Record<string, string> = {}) =>
      stage.server.handler(new Request(`${ISSUER}${path}`, { headers }), { remoteAddress: "192.0.2.1" });
    const plain = await get();
    assert.equal(plain.status, 200);
    assert.equal(plain.headers.get("content-type"), "application/statuslist+jwt");
    assert.equal(plain.headers.get("access-control-allow-origin"), "*");
    assert.equal(plain.headers.get("cache-control"), `public, max-age=${TTL / 2}`);
    assert.equal(plain.headers.get("vary"), "Accept-Encoding");
    const packed = await get({ "accept-encoding": "br, gzip;q=0.8" });
    assert.equal(packed.headers.get("content-encoding"), "gzip");
    assert.equal(gunzipSync(Buffer.from(await packed.arrayBuffer())).toString(), await plain.text());
    for (const refused of ["br", "gzip;q=0", "gzip;q=0.0, br", "x-gzip"]) {
      assert.equal((await get({ "accept-encoding": refused })).headers.get("content-encoding"), null, refused);
    }
    const [plainTag, packedTag] = [plain.headers.get("etag") ?? "", packed.headers.get("etag") ?? ""];
    assert.notEqual(plainTag, packedTag);
    assert.equal((await get({ "if-none-match": plainTag })).status, 304);
    assert.equal((await get({ "if-none-match": `"other", W/${plainTag}` })).status, 304);
    assert.equal((await get({ "if-none-match": packedTag })).status, 200);
    assert.equal((await get({ "if-none-match": packedTag, "accept-encoding": "gzip" })).status, 304);
    stage.advance((TTL / 2) * 1000);
    assert.equal((await get({ "if-none-match": plainTag })).status, 200, "signed anew: the one before expires");
  });

  test("what cannot be had is refused in its own way", async () => {
    const { access } = await stage.logIn("kim");
    const path = named(access).uri.slice(ISSUER.length);
    const status = async (target: string, headers: Record<string, string> = {}) => {
      const answer = await stage.call("GET", target, { headers });
      return [answer.status, answer.body.code];
    };
    assert.deepEqual(await status(`${path}?time=1686925000`), [501, "not_implemented"]);
    for (const accept of ["application/statuslist+cwt", "text/html", "*/*;q=0", "application/statuslist+jwt;q=0.0"]) {
      assert.deepEqual(await status(path, { accept }), [406, "not_acceptable"], accept);
    }
    for (const accept of ["*/*", "application/*", "text/html, Application/StatusList+JWT;q=0.1"]) {
      assert.equal((await status(path, { accept }))[0], 200, accept);
    }
    for (const id of ["0", "1", "01", "-1", "1e9", "x", "999999999999999", "9".repeat(40)]) {
      assert.deepEqual(await status(`/status-lists/${id}`), [404, "not_found"], id);
    }
    assert.equal((await stage.call("POST", path)).status, 405);
  });

  test("the metadata says where all lists are, and there they are", async () => {
    const { access } = await stage.logIn("kim");
    const { body } = await stage.call("GET", "/.well-known/oauth-authorization-server");
    assert.equal(body.status_list_aggregation_endpoint, `${ISSUER}/status-lists`);
    soon();
    const { status_lists: lists } = (await stage.call("GET", "/status-lists")).body;
    assert.ok(Array.isArray(lists) && lists.includes(named(access).uri));
  });
});

test("without the setting no token names a list, and there is none", async () => {
  const stage = await openStage();
  await stage.signUp("kim");
  const kim = await stage.logIn("kim");
  assert.equal(claimsOf(kim.access).status, undefined);
  assert.equal(text(claimsOf(kim.access).jti).length, 22);
  const { body } = await stage.call("GET", "/.well-known/oauth-authorization-server");
  assert.equal(body.status_list_aggregation_endpoint, undefined);
  assert.deepEqual((await stage.call("GET", "/status-lists")).body, { status_lists: [] });
  assert.equal((await stage.call("GET", "/status-lists/1800000000")).status, 404);
  await stage.close();
});

test("with a shared secret the setting stops the start in one line: whoever could check a list could make one", () => {
  const sharedSecret = Buffer.alloc(32, 7).toString("base64url");
  const read = readConfig({ databaseUrl: "memory:", signingAlg: "HS256", sharedSecret, statusListTtl: "30s" });
  assert.deepEqual(read.ok ? [] : read.faults, [
    "statusListTtl is set, but HS256 cannot sign a status list: whoever could check it could make one.",
  ]);
});

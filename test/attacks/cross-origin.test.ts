/** Pages of other origins: forged log-ins, forged changes, planted cookies, and reading what is not theirs. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { object, openStage, PASSWORD, type Stage, type Tokens } from "../stage.ts";

const APP = "https://app.example";
let stage: Stage;
let kim: Tokens;
before(async () => {
  stage = await openStage({ settings: { corsOrigins: APP } });
  await stage.signUp("kim");
  kim = await stage.logIn("kim");
});
after(() => stage.close());

const EVIL: readonly (readonly [string, Record<string, string>])[] = [
  ["a page of another site", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }],
  ["a sandboxed frame", { origin: "null" }],
  ["a sibling domain", { origin: "https://blog.login.example", "sec-fetch-site": "same-site" }],
  ["a request whose origin was stripped", { "sec-fetch-site": "cross-site" }],
];

for (const [who, headers] of EVIL) {
  test(`login CSRF: ${who} cannot log a victim in to the attacker's account`, async () => {
    const body = { identifier: "kim", password: PASSWORD };
    const answer = await stage.call("POST", "/v1/sessions?mode=cookie", { body, headers });
    assert.deepEqual([answer.status, answer.body.code, answer.cookies.size], [403, "forbidden", 0]);
  });
}

test("a page of another origin can change nothing, at any route, with or without a token", async () => {
  const { paths } = (await stage.call("GET", "/openapi.json")).body;
  let tried = 0;
  for (const [path, item] of Object.entries(object(paths))) {
    for (const method of Object.keys(object(item)).filter((method) => method !== "get")) {
      for (const [, headers] of EVIL) {
        const answer = await stage.call(method.toUpperCase(), path.replace(/\{\w+\}/g, "x"), {
          headers,
          token: kim.access,
          body: {},
        });
        const told = path.startsWith("/oauth2/") ? { error: "access_denied" } : { code: "forbidden" };
        assert.equal(answer.status, 403, `${method} ${path}`);
        assert.deepEqual({ ...answer.body, ...told }, answer.body, `${method} ${path}`);
        tried += 1;
      }
    }
  }
  assert.ok(tried > 40);
});

test("a refresh that a page of another site triggers spends no generation", async () => {
  const tokens = await stage.logIn("kim");
  const headers = { cookie: `__Secure-mapae_refresh=${tokens.refresh}`, origin: "https://evil.example" };
  assert.equal((await stage.call("POST", "/v1/sessions/refresh", { body: {}, headers })).status, 403);
  stage.advance(60_000);
  assert.equal((await stage.refresh(tokens.refresh)).status, 200);
});

test("a simple form of another site is no JSON, even where its origin is hidden from us", async () => {
  const headers = { "content-type": "text/plain" };
  const raw = JSON.stringify({ identifier: "kim", password: PASSWORD });
  assert.equal((await stage.call("POST", "/v1/sessions", { raw, headers })).status, 415);
});

test("an allowed origin may call, with credentials, and is named exactly", async () => {
  const body = { identifier: "kim", password: PASSWORD };
  const answer = await stage.call("POST", "/v1/sessions", { body, headers: { origin: APP } });
  assert.equal(answer.status, 201);
  assert.equal(answer.headers.get("access-control-allow-origin"), APP);
  assert.equal(answer.headers.get("access-control-allow-credentials"), "true");
});

test("a page of another origin reads no answer: no header lets it", async () => {
  const headers = { origin: "https://evil.example" };
  for (const path of ["/v1/me", "/v1/sessions", "/healthz", "/"]) {
    const answer = await stage.call("GET", path, { token: kim.access, headers });
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
    assert.match(answer.headers.get("vary") ?? "", /Origin/);
  }
});

test("session fixation: a planted cookie is never taken over by a log-in, which gets tokens of its own", async () => {
  const planted = await stage.logIn("kim");
  await stage.signUp("victim");
  const headers = { cookie: `__Secure-mapae_refresh=${planted.refresh}; __Secure-mapae_device=${planted.device}` };
  const body = { identifier: "victim", password: PASSWORD };
  const answer = await stage.call("POST", "/v1/sessions?mode=cookie", { body, headers });
  const own = answer.cookies.get("__Secure-mapae_refresh")?.value;
  assert.ok(own !== undefined && own !== planted.refresh);
  assert.notEqual(answer.cookies.get("__Secure-mapae_device")?.value, planted.device);
  assert.notEqual(object(answer.body.session).id, planted.session);
  assert.equal((await stage.call("GET", "/v1/me", { token: planted.access })).status, 200, "the attacker's is his own");
});

test("session fixation: no id from outside becomes a session's", async () => {
  const body = { identifier: "kim", password: PASSWORD, session: { id: "ses_chosen" } };
  assert.equal((await stage.call("POST", "/v1/sessions", { body })).status, 422);
});

test("logging in again leaves the earlier session's tokens as they were, and shares none with it", async () => {
  const [one, other] = [await stage.logIn("kim"), await stage.logIn("kim")];
  assert.equal(new Set([one.session, other.session, one.refresh, other.refresh, one.access, other.access]).size, 6);
});

test("two cookies of one name: neither counts, since a sibling domain may have planted one", async () => {
  const [victim, attacker] = [await stage.logIn("victim"), await stage.logIn("kim")];
  const name = "__Secure-mapae_refresh";
  for (const cookie of [
    `${name}=${attacker.refresh}; ${name}=${victim.refresh}`,
    `${name}=${victim.refresh}; ${name}=`,
  ]) {
    const answer = await stage.call("POST", "/v1/sessions/refresh", { body: {}, headers: { cookie } });
    assert.deepEqual([answer.status, answer.body.code], [401, "invalid_refresh_token"]);
    assert.equal(answer.cookies.size, 0, "and what is stored is left alone");
  }
  assert.equal((await stage.refresh(victim.refresh)).status, 200);
});

test("a cookie that is replayed after the log-out is refused, and cleared", async () => {
  const tokens = await stage.logIn("kim");
  await stage.call("DELETE", "/v1/sessions/current", { token: tokens.access });
  const headers = { cookie: `__Secure-mapae_refresh=${tokens.refresh}` };
  const answer = await stage.call("POST", "/v1/sessions/refresh", { body: {}, headers });
  assert.deepEqual([answer.status, answer.body.reason], [401, "logout"]);
  assert.match(answer.cookies.get("__Secure-mapae_refresh")?.attributes ?? "", /Max-Age=0/);
});

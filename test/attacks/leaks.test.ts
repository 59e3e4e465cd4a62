/** What must not come out: secrets in the log, measurements to strangers, one user's text into another's page. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { list, marked, object, openStage, type Stage, type Tokens } from "../stage.ts";

const METRICS_TOKEN = marked("metrics-token");
let stage: Stage;
before(async () => {
  stage = await openStage({ settings: { metricsToken: METRICS_TOKEN, trustedProxies: "10.0.0.0/8" } });
});
after(() => stage.close());

test("secrets in the log: a whole life of an account leaves none", async () => {
  const password = marked("password");
  const next = marked("next-password");
  const identifier = "log@example.com";
  const query = marked("query");
  await stage.call("POST", "/v1/users", { body: { identifier, password } });
  const entered = await stage.call("POST", "/v1/sessions", { body: { identifier, password } });
  const { access_token, refresh_token, device_token } = entered.body;
  const token = String(access_token);
  const key = marked("idempotency-key");
  const renewed = await stage.refresh(String(refresh_token), { headers: { "idempotency-key": key } });
  await stage.call("POST", "/v1/me/password", { token, body: { current_password: password, new_password: next } });
  await stage.call("POST", "/v1/sessions", { body: { identifier, password: marked("wrong-password") } });
  await stage.call("POST", `/v1/sessions?${query}=1`, { body: { identifier, password } });
  await stage.call("GET", `/v1/${marked("path")}`, { headers: { cookie: `x=${marked("cookie")}` } });
  await stage.call("GET", `/v1/sessions/${marked("path")}`, { token: marked("token") });
  await stage.call("POST", "/v1/users", {
    raw: `{"password":"${marked("broken")}`,
    headers: { "content-type": "application/json" },
  });
  stage.advance(11_000);
  await stage.refresh(String(refresh_token));
  const secrets = [
    password,
    next,
    key,
    query,
    token,
    token.split(".")[2],
    refresh_token,
    device_token,
    renewed.body.refresh_token,
    ...["wrong-password", "path", "cookie", "token", "broken"].map(marked),
    stage.server.exampleSecret?.reveal(),
    METRICS_TOKEN,
  ];
  const log = stage.log();
  const { items } = await stage.storage.audit.list({}, { limit: 200, after: null });
  const audit = JSON.stringify(items);
  for (const secret of secrets) {
    assert.ok(typeof secret === "string" && secret !== "");
    assert.equal(log.includes(secret), false, `the log has ${secret.slice(0, 20)}`);
    assert.equal(audit.includes(secret), false, `the audit has ${secret.slice(0, 20)}`);
  }
});

test("the log is one JSON object a line, each request with its id, route and status", () => {
  const lines = stage.log().trim().split("\n");
  for (const line of lines) {
    const entry = object(JSON.parse(line));
    assert.ok(entry.level !== undefined && typeof entry.time === "string");
    if (entry.msg === "request") assert.ok(entry.request_id && entry.method && entry.route && entry.status);
  }
});

const OUTSIDE: readonly (readonly [string, string, Record<string, string>])[] = [
  ["another machine", "203.0.113.1", {}],
  ["another machine that says it is loopback", "203.0.113.1", { "x-forwarded-for": "127.0.0.1" }],
  ["a stranger through a proxy on this machine", "127.0.0.1", { "x-forwarded-for": "203.0.113.1" }],
  ["a stranger who says loopback through a proxy of ours", "10.0.0.1", { "x-forwarded-for": "127.0.0.1" }],
  ["a proxy on this machine that says Forwarded", "127.0.0.1", { forwarded: "for=203.0.113.1" }],
  ["a proxy on this machine that says Via", "127.0.0.1", { via: "1.1 proxy" }],
  ["a wrong credential", "203.0.113.1", { authorization: "Bearer wrong" }],
  ["a credential in the wrong scheme", "203.0.113.1", { authorization: `Basic ${METRICS_TOKEN}` }],
];
for (const [who, from, headers] of OUTSIDE) {
  test(`measurements from outside: ${who} gets none`, async () => {
    const answer = await stage.call("GET", "/metrics", { from, headers });
    assert.deepEqual([answer.status, answer.body.code], [403, "forbidden"]);
  });
}

test("measurements go to the machine itself and to the credential", async () => {
  for (const from of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) {
    assert.equal((await stage.call("GET", "/metrics", { from })).status, 200);
  }
  const headers = { authorization: `Bearer ${METRICS_TOKEN}` };
  assert.equal((await stage.call("GET", "/metrics", { from: "203.0.113.1", headers })).status, 200);
});

test("measurements name routes by their pattern, so that no caller can make new ones", async () => {
  const secret = marked("label");
  await stage.call("GET", `/${secret}`);
  await stage.call("DELETE", `/v1/sessions/${secret}`);
  await stage.call(secret.slice(0, 5), "/v1/me");
  const { text } = await stage.call("GET", "/metrics", { from: "127.0.0.1" });
  assert.equal(text.includes(secret.slice(0, 5)), false);
});

let kim: Tokens;
test("header injection: a device name breaks no header, no line and no terminal", async () => {
  await stage.signUp("kim");
  const name = "My\r\nSet-Cookie: x=1\u0000\u001b[31m\u202ephone";
  const refused = await stage.call("POST", "/v1/sessions", {
    body: { identifier: "kim", password: "one horse, two batteries", device: { name } },
  });
  assert.equal(refused.status, 422);
  kim = await stage.logIn("kim", { headers: { "user-agent": "Evil\u00a0<script>alert(1)</script>" } });
  const answer = await stage.call("GET", "/v1/sessions", { token: kim.access });
  const [session] = list(answer.body.sessions);
  assert.doesNotMatch(String(object(session?.device).name), /\p{C}/u);
  assert.equal(answer.headers.get("set-cookie"), null);
  assert.equal(answer.headers.get("content-type"), "application/json");
});

test("a user agent of a hundred kilobytes is cut to a label", async () => {
  const tokens = await stage.logIn("kim", { headers: { "user-agent": "x".repeat(100_000) } });
  const { body } = await stage.call("GET", "/v1/me", { token: tokens.access });
  assert.ok(String(object(object(body.session).device).name).length <= 100);
});

test("prototype pollution: no body reaches a prototype, at any depth", async () => {
  const bodies = [
    '{"__proto__":{"roles":["admin"]},"identifier":"p1","password":"one horse, two batteries"}',
    '{"identifier":"p2","password":"one horse, two batteries","constructor":{"prototype":{"roles":["admin"]}}}',
    '{"identifier":"kim","password":"one horse, two batteries","device":{"__proto__":{"name":"x"}}}',
  ];
  for (const raw of bodies) {
    for (const path of ["/v1/users", "/v1/sessions"]) {
      const answer = await stage.call("POST", path, { raw, headers: { "content-type": "application/json" } });
      assert.equal(answer.status, 422, raw);
    }
  }
  const plain: Record<string, unknown> = {};
  assert.equal(plain.roles, undefined);
});

test("an answer that names a session tells neither its refresh token nor its device's id", async () => {
  const answer = await stage.call("GET", "/v1/sessions", { token: kim.access });
  for (const secret of [kim.refresh, kim.device]) assert.equal(answer.text.includes(secret), false);
  assert.doesNotMatch(answer.text, /dev_|secret|password/);
});

test("every answer forbids guessing its type, and none of an account is stored by caches", async () => {
  for (const path of ["/v1/me", "/v1/sessions", "/nothing"]) {
    const { headers } = await stage.call("GET", path, { token: kim.access });
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("cache-control"), "no-store");
  }
});

/** Every route does what the document at /openapi.json says of it, under the names that clients depend on. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { z } from "zod";
import { openProvider } from "../ssf/provider.ts";
import {
  type Answer,
  type Ask,
  claimsOf,
  ISSUER,
  type Json,
  list,
  object,
  openStage,
  PASSWORD,
  type Stage,
  type Tokens,
  text,
} from "../stage.ts";

let stage: Stage;
let admin: string;
let kim: Tokens;
let document: Json;
const served = new Set<string>();

before(async () => {
  stage = await openStage({ settings: { statusListTtl: "30s", dangerouslyAllowSsfTo: "127.0.0.1" } });
  admin = await stage.admin();
  document = (await stage.call("GET", "/openapi.json")).body;
});
after(() => stage.close());

/** The row of the document for a request, by its pattern. */
function operationOf(method: string, path: string): { name: string; operation: Json } {
  const plain = path.split("?")[0] ?? "";
  const exact = Object.entries(object(document.paths)).sort(([a], [b]) => a.split("{").length - b.split("{").length);
  for (const [pattern, item] of exact) {
    const matches = new RegExp(`^${pattern.replace(/[.]/g, "\\.").replace(/\{\w+\}/g, "[^/]+")}$`).test(plain);
    const operation = object(item)[method.toLowerCase()];
    if (matches && operation !== undefined) return { name: `${method} ${pattern}`, operation: object(operation) };
  }
  return assert.fail(`${method} ${path} is not in the document`);
}

/** Asks, and holds the answer against the document: a status it promises, and a body of its schema. */
async function ask(method: string, path: string, more: Ask = {}): Promise<Answer> {
  const { name, operation } = operationOf(method, path);
  const answer = await stage.call(method, path, more);
  const promised = object(operation.responses)[answer.status];
  assert.ok(promised, `${name} answered ${answer.status}: ${answer.text}`);
  assert.ok(answer.status < 300, `${name} answered ${answer.status}: ${answer.text}`);
  served.add(name);
  const schema = object(object(object(promised).content)["application/json"]).schema;
  if (schema !== undefined) {
    const read = z.fromJSONSchema(object(schema)).safeParse(answer.body);
    assert.ok(read.success, `${name}: ${read.error?.message}`);
  }
  assert.ok(answer.headers.has("x-request-id"));
  assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  return answer;
}

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/;

test("POST /v1/users signs up and answers 201 with the user, and nothing of the password", async () => {
  const body = { identifier: "Kim@Example.com", password: PASSWORD, name: "Kim" };
  const answer = await ask("POST", "/v1/users", { body });
  assert.equal(answer.status, 201);
  const user = object(answer.body.user);
  assert.match(text(user.id), /^usr_/);
  assert.deepEqual([user.identifier, user.name, user.state, user.roles], ["Kim@Example.com", "Kim", "active", []]);
  assert.match(text(user.created_at), TIME);
  assert.doesNotMatch(answer.text, /password/i);
});

test("POST /v1/sessions logs in and answers 201 with session, user and tokens", async () => {
  const body = { identifier: " KIM@example.COM", password: PASSWORD, device: { name: "Kim's phone" } };
  const answer = await ask("POST", "/v1/sessions", { body, headers: { "user-agent": "curl/8" } });
  assert.equal(answer.status, 201);
  assert.deepEqual([answer.body.token_type, answer.body.expires_in, answer.body.scope], ["Bearer", 300, "account"]);
  assert.equal(answer.headers.get("cache-control"), "no-store");
  assert.equal(answer.cookies.size, 0);
  kim = {
    access: text(answer.body.access_token),
    refresh: text(answer.body.refresh_token),
    device: text(answer.body.device_token),
    session: text(object(answer.body.session).id),
    user: text(object(answer.body.user).id),
  };
  assert.equal(object(object(answer.body.session).device).name, "Kim's phone");
});

test("the access token is one of RFC 9068, with the claims that verifiers rely on", () => {
  const claims = claimsOf(kim.access);
  const { iss, aud, sub, sid, client_id, scope, exp, iat, amr, rsq } = claims;
  assert.deepEqual(
    { iss, aud, sub, sid, client_id, scope, amr },
    { iss: ISSUER, aud: ISSUER, sub: kim.user, sid: kim.session, client_id: "mapae", scope: "account", amr: ["pwd"] },
  );
  assert.equal(Number(exp) - Number(iat), 300);
  assert.ok(Array.isArray(rsq) && typeof claims.jti === "string" && typeof claims.gid === "string");
  assert.equal(claims.auth_time, iat);
  const header = object(JSON.parse(Buffer.from(kim.access.split(".")[0] ?? "", "base64url").toString()));
  assert.deepEqual([header.typ, header.alg], ["at+jwt", "ES256"]);
});

test("POST /v1/sessions/refresh answers 200 with the same token members and the next refresh token", async () => {
  const body = { refresh_token: kim.refresh };
  const headers = { "idempotency-key": "attempt-0001" };
  const answer = await ask("POST", "/v1/sessions/refresh", { body, headers });
  assert.deepEqual([answer.body.token_type, answer.body.expires_in], ["Bearer", 300]);
  const next = text(answer.body.refresh_token);
  assert.notEqual(next, kim.refresh);
  assert.equal(claimsOf(text(answer.body.access_token)).gid, claimsOf(kim.access).gid);
  assert.notEqual(claimsOf(text(answer.body.access_token)).jti, claimsOf(kim.access).jti);
  kim = { ...kim, refresh: next };
});

test("a log-in in cookie mode puts the refresh token out of reach, and the cookie refreshes", async () => {
  const body = { identifier: "kim@example.com", password: PASSWORD };
  const answer = await ask("POST", "/v1/sessions?mode=cookie", { body });
  assert.equal(answer.body.refresh_token, undefined);
  assert.equal(answer.body.device_token, undefined);
  const refresh = answer.cookies.get("__Secure-mapae_refresh");
  const device = answer.cookies.get("__Secure-mapae_device");
  assert.equal(refresh?.attributes, "Path=/v1/sessions; Max-Age=1209600; HttpOnly; Secure; SameSite=Strict");
  assert.ok(refresh && device);
  assert.equal(answer.text.includes(refresh.value), false);
  const cookie = `__Secure-mapae_device=${device.value}; __Secure-mapae_refresh=${refresh.value}`;
  const again = await ask("POST", "/v1/sessions/refresh", { body: {}, headers: { cookie } });
  assert.equal(again.body.refresh_token, undefined);
  const next = again.cookies.get("__Secure-mapae_refresh")?.value;
  assert.ok(next !== undefined && next !== refresh.value);
  const out = await ask("DELETE", "/v1/sessions/current", { token: text(again.body.access_token) });
  assert.deepEqual(out.cookies.get("__Secure-mapae_refresh")?.value, "");
  assert.match(out.cookies.get("__Secure-mapae_refresh")?.attributes ?? "", /Max-Age=0/);
});

test("GET /v1/sessions lists the live sessions, newest first, and says which one asks", async () => {
  stage.advance(1000);
  const other = await stage.logIn("kim@example.com", { from: "198.51.100.7" });
  const { body } = await ask("GET", "/v1/sessions", { token: kim.access });
  const sessions = list(body.sessions);
  assert.deepEqual(
    sessions.map(({ id, current, ip }) => [id, current, ip]),
    [
      [other.session, false, "198.51.100.7"],
      [kim.session, true, "192.0.2.1"],
    ],
  );
  for (const { created_at, last_seen_at } of sessions) {
    assert.match(text(created_at), TIME);
    assert.match(text(last_seen_at), TIME);
  }
});

test("GET and PATCH /v1/me: the user and the session, and another name", async () => {
  const { body } = await ask("GET", "/v1/me", { token: kim.access });
  assert.deepEqual([object(body.user).id, object(body.session).id], [kim.user, kim.session]);
  const renamed = await ask("PATCH", "/v1/me", { token: kim.access, body: { name: "김" } });
  assert.equal(object(renamed.body.user).name, "김");
  const unnamed = await ask("PATCH", "/v1/me", { token: kim.access, body: { name: null } });
  assert.equal(object(unnamed.body.user).name, null);
});

test("POST /v1/me/password changes it, and may leave the other sessions alone", async () => {
  const other = await stage.logIn("kim@example.com");
  const next = "a different horse altogether";
  const change = (current: string, wanted: string, more: Json = {}) =>
    ask("POST", "/v1/me/password", {
      token: kim.access,
      body: { current_password: current, new_password: wanted, ...more },
    });
  assert.equal((await change(PASSWORD, next, { end_other_sessions: false })).status, 204);
  assert.equal((await stage.call("GET", "/v1/me", { token: other.access })).status, 200);
  assert.equal((await change(next, PASSWORD)).status, 204);
  assert.equal((await stage.call("GET", "/v1/me", { token: other.access })).status, 401);
});

test("logging out one device, and all of them", async () => {
  const other = await stage.logIn("kim@example.com");
  assert.equal((await ask("DELETE", `/v1/sessions/${other.session}`, { token: kim.access })).status, 204);
  const last = await stage.logIn("kim@example.com");
  assert.equal((await ask("DELETE", "/v1/sessions?keep=current", { token: last.access })).status, 204);
  assert.equal((await ask("DELETE", "/v1/sessions", { token: last.access })).status, 204);
});

test("the admin API: users", async () => {
  const { body } = await ask("GET", "/v1/admin/users?identifier=KIM", { token: admin });
  assert.deepEqual(
    list(body.users).map(({ id }) => id),
    [kim.user],
  );
  const dotted = await ask("GET", `/v1/admin/users?identifier=${encodeURIComponent("Kİm@")}`, { token: admin });
  assert.equal(list(dotted.body.users).length, 1, "found by any spelling of the name");
  await ask("GET", `/v1/admin/users/${kim.user}`, { token: admin });
  const wish = { name: "Kim", roles: ["editor", "editor"], state: "disabled" };
  const patched = await ask("PATCH", `/v1/admin/users/${kim.user}`, { token: admin, body: wish });
  const { roles, state } = object(patched.body.user);
  assert.deepEqual([roles, state], [["editor"], "disabled"]);
  const disabled = await ask("GET", "/v1/admin/users?state=disabled", { token: admin });
  assert.equal(list(disabled.body.users).length, 1);
  assert.equal((await ask("DELETE", `/v1/admin/users/${kim.user}`, { token: admin })).status, 204);
});

test("the admin API: sessions, and ending one, a user's, and everyone's", async () => {
  await stage.signUp("lee");
  const lee = await stage.logIn("lee");
  const { body } = await ask("GET", `/v1/admin/sessions?user=${lee.user}&live=true`, { token: admin });
  assert.deepEqual(
    list(body.sessions).map(({ id, user_id, ended_at, end_reason }) => [id, user_id, ended_at, end_reason]),
    [[lee.session, lee.user, null, null]],
  );
  assert.equal((await ask("DELETE", `/v1/admin/sessions/${lee.session}`, { token: admin })).status, 204);
  const ended = await ask("GET", `/v1/admin/sessions?user=${lee.user}`, { token: admin });
  assert.equal(list(ended.body.sessions)[0]?.end_reason, "admin");
  await stage.logIn("lee");
  const some = await ask("DELETE", `/v1/admin/sessions?user=${lee.user}`, { token: admin });
  assert.deepEqual(some.body, { ended: 1 });
});

test("the admin API: clients, whose secret is told once", async () => {
  const app = { id: "web-app", kind: "first_party", name: "Web", scope: "account read" };
  const made = await ask("POST", "/v1/admin/clients", { token: admin, body: app });
  assert.equal(made.body.client_secret, undefined, "a public client has none");
  const api = { kind: "resource_server", name: "Orders", audience: "https://orders.example" };
  const { body } = await ask("POST", "/v1/admin/clients", { token: admin, body: api });
  assert.ok(text(body.client_secret).length >= 43);
  const listed = await ask("GET", "/v1/admin/clients", { token: admin });
  assert.ok(list(listed.body.clients).some(({ audience }) => audience === "https://orders.example"));
  assert.equal(listed.text.includes(text(body.client_secret)), false);
  const tokens = await stage.logIn("lee", { body: { client_id: "web-app", scope: "read" } });
  assert.equal(claimsOf(tokens.access).scope, "read");
  const more = { client_id: "web-app", audience: "https://orders.example" };
  const renewed = await stage.refresh(tokens.refresh, {}, more);
  assert.equal(claimsOf(text(renewed.body.access_token)).aud, "https://orders.example");
  const key = { kty: "OKP", crv: "X25519", x: "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08" };
  const keyed = await ask("PATCH", `/v1/admin/clients/${object(body.client).id}`, {
    token: admin,
    body: { jwks: { keys: [key] } },
  });
  assert.partialDeepStrictEqual(keyed.body, { client: { jwks: { keys: [{ ...key, use: "enc", alg: "ECDH-ES" }] } } });
  assert.equal((await ask("DELETE", "/v1/admin/clients/web-app", { token: admin })).status, 204);
});

test("the admin API: keys", async () => {
  const before = await ask("GET", "/v1/admin/keys", { token: admin });
  const active = list(before.body.keys).find(({ state }) => state === "active");
  const rotated = await ask("POST", "/v1/admin/keys/rotate", { token: admin, body: { now: true } });
  const kid = text(object(rotated.body.key).kid);
  assert.notEqual(kid, active?.kid);
  assert.equal((await ask("POST", `/v1/admin/keys/${kid}/retire`, { token: admin, body: { now: true } })).status, 204);
  const after = await ask("GET", "/v1/admin/keys", { token: admin });
  const stolen = text(list(after.body.keys).find(({ state }) => state === "active")?.kid);
  const body = { confirm: stolen };
  assert.equal((await ask("POST", `/v1/admin/keys/${stolen}/revoke`, { token: admin, body })).status, 204);
  assert.equal((await stage.call("GET", "/.well-known/jwks.json")).text.includes(stolen), false);
});

test("the admin API: the audit tells who did what, newest first", async () => {
  const { body } = await ask("GET", "/v1/admin/audit?name=key.revoked", { token: admin });
  const [event] = list(body.events);
  assert.equal(object(event?.actor).kind, "administrator");
  assert.equal(event?.ip, "192.0.2.1");
  assert.equal(list(body.events).length, 1);
});

test("the admin API: webhooks, whose secrets are told once", async () => {
  const wish = { url: "https://hooks.example.com/in", kinds: ["user", "session"] };
  const made = await ask("POST", "/v1/admin/webhooks", { token: admin, body: wish });
  const webhook = object(made.body.webhook);
  assert.deepEqual([webhook.url, webhook.state, webhook.kinds], [wish.url, "active", ["session", "user"]]);
  assert.match(text(made.body.secret), /^whsec_[A-Za-z0-9+/]{43}=$/);
  const path = `/v1/admin/webhooks/${text(webhook.id)}`;
  const rotated = await ask("POST", `${path}/rotate-secret`, { token: admin, body: { overlap_seconds: 60 } });
  assert.notEqual(rotated.body.secret, made.body.secret);
  const again = await ask("POST", `${path}/replay`, { token: admin, body: { after: "0.0" } });
  assert.deepEqual(object(again.body.webhook).position, { epoch: 0, seq: 0 });
  assert.deepEqual((await ask("GET", `${path}/deliveries?limit=5`, { token: admin })).body, { deliveries: [] });
  const listed = await ask("GET", "/v1/admin/webhooks", { token: admin });
  assert.equal(list(listed.body.webhooks).length, 1);
  assert.doesNotMatch(listed.text, /secret_?":|whsec/);
  assert.equal((await ask("DELETE", path, { token: admin })).status, 204);
  assert.equal((await stage.call("DELETE", path, { token: admin })).status, 404);
});

test("Shared Signals: a stream's life, by its receiver and by an administrator", async () => {
  const as = await stage.resourceServer("signals");
  assert.equal((await ask("GET", "/.well-known/ssf-configuration")).body.spec_version, "1_0");
  const made = await ask("POST", "/ssf/streams", { as, body: { description: "ours" } });
  const { stream_id, delivery } = made.body;
  const id = text(stream_id);
  assert.equal((await ask("GET", `/ssf/streams?stream_id=${id}`, { as })).body.description, "ours");
  const patch = { stream_id, description: "theirs" };
  assert.equal((await ask("PATCH", "/ssf/streams", { as, body: patch })).body.description, "theirs");
  assert.equal((await ask("PUT", "/ssf/streams", { as, body: { stream_id, delivery } })).body.description, undefined);
  await ask("POST", "/ssf/status", { as, body: { stream_id, status: "enabled" } });
  assert.deepEqual((await ask("GET", `/ssf/status?stream_id=${id}`, { as })).body, { stream_id, status: "enabled" });
  const subject = { format: "email", email: "nobody@example.com" };
  assert.equal((await ask("POST", "/ssf/subjects/remove", { as, body: { stream_id, subject } })).status, 204);
  assert.equal((await ask("POST", "/ssf/subjects/add", { as, body: { stream_id, subject } })).status, 200);
  assert.equal((await ask("POST", "/ssf/verify", { as, body: { stream_id } })).status, 204);
  const polled = await ask("POST", `/ssf/streams/${id}/poll`, { as, body: {} });
  assert.equal(Object.keys(object(polled.body.sets)).length, 1);
  assert.equal((await ask("DELETE", `/ssf/streams?stream_id=${id}`, { as })).status, 204);

  const body = { client_id: as.id, events: ["session-revoked"], naming: "email" };
  const by = await ask("POST", "/v1/admin/ssf/streams", { token: admin, body });
  const stream = object(by.body.stream);
  assert.deepEqual([stream.method, stream.naming, stream.status], ["poll", "email", "enabled"]);
  const path = `/v1/admin/ssf/streams/${text(stream.id)}`;
  const paused = await ask("PATCH", path, { token: admin, body: { status: "paused", reason: "why" } });
  assert.equal(object(paused.body.stream).status_reason, "why");
  const listed = await ask("GET", "/v1/admin/ssf/streams", { token: admin });
  assert.equal(list(listed.body.streams).length, 1);
  assert.equal((await ask("DELETE", path, { token: admin })).status, 204);
  assert.equal((await stage.call("DELETE", path, { token: admin })).status, 404);
});

test("Shared Signals: a receiver's life, and an event that is pushed to it", async (t) => {
  const provider = await openProvider();
  t.after(() => provider.close());
  const body = { issuer: provider.issuer, method: "push", domains: ["example.com"] };
  const added = await ask("POST", "/v1/admin/ssf/receivers", { token: admin, body });
  const path = `/v1/admin/ssf/receivers/${text(object(added.body.receiver).id)}`;
  assert.equal(added.body.push, null, "the provider knows it already");
  const set = provider.sign("urn:unheard-of", { sub_id: { format: "email", email: "kim@example.com" } });
  const headers = {
    "content-type": "application/secevent+jwt",
    authorization: text(object(provider.stream().delivery).authorization_header),
  };
  const pushed = await ask("POST", path.replace("/v1/admin/ssf/receivers", "/ssf/events"), { raw: set, headers });
  assert.deepEqual([pushed.status, pushed.text], [202, ""]);
  const asked = await ask("POST", `${path}/verify`, { token: admin });
  assert.equal(object(asked.body.receiver).verified_at, null);
  const wish = { state: "paused", domains: [], disable_accounts: true };
  const paused = object((await ask("PATCH", path, { token: admin, body: wish })).body.receiver);
  assert.deepEqual([paused.state, paused.domains, paused.disable_accounts], ["paused", [], true]);
  const shown = object((await ask("GET", path, { token: admin })).body.receiver);
  assert.deepEqual([shown.events, shown.method, shown.issuer], [1, "push", provider.issuer]);
  const listed = await ask("GET", "/v1/admin/ssf/receivers", { token: admin });
  assert.deepEqual(listed.body.receivers, [shown]);
  assert.deepEqual((await ask("DELETE", path, { token: admin })).body, { left: null });
  for (const method of ["GET", "DELETE"]) assert.equal((await stage.call(method, path, { token: admin })).status, 404);
});

test("lists come in pages that miss nothing and repeat nothing", async () => {
  for (const [path, member] of [
    ["/v1/admin/users", "users"],
    ["/v1/admin/sessions", "sessions"],
    ["/v1/admin/clients", "clients"],
    ["/v1/admin/audit", "events"],
  ] as const) {
    const whole = await ask("GET", `${path}?limit=200`, { token: admin });
    const expected = list(whole.body[member]).map(({ id }) => id);
    const found: unknown[] = [];
    let next = "";
    do {
      const page = await ask("GET", `${path}?limit=2${next}`, { token: admin });
      found.push(...list(page.body[member]).map(({ id }) => id));
      next = page.body.next === null ? "" : `&after=${text(page.body.next)}`;
    } while (next !== "");
    assert.ok(expected.length > 1);
    assert.deepEqual(found, expected, path);
  }
});

test("discovery: keys with cache headers, and metadata that lists what exists", async () => {
  const keys = await ask("GET", "/.well-known/jwks.json");
  assert.equal(keys.headers.get("cache-control"), "public, max-age=300");
  assert.ok(list(keys.body.keys).length >= 2);
  for (const path of ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]) {
    const { body } = await ask("GET", path);
    assert.deepEqual([body.issuer, body.jwks_uri], [ISSUER, `${ISSUER}/.well-known/jwks.json`]);
  }
});

test("status lists: where they are, and the one that a token names", async () => {
  const { uri } = object(object(claimsOf(kim.access).status).status_list);
  const { body } = await ask("GET", "/status-lists");
  assert.deepEqual(body, { status_lists: [uri] });
  const { headers } = await ask("GET", String(uri).slice(ISSUER.length));
  assert.equal(headers.get("content-type"), "application/statuslist+jwt");
});

test("operations: alive, ready, and measurements for the machine itself", async () => {
  await ask("GET", "/healthz");
  await ask("GET", "/readyz");
  const { text: measured } = await ask("GET", "/metrics", { from: "127.0.0.1" });
  assert.match(measured, /mapae_http_requests_total\{route="\/v1\/users",method="POST",status="201"\} \d/);
  await ask("GET", "/openapi.json");
});

test("revocations: taking something back, how far that has come, and the feed for resource servers", async () => {
  const taken = await ask("POST", "/v1/revocations", { token: admin, body: { kind: "token", id: "jti", wait: "all" } });
  assert.equal(taken.status, 201);
  const { epoch, seq } = object(taken.body.position);
  const seen = await ask("GET", `/v1/admin/revocations/${epoch}.${seq}`, { token: admin });
  assert.deepEqual([seen.body.confirmed, seen.body.settled], [true, true]);
  const as = await stage.resourceServer("routes-api");
  await ask("GET", "/v1/revocations/snapshot", { as });
  const given = await ask("POST", "/v1/revocations/tickets", { as, body: {} });
  const ticket = String(given.body.ticket);
  const bearer = { headers: { authorization: `Bearer ${ticket}` } };
  assert.equal((await stage.call("GET", "/v1/revocations/snapshot", bearer)).status, 200);
  // It does for following, and for nothing else: not even for the next one.
  assert.equal((await stage.call("POST", "/v1/revocations/tickets", { ...bearer, body: {} })).status, 401);
  assert.equal((await stage.call("POST", "/oauth2/introspect", bearer)).status, 401);
  await ask("GET", `/v1/revocations?after=${epoch}.0&ping=1`, { as });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const raw = new URLSearchParams({ token: admin }).toString();
  await ask("POST", "/oauth2/introspect", { as, headers, raw });
  await ask("POST", "/oauth2/revoke", { as, headers, raw: "token=unknown" });
  // A request that asks for no upgrade is told so; a socket does it in test/feed.
  assert.equal((await stage.call("GET", "/v1/revocations/stream")).status, 426);
  served.add("GET /v1/revocations/stream");
});

test("ending everyone's sessions takes the administrator's along", async () => {
  const answer = await ask("DELETE", "/v1/admin/sessions?confirm=everyone", { token: admin });
  assert.ok(Number(answer.body.ended) > 1);
  assert.equal((await stage.call("GET", "/v1/admin/keys", { token: admin })).status, 401);
});

test("every route in the document was asked here", () => {
  const documented = Object.entries(object(document.paths)).flatMap(([path, item]) =>
    Object.keys(object(item)).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual([...served].sort(), documented.sort());
});

/** Log-ins by a session token in a cookie: looked up at every request, one kill unit like any other log-in. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Answer, list, object, openStage, PASSWORD, text } from "../stage.ts";

const MINUTE = 60_000;
const NAME = "__Host-mapae_session";
const stage = await openStage({ settings: { sessionTtl: "2h", refreshIdle: "30m" } });
after(() => stage.close());
await stage.signUp("kim");

interface LoggedIn {
  readonly cookie: string;
  readonly id: string;
}

async function logIn(device = "Phone"): Promise<LoggedIn & { answer: Answer }> {
  const body = { identifier: "kim", password: PASSWORD, device: { name: device } };
  const answer = await stage.call("POST", "/v1/sessions?mode=session", { body });
  assert.equal(answer.status, 201, answer.text);
  return { answer, cookie: `${NAME}=${answer.cookies.get(NAME)?.value}`, id: text(object(answer.body.session).id) };
}

const me = ({ cookie }: { readonly cookie: string }) => stage.call("GET", "/v1/me", { headers: { cookie } });

test("a log-in in session mode sets one cookie that no other host can set, and tells no token", async () => {
  const { answer } = await logIn();
  assert.equal(
    answer.cookies.get(NAME)?.attributes,
    "Path=/; Max-Age=7200; HttpOnly; Secure; SameSite=Strict",
    "as long as the session can last",
  );
  assert.deepEqual(
    [answer.body.access_token, answer.body.refresh_token, answer.body.device_token],
    [undefined, undefined, undefined],
  );
  assert.ok(answer.cookies.has("__Secure-mapae_device"));
  assert.equal(answer.text.includes(answer.cookies.get(NAME)?.value ?? NAME), false);
});

test("the cookie opens the account routes, and says whose session it is", async () => {
  const session = await logIn();
  const answer = await me(session);
  assert.equal(answer.status, 200);
  assert.equal(object(answer.body.session).id, session.id);
  const devices = await stage.call("GET", "/v1/sessions", { headers: { cookie: session.cookie } });
  assert.equal(list(devices.body.sessions).find(({ current }) => current)?.id, session.id);
});

test("it is no access token, no refresh token, and opens nothing of the operator's", async () => {
  const { cookie } = await logIn();
  const value = cookie.slice(NAME.length + 1);
  assert.equal((await stage.call("GET", "/v1/me", { token: value })).status, 401);
  assert.equal((await stage.refresh(value)).body.code, "invalid_refresh_token");
  assert.equal((await stage.call("GET", "/v1/admin/users", { headers: { cookie } })).status, 401);
  const tokens = await stage.logIn("kim");
  assert.equal((await me({ cookie: `${NAME}=${tokens.refresh}` })).body.code, "invalid_token");
});

test("where an access token comes along, it is the one that counts", async () => {
  const { cookie } = await logIn();
  assert.equal((await stage.call("GET", "/v1/me", { token: "x.y.z", headers: { cookie } })).status, 401);
});

test("a forged one is refused without a look-up, and one spelled differently too", async () => {
  const { cookie } = await logIn();
  const other = cookie.endsWith("A") ? "B" : "A";
  for (const forged of [`${NAME}=${"A".repeat(71)}`, `${NAME}=x`, `${cookie.slice(0, -1)}${other}`, `${NAME}=`]) {
    const answer = await me({ cookie: forged });
    assert.deepEqual([answer.status, answer.body.code], [401, "invalid_token"], forged);
  }
});

test("two cookies of its name are none: one may have been planted", async () => {
  const { cookie } = await logIn();
  assert.equal((await me({ cookie: `${cookie}; ${cookie}` })).body.code, "missing_token");
});

test("logging out here ends it at once, clears the cookie, and says why to whoever still has it", async () => {
  const session = await logIn();
  const out = await stage.call("DELETE", "/v1/sessions/current", { headers: { cookie: session.cookie } });
  assert.equal(out.status, 204);
  assert.match(out.cookies.get(NAME)?.attributes ?? "", /Path=\/; Max-Age=0/);
  const answer = await me(session);
  assert.deepEqual([answer.status, answer.body.code, answer.body.reason], [401, "session_ended", "logout"]);
  assert.match(answer.cookies.get(NAME)?.attributes ?? "", /Max-Age=0/);
});

test("logging out everywhere, by an access token, ends those with a session token too", async () => {
  const session = await logIn();
  const tokens = await stage.logIn("kim");
  await stage.call("DELETE", "/v1/sessions", { token: tokens.access });
  assert.equal((await me(session)).body.reason, "logout");
});

test("a page of another origin can do nothing with it", async () => {
  const { cookie } = await logIn();
  const headers = { cookie, origin: "https://evil.example", "sec-fetch-site": "cross-site" };
  assert.equal((await stage.call("DELETE", "/v1/sessions", { headers })).body.code, "forbidden");
  assert.equal((await me({ cookie })).status, 200);
});

test("it gets access tokens for other servers, by the refresh route, and stays the same", async () => {
  const { cookie, id } = await logIn();
  const headers = { cookie };
  const answer = await stage.call("POST", "/v1/sessions/refresh", { body: {}, headers });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual([answer.body.refresh_token, answer.cookies.size], [undefined, 0]);
  const mine = await stage.call("GET", "/v1/me", { token: text(answer.body.access_token) });
  assert.equal(object(mine.body.session).id, id);
  const again = await Promise.all(
    Array.from({ length: 20 }, () => stage.call("POST", "/v1/sessions/refresh", { body: {}, headers })),
  );
  assert.ok(again.every(({ status }) => status === 200));
  await stage.call("DELETE", "/v1/sessions/current", { headers });
  const dead = await stage.call("POST", "/v1/sessions/refresh", { body: {}, headers });
  assert.deepEqual([dead.body.code, dead.body.reason], ["session_ended", "logout"]);
  assert.match(dead.cookies.get(NAME)?.attributes ?? "", /Max-Age=0/);
});

test("using it keeps it from going idle; unused it expires, and in use it ends at its absolute time", async () => {
  const used = await logIn();
  const unused = await logIn();
  for (let minutes = 0; minutes < 100; minutes += 20) {
    stage.advance(20 * MINUTE);
    assert.equal((await me(used)).status, 200, `after ${minutes + 20} minutes`);
  }
  assert.equal((await me(unused)).body.reason, "expired");
  stage.advance(21 * MINUTE);
  assert.equal((await me(used)).body.reason, "expired");
});

test("a user who is disabled is refused with the next request", async () => {
  await stage.signUp("lee");
  const body = { identifier: "lee", password: PASSWORD };
  const answer = await stage.call("POST", "/v1/sessions?mode=session", { body });
  const cookie = `${NAME}=${answer.cookies.get(NAME)?.value}`;
  const user = text(object(answer.body.user).id);
  await stage.call("PATCH", `/v1/admin/users/${user}`, { token: await stage.admin(), body: { state: "disabled" } });
  assert.equal((await me({ cookie })).body.reason, "user_disabled");
});

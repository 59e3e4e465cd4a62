/** Using an access token after what it came from has ended. Every one of them dies at once, not when it expires. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SYSTEM } from "../../packages/server/src/audit/event.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import { type Answer, claimsOf, ISSUER, object, openStage, PASSWORD, type Stage, type Tokens, text } from "../stage.ts";

let stage: Stage;
let admin: string;
before(async () => {
  stage = await openStage();
  admin = await stage.admin();
});
after(() => stage.close());

let users = 0;
async function someone(): Promise<{ name: string; tokens: Tokens }> {
  users += 1;
  const name = `user-${users}`;
  await stage.signUp(name);
  return { name, tokens: await stage.logIn(name) };
}

const me = (token: string) => stage.call("GET", "/v1/me", { token });

function assertEnded(answer: Answer, reason: string): void {
  assert.deepEqual([answer.status, answer.body.code, answer.body.reason], [401, "session_ended", reason]);
}

/** The access token and the refresh token both, and both say why. */
async function assertDead({ access, refresh }: Tokens, reason: string): Promise<void> {
  assertEnded(await me(access), reason);
  const answer = await stage.refresh(refresh);
  assertEnded(answer, reason);
}

test("after logging out here", async () => {
  const { tokens } = await someone();
  assert.equal((await stage.call("DELETE", "/v1/sessions/current", { token: tokens.access })).status, 204);
  await assertDead(tokens, "logout");
});

test("after logging out there, and here goes on", async () => {
  const { name, tokens: here } = await someone();
  const there = await stage.logIn(name);
  assert.equal((await stage.call("DELETE", `/v1/sessions/${there.session}`, { token: here.access })).status, 204);
  await assertDead(there, "logout");
  assert.equal((await me(here.access)).status, 200);
});

test("after logging out everywhere, and logging in again in the same millisecond works", async () => {
  const { name, tokens: one } = await someone();
  const other = await stage.logIn(name);
  assert.equal((await stage.call("DELETE", "/v1/sessions", { token: one.access })).status, 204);
  await assertDead(one, "logout");
  await assertDead(other, "logout");
  assert.equal((await me((await stage.logIn(name)).access)).status, 200);
});

test("after logging out everywhere else, this one goes on", async () => {
  const { name, tokens: one } = await someone();
  const other = await stage.logIn(name);
  await stage.call("DELETE", "/v1/sessions?keep=current", { token: one.access });
  await assertDead(other, "logout");
  assert.equal((await me(one.access)).status, 200);
});

test("after changing the password, on the other devices", async () => {
  const { name, tokens: here } = await someone();
  const there = await stage.logIn(name);
  const body = { current_password: PASSWORD, new_password: "another horse, three batteries" };
  assert.equal((await stage.call("POST", "/v1/me/password", { token: here.access, body })).status, 204);
  await assertDead(there, "password_changed");
  assert.equal((await me(here.access)).status, 200);
});

test("after an administrator ended the session", async () => {
  const { tokens } = await someone();
  assert.equal((await stage.call("DELETE", `/v1/admin/sessions/${tokens.session}`, { token: admin })).status, 204);
  await assertDead(tokens, "admin");
});

test("after an administrator ended all sessions of the user", async () => {
  const { tokens } = await someone();
  const answer = await stage.call("DELETE", `/v1/admin/sessions?user=${tokens.user}`, { token: admin });
  assert.deepEqual(answer.body, { ended: 1 });
  await assertDead(tokens, "admin");
});

test("after the user was disabled; enabling brings nothing back, and logging in works again", async () => {
  const { name, tokens } = await someone();
  const set = (state: string) =>
    stage.call("PATCH", `/v1/admin/users/${tokens.user}`, { token: admin, body: { state } });
  assert.equal((await set("disabled")).status, 200);
  await assertDead(tokens, "user_disabled");
  assert.equal((await set("active")).status, 200);
  await assertDead(tokens, "user_disabled");
  assert.equal((await me((await stage.logIn(name)).access)).status, 200);
});

test("after the user was deleted; another account under the same name is another user", async () => {
  const { name, tokens } = await someone();
  assert.equal((await stage.call("DELETE", `/v1/admin/users/${tokens.user}`, { token: admin })).status, 204);
  await assertDead(tokens, "user_disabled");
  assert.notEqual(await stage.signUp(name), tokens.user);
  await assertDead(tokens, "user_disabled");
});

test("after the client was deleted", async () => {
  const made = { id: "phone-app", kind: "first_party", name: "Phone" };
  assert.equal((await stage.call("POST", "/v1/admin/clients", { token: admin, body: made })).status, 201);
  const { name } = await someone();
  const tokens = await stage.logIn(name, { body: { client_id: "phone-app" } });
  assert.equal((await stage.call("DELETE", "/v1/admin/clients/phone-app", { token: admin })).status, 204);
  assertEnded(await me(tokens.access), "client_deleted");
  assertEnded(await stage.refresh(tokens.refresh, {}, { client_id: "phone-app" }), "client_deleted");
});

test("after the refresh token was replayed", async () => {
  const { tokens } = await someone();
  const next = await stage.refresh(tokens.refresh);
  stage.advance(11_000);
  assert.equal((await stage.refresh(tokens.refresh)).body.code, "refresh_token_replayed");
  assertEnded(await me(tokens.access), "replayed");
  assertEnded(await me(text(next.body.access_token)), "replayed");
});

test("after its idle time has passed, though its own life is longer", async () => {
  const short = await openStage({ settings: { refreshIdle: "30s", accessTtl: "5m" } });
  try {
    await short.signUp("kim");
    const { access, refresh } = await short.logIn("kim");
    short.advance(29_000);
    assert.equal((await short.call("GET", "/v1/me", { token: access })).status, 200);
    short.advance(1_000);
    assert.equal((await short.call("GET", "/v1/me", { token: access })).status, 401);
    assertEnded(await short.refresh(refresh), "expired");
  } finally {
    await short.close();
  }
});

test("after an administrator lost the role: the admin token at once, the session not at all", async () => {
  const token = await stage.admin("former");
  assert.equal((await stage.call("GET", "/v1/admin/keys", { token })).status, 200);
  const { refresh } = await stage.logIn("former");
  const id = asId("user", text(claimsOf(token).sub));
  await stage.storage.users.change(id, { kind: "set_roles", roles: [] }, SYSTEM);
  const answer = await stage.call("GET", "/v1/admin/keys", { token });
  assert.deepEqual([answer.status, answer.body.code], [401, "invalid_token"]);
  const again = await stage.refresh(refresh, {}, { audience: `${ISSUER}/admin` });
  assert.deepEqual([again.status, again.body.code], [403, "forbidden"]);
  assert.equal((await stage.refresh(refresh)).status, 200, "being refused the audience consumed nothing");
});

test("after its signing key was revoked: the token is refused, the session goes on with the next key", async () => {
  const { tokens } = await someone();
  const kid = text(object(JSON.parse(Buffer.from(tokens.access.split(".")[0] ?? "", "base64url").toString())).kid);
  const { operations } = stage.server;
  assert.equal(await operations.keyring.revoke(kid, SYSTEM), null);
  assert.equal((await me(tokens.access)).status, 401);
  const next = await stage.refresh(tokens.refresh);
  assert.equal((await me(text(next.body.access_token))).status, 200);
  admin = await stage.admin("successor");
});

test("a revocation between the log-in and its token outlives the token", async () => {
  const day = await openStage({ settings: { accessTtl: "1d" } });
  try {
    const { storage } = day;
    await day.signUp("kim");
    // The first token of a fresh key: no mark has been raised for any before it.
    const open = storage.grants.open;
    let ended = "";
    const racing: typeof open = async (logIn) => {
      const outcome = await open(logIn);
      ended = logIn.session.id;
      await storage.sessions.end({ session: logIn.session.id }, "admin", SYSTEM);
      return outcome;
    };
    Object.assign(storage.grants, { open: racing });
    const { access } = await day.logIn("kim");
    assert.notEqual(ended, "");
    const entry = (await storage.revocation.after({ epoch: 0, seq: 0 }, 10)).find(({ value }) => value === ended);
    assert.ok((entry?.expires ?? 0) > Number(claimsOf(access).exp));
  } finally {
    await day.close();
  }
});

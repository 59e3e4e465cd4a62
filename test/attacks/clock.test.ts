/** Time travel: the server's clock is set ahead or back, by an attacker on its network time or by accident. */
import assert from "node:assert/strict";
import { after, before, mock, test } from "node:test";
import { type Answer, openStage, type Stage, type Tokens, text } from "../stage.ts";

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
let stage: Stage;

before(async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  stage = await openStage();
  await stage.signUp("kim");
});
after(async () => {
  await stage.close();
  mock.timers.reset();
});

/** Lets the rounds of upkeep run that are due in half a minute. */
async function upkeep(): Promise<void> {
  stage.advance(30_000);
  mock.timers.tick(30_000);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((turned) => setImmediate(turned));
}

const me = ({ access }: Tokens): Promise<Answer> => stage.call("GET", "/v1/me", { token: access });

test("a clock that is set ahead and back again brings no revoked token back", async () => {
  const tokens = await stage.logIn("kim");
  await stage.call("DELETE", "/v1/sessions/current", { token: tokens.access });
  assert.equal((await me(tokens)).body.reason, "logout");
  stage.setBack(-30 * DAY);
  await upkeep();
  await upkeep();
  stage.setBack(30 * DAY);
  assert.deepEqual([(await me(tokens)).status, (await me(tokens)).body.reason], [401, "logout"]);
  assert.match(stage.log(), /the clock jumped ahead/);
});

test("a clock that is set ahead and back again costs no signing key, no vault key and no session", async () => {
  const tokens = await stage.logIn("kim");
  const keys = (await stage.storage.keys.all()).keys.map(({ kid, state }) => [kid, state]);
  const wrapped = await stage.storage.vault.all();
  stage.setBack(-500 * DAY);
  await upkeep();
  stage.setBack(500 * DAY);
  await upkeep();
  assert.deepEqual(
    (await stage.storage.keys.all()).keys.map(({ kid, state }) => [kid, state]),
    keys,
  );
  assert.deepEqual(await stage.storage.vault.all(), wrapped);
  assert.equal((await me(tokens)).status, 200);
  assert.equal((await stage.refresh(tokens.refresh)).status, 200);
});

test("a clock that goes back logs nobody out, and time that did not pass proves no theft", async () => {
  const tokens = await stage.logIn("kim");
  const renewed = await stage.refresh(tokens.refresh);
  stage.setBack(DAY);
  const again = await stage.refresh(tokens.refresh);
  assert.equal(again.body.refresh_token, renewed.body.refresh_token);
  const next = await stage.refresh(text(renewed.body.refresh_token));
  assert.equal(next.status, 200);
  assert.equal((await stage.logIn("kim")).user, tokens.user);
});

test("a clock that goes back brings back no session that ended", async () => {
  const tokens = await stage.logIn("kim");
  await stage.call("DELETE", "/v1/sessions", { token: tokens.access });
  stage.setBack(DAY);
  assert.equal((await stage.refresh(tokens.refresh)).body.reason, "logout");
  assert.equal((await me(tokens)).body.reason, "logout");
});

test("a session that was told it had expired stays so when the clock goes back", async () => {
  const tokens = await stage.logIn("kim");
  stage.setBack(-20 * DAY);
  assert.equal((await stage.refresh(tokens.refresh)).body.reason, "expired");
  stage.setBack(20 * DAY);
  assert.equal((await stage.refresh(tokens.refresh)).body.reason, "expired");
  assert.equal((await me(tokens)).status, 401);
});

test("no throttle lasts longer because the clock went back", async () => {
  const guess = () =>
    stage.call("POST", "/v1/sessions", { body: { identifier: "guessed", password: "wrong password" } });
  for (let failure = 0; failure < 10; failure += 1) await guess();
  assert.equal((await guess()).status, 429);
  stage.setBack(365 * DAY);
  stage.advance(5 * MINUTE);
  assert.equal((await guess()).status, 401);
});

/** Polling another provider: what was committed is acknowledged, what could not be dealt with comes again, silence is noticed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { SYSTEM } from "../../packages/server/src/audit/event.ts";
import { receiverView } from "../../packages/server/src/http/api/admin-ssf-receivers.ts";
import { openSqlite } from "../../packages/server/src/storage/sqlite/sqlite.ts";
import { temporaryFolder } from "../processes.ts";
import { type Json, object, openStage, type Stage, type StageOptions, text } from "../stage.ts";
import { openProvider, type Provider, STREAM } from "./provider.ts";
import { until } from "./receiver.ts";

const SETTINGS = {
  dangerouslyAllowSsfTo: "127.0.0.1",
  secret: "a-secret-of-32-characters-or-more",
  rateLimit: "off",
} as const;
const REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const VERIFICATION = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const HOUR = 3_600_000;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function add(stage: Stage, provider: Provider, more: Json = {}): Promise<void> {
  const token = await stage.admin();
  const body = { issuer: provider.issuer, method: "poll", ...more };
  const added = await stage.call("POST", "/v1/admin/ssf/receivers", { token, body });
  assert.equal(added.status, 201, added.text);
  assert.equal(added.body.push, null);
}

async function scene(more: Json = {}, options: StageOptions = {}) {
  const provider = await openProvider();
  open.push(provider);
  const stage = await openStage({ ...options, settings: { ...SETTINGS, ...options.settings } });
  open.push(stage);
  await add(stage, provider, more);
  return { provider, stage };
}

const revoked = (provider: Provider, email: string, more: Json = {}) =>
  provider.sign(REVOKED, { sub_id: { format: "email", email }, ...more });

async function state(stage: Stage): Promise<Json> {
  const [receiver] = await stage.storage.receivers.list();
  assert.ok(receiver !== undefined);
  return { ...receiverView(receiver, stage.server.operations.world.clock.now()) };
}

test("events are taken in order, acknowledged once committed, and those that are no good are refused by name", async () => {
  const { provider, stage } = await scene({ authorization: "Bearer ours" });
  await stage.signUp("kim@example.com");
  const kim = await stage.logIn("kim@example.com");
  const good = revoked(provider, "kim@example.com");
  provider.queue(
    good,
    revoked(provider, "kim@example.com", { aud: "others" }),
    revoked(provider, "nobody@example.com"),
  );
  await until(stage, "all is settled", () => provider.acknowledged.length === 2 && provider.refused.size === 1);
  assert.deepEqual(provider.acknowledged, ["jti-1", "jti-3"]);
  assert.deepEqual([...provider.refused], [["jti-2", "invalid_audience"]]);
  const { body } = await stage.call("GET", "/v1/me", { token: kim.access });
  assert.equal(body.reason, "reported");
  assert.ok(provider.asked.every(({ authorization }) => authorization === "Bearer ours"));
  const poll = provider.asked.find(({ path }) => path === "/poll");
  assert.equal(poll?.body.returnImmediately, false);
});

test("a provider that does not let a poll wait is not asked in a circle", async () => {
  const { provider, stage } = await scene();
  const polls = () => provider.asked.filter(({ path }) => path === "/poll").length;
  await until(stage, "it is polled", () => polls() > 0);
  for (let rounds = 0; rounds < 20; rounds += 1) {
    stage.advance(100);
    await setTimeout(5);
  }
  assert.ok(polls() <= 2, `${polls()} polls in two seconds`);
});

test("a provider that is away is asked again later and later, and the list says since when it was not heard", async () => {
  const { provider, stage } = await scene();
  await until(stage, "it is heard", async () => (await state(stage)).heard_at !== null);
  provider.away = true;
  stage.advance(6000);
  await until(stage, "it is missed", async () => Number((await state(stage)).failures) > 0);
  const first = await state(stage);
  assert.equal(first.last_failure, "poll: unreachable");
  assert.ok(Date.parse(text(first.next_attempt_at)) > stage.server.operations.world.clock.now());
  provider.away = false;
  provider.queue(revoked(provider, "nobody@example.com"));
  stage.advance(60_000);
  await until(stage, "it is back", () => provider.acknowledged.length === 1);
  await until(stage, "it is well", async () => (await state(stage)).failures === 0);
});

test("what a provider has while it is paused here waits there, and is taken when it is resumed", async () => {
  const { provider, stage } = await scene();
  await until(stage, "it is polled", () => provider.asked.some(({ path }) => path === "/poll"));
  const [receiver] = await stage.storage.receivers.list();
  assert.ok(receiver !== undefined);
  const { receiverAction, intake } = stage.server.operations.ssf;
  await receiverAction.change(receiver, { state: "paused" }, SYSTEM);
  provider.queue(revoked(provider, "nobody@example.com"));
  const asked = provider.asked.length;
  for (let seconds = 0; seconds < 20; seconds += 1) {
    stage.advance(1000);
    await setTimeout(5);
  }
  // One may have been under way.
  assert.ok(provider.asked.length <= asked + 1);
  assert.equal(intake.tally().taken.unknown_subject, 0);
  await receiverAction.change(receiver, { state: "active" }, SYSTEM);
  await until(stage, "it is taken", () => provider.acknowledged.length === 1);
});

test("a stream that was made by hand is polled where the operator says, whatever this server itself signs with", async () => {
  const provider = await openProvider();
  open.push(provider);
  provider.configuration = { configuration_endpoint: undefined, verification_endpoint: undefined };
  const sharedSecret = Buffer.alloc(32, 9).toString("base64url");
  const stage = await openStage({ settings: { ...SETTINGS, signingAlg: "HS256", sharedSecret } });
  open.push(stage);
  const url = `${provider.issuer}/poll`;
  await add(stage, provider, { stream_id: STREAM, audience: "https://login.example", poll_url: url });
  await stage.signUp("kim@example.com");
  const kim = await stage.logIn("kim@example.com");
  provider.queue(revoked(provider, "kim@example.com"));
  await until(stage, "it is taken", () => provider.acknowledged.length === 1);
  assert.equal((await stage.call("GET", "/v1/me", { token: kim.access })).body.reason, "reported");
  stage.advance(2 * HOUR);
  assert.equal((await state(stage)).silent, false, "who offers no verification is not asked for one");
});

test("every hour a sign of life is asked for; while none comes, the list says that it is silent", async () => {
  const { provider, stage } = await scene();
  const asked = () => provider.asked.filter(({ path }) => path === "/verify");
  await until(stage, "it is polled", () => provider.asked.some(({ path }) => path === "/poll"));
  assert.equal(asked().length, 0);
  stage.advance(HOUR);
  await until(stage, "it is asked", () => asked().length === 1);
  stage.advance(6 * 60_000);
  assert.equal((await state(stage)).silent, true);
  const { stream_id, state: told } = asked()[0]?.body ?? {};
  assert.equal(stream_id, STREAM);
  provider.queue(provider.sign(VERIFICATION, { sub_id: { format: "opaque", id: STREAM } }, { state: told }));
  await until(stage, "it is verified", async () => (await state(stage)).verified_at !== null);
  assert.equal((await state(stage)).silent, false);
  assert.equal(asked().length, 1);
});

test("a restart before the acknowledgement went out takes the event again, and does nothing twice, on SQLite", async (t) => {
  const file = join(
    temporaryFolder((task) => t.after(task)),
    "mapae.db",
  );
  const options: StageOptions = { open: (world) => openSqlite(file, world) };
  const { provider, stage } = await scene({ authorization: "Bearer ours" }, options);
  await stage.signUp("kim@example.com");
  provider.queue(revoked(provider, "kim@example.com"));
  await until(stage, "it is taken", async () => (await state(stage)).events === 1);
  await stage.close();
  open.splice(open.indexOf(stage), 1);
  // As if the acknowledgement had been lost with the process.
  provider.acknowledged.length = 0;
  provider.queue(provider.sign(REVOKED, { sub_id: { format: "email", email: "kim@example.com" }, jti: "jti-1" }));

  const again = await openStage({ ...options, settings: SETTINGS });
  open.push(again);
  const kim = await again.logIn("kim@example.com");
  await until(again, "it is acknowledged", () => provider.acknowledged.includes("jti-1"));
  assert.equal((await again.call("GET", "/v1/me", { token: kim.access })).status, 200);
  assert.equal((await state(again)).events, 1);
  assert.ok(provider.asked.every(({ authorization }) => authorization === "Bearer ours"));
});

test("what is not answered as RFC 8936 has it is a failure, and changes nothing", async () => {
  const { provider, stage } = await scene();
  await until(stage, "it is polled", () => provider.asked.some(({ path }) => path === "/poll"));
  const receiver = (await stage.storage.receivers.list())[0];
  assert.ok(receiver !== undefined);
  provider.credential = "Bearer changed";
  stage.advance(6000);
  await until(stage, "it fails", async () => (await state(stage)).last_failure === "poll: status 401");
  provider.credential = "";
  // An event under another name than its own: the name is what is acknowledged, the event says what it is.
  stage.advance(60_000);
  provider.queue(revoked(provider, "nobody@example.com"));
  await until(stage, "it goes on", () => provider.acknowledged.length === 1);
  assert.equal(object(await state(stage)).rejected, 0);
});

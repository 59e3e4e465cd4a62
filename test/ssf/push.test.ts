/** Shared Signals by push: the whole server, a real receiver behind a real socket, a clock that moves when told. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { type Cause, draft } from "../../packages/server/src/audit/event.ts";
import { streamView } from "../../packages/server/src/http/api/admin-ssf.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import { audit } from "../../packages/server/src/revocation/effects.ts";
import { openSqlite } from "../../packages/server/src/storage/sqlite/sqlite.ts";
import { temporaryFolder } from "../processes.ts";
import {
  type Answer,
  type Json,
  list,
  object,
  openStage,
  type ResourceServer,
  type Stage,
  type StageOptions,
  text,
} from "../stage.ts";
import { openPushReceiver, type PushReceiver } from "./push-receiver.ts";
import { eventOf, until, verified } from "./receiver.ts";

const SETTINGS = {
  dangerouslyAllowSsfTo: "127.0.0.1",
  secret: "a-secret-of-32-characters-or-more",
  rateLimit: "off",
} as const;
const PUSH = "urn:ietf:rfc:8935";
const OPERATOR: Cause = { actor: { kind: "operator" }, address: null, requestId: null };

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

class Pushing {
  readonly stage: Stage;
  readonly as: ResourceServer;
  id = "";

  constructor(stage: Stage, as: ResourceServer) {
    this.stage = stage;
    this.as = as;
  }

  ask(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.stage.call(method, path, { as: this.as, ...(body === undefined ? {} : { body }) });
  }

  async make(url: string, more: Json = {}): Promise<Answer> {
    const delivery = { method: PUSH, endpoint_url: url, ...more };
    const made = await this.ask("POST", "/ssf/streams", { delivery });
    if (made.status === 201) this.id = text(made.body.stream_id);
    return made;
  }

  async state(): Promise<Json> {
    const stream = await this.stage.storage.streams.find(asId("stream", this.id));
    return stream === undefined ? {} : { ...streamView(stream) };
  }
}

async function scene(options: StageOptions = {}) {
  const receiver = await openPushReceiver();
  open.push(receiver);
  const stage = await openStage({ ...options, settings: { ...SETTINGS, ...options.settings } });
  open.push(stage);
  return { receiver, stage, stream: new Pushing(stage, await stage.resourceServer("orders-api")) };
}

async function tell(stage: Stage, ...users: readonly string[]): Promise<void> {
  for (const user of users) {
    const changed = draft("user.roles_changed", OPERATOR, { user }, { roles: "editor" });
    await stage.storage.revocation.apply([audit(changed)]);
  }
}

const claimsOf = (set: string): Json =>
  object(JSON.parse(Buffer.from(set.split(".")[1] ?? "", "base64url").toString()));
/** Whom the events were about, in their order, repeats included. */
const whom = ({ pushed }: PushReceiver) => pushed.map(({ set }) => object(claimsOf(set).sub_id).sub);

test("every event arrives, one at a time and in order, signed, with the credential that the receiver gave", async () => {
  const { receiver, stage, stream } = await scene();
  const header = "Bearer kvjGFhtF-the-receivers-own";
  const made = await stream.make(receiver.url, { authorization_header: header });
  assert.deepEqual(made.body.delivery, { method: PUSH, endpoint_url: receiver.url });
  assert.ok(!("inactivity_timeout" in made.body));
  const users = Array.from({ length: 30 }, (_, index) => `usr_${index}`);
  await tell(stage, ...users);
  await until(stage, "everything arrives", () => receiver.pushed.length >= users.length);
  assert.deepEqual(whom(receiver), users);
  for (const { headers, set } of receiver.pushed) {
    assert.equal(headers.authorization, header);
    assert.equal(headers["content-type"], "application/secevent+jwt");
    assert.equal(headers.accept, "application/json");
    const claims = await verified(stage, set);
    assert.deepEqual([claims.aud, eventOf(claims)[0]], ["orders-api", "token-claims-change"]);
  }
});

test("a log-out arrives without anybody looking: its commit wakes the stream", async () => {
  const { receiver, stage, stream } = await scene();
  await stream.make(receiver.url);
  await stage.signUp("kim");
  const kim = await stage.logIn("kim");
  await stage.call("DELETE", "/v1/sessions/current", { token: kim.access });
  await until(stage, "it arrives", () => receiver.pushed.length === 1);
  assert.equal(object(object(claimsOf(receiver.pushed[0]?.set ?? "").sub_id).session).id, kim.session);
});

test("a receiver that fails is asked again later, with the same event, and nothing overtakes it", async () => {
  const { receiver, stage, stream } = await scene();
  receiver.answer = 503;
  await stream.make(receiver.url);
  await tell(stage, "a", "b");
  await until(stage, "the failure is written down", async () => (await stream.state()).failures === 1);
  assert.deepEqual([(await stream.state()).last_failure, whom(receiver)], ["rejected 503", ["a"]]);
  receiver.answer = "silent";
  stage.advance(5000);
  await until(stage, "it is tried again", () => receiver.pushed.length === 2);
  stage.advance(10_000);
  await until(stage, "it is given up", async () => (await stream.state()).last_failure === "timed_out");
  receiver.answer = 202;
  stage.advance(10_000);
  await until(stage, "the rest arrives", () => receiver.pushed.length === 4);
  assert.deepEqual(whom(receiver), ["a", "a", "a", "b"]);
  assert.equal(new Set(receiver.pushed.slice(0, 3).map(({ set }) => claimsOf(set).jti)).size, 1);
  await until(stage, "it is well again", async () => (await stream.state()).failures === 0);
});

test("an event that the receiver cannot take holds the others up for five attempts, and no more", async () => {
  const { receiver, stage, stream } = await scene();
  receiver.answer = { err: "invalid_request", description: "no" };
  await stream.make(receiver.url);
  await tell(stage, "poison", "good");
  for (let attempts = 1; attempts <= 5; attempts += 1) {
    await until(stage, "another attempt", () => receiver.pushed.length === attempts);
    if (attempts === 5) receiver.answer = 202;
    else await until(stage, "it is written down", async () => (await stream.state()).failures === attempts);
    stage.advance(100_000);
  }
  await until(stage, "the next one arrives", () => {
    // The fifth failure may have been written down only now: the pause after it begins then.
    stage.advance(10_000);
    return whom(receiver).includes("good");
  });
  assert.deepEqual(whom(receiver).slice(0, 5), ["poison", "poison", "poison", "poison", "poison"]);
});

test("a day of failures pauses the stream, audited; enabled again, everything that waited arrives", async () => {
  const { receiver, stage, stream } = await scene();
  receiver.answer = { err: "authentication_failed" };
  await stream.make(receiver.url);
  await tell(stage, "a");
  for (let hours = 0; (await stream.state()).status === "enabled"; hours += 1) {
    assert.ok(hours < 60);
    const { failures } = await stream.state();
    await until(stage, "another failure", async () => (await stream.state()).failures !== failures);
    stage.advance(3_600_000);
  }
  assert.equal((await stream.state()).status_reason, "undeliverable");
  const before = receiver.pushed.length;
  stage.advance(86_400_000);
  await setTimeout(30);
  assert.equal(receiver.pushed.length, before, "nobody asks a receiver that was given up");
  receiver.answer = 202;
  await tell(stage, "b");
  const enabled = await stream.ask("POST", "/ssf/status", { stream_id: stream.id, status: "enabled" });
  assert.equal(enabled.status, 200);
  await until(stage, "it arrives", () => receiver.pushed.length === before + 3);
  const [said, ...events] = receiver.pushed.slice(before).map(({ set }) => claimsOf(set));
  assert.deepEqual(eventOf(said ?? {}), ["stream-updated", { status: "paused", reason: "undeliverable" }]);
  assert.deepEqual(
    events.map(({ sub_id }) => object(sub_id).sub),
    ["a", "b"],
  );
});

test("a verification is pushed before what waits, and a paused stream pushes nothing else", async () => {
  const { receiver, stage, stream } = await scene();
  await stream.make(receiver.url);
  await stream.ask("POST", "/ssf/status", { stream_id: stream.id, status: "paused" });
  await tell(stage, "held");
  const asked = await stream.ask("POST", "/ssf/verify", { stream_id: stream.id, state: "s" });
  assert.equal(asked.status, 204);
  await until(stage, "it arrives", () => receiver.pushed.length === 1);
  assert.deepEqual(eventOf(claimsOf(receiver.pushed[0]?.set ?? "")), ["verification", { state: "s" }]);
  stage.advance(5000);
  await setTimeout(30);
  assert.equal(receiver.pushed.length, 1);
  await stream.ask("POST", "/ssf/status", { stream_id: stream.id, status: "enabled" });
  await until(stage, "it arrives", () => whom(receiver).includes("held"));
});

test("the credential stays with the address that it was given for, and is shown to no other", async () => {
  const { receiver, stage, stream } = await scene();
  const elsewhere = await openPushReceiver();
  open.push(elsewhere);
  const secret = "Bearer for-the-first-address-only";
  await stream.make(receiver.url, { authorization_header: secret });
  const patch = (delivery: Json) => stream.ask("PATCH", "/ssf/streams", { stream_id: stream.id, delivery });
  const arrives = async (at: PushReceiver, user: string) => {
    await tell(stage, user);
    await until(stage, `${user} arrives`, () => whom(at).includes(user));
    return at.pushed.at(-1)?.headers.authorization;
  };
  assert.equal((await patch({ method: PUSH, endpoint_url: receiver.url })).status, 200);
  assert.equal(await arrives(receiver, "kept"), secret);
  assert.equal((await patch({ method: PUSH, endpoint_url: elsewhere.url })).status, 200);
  assert.equal(await arrives(elsewhere, "moved"), undefined);
  assert.equal((await patch({ method: PUSH, endpoint_url: receiver.url })).status, 200);
  assert.equal(await arrives(receiver, "back"), undefined);
  const token = await stage.admin();
  const told = [
    stage.log(),
    (await stage.call("GET", "/v1/admin/audit?limit=200", { token })).text,
    (await stage.call("GET", "/v1/admin/ssf/streams", { token })).text,
    (await stream.ask("GET", "/ssf/streams")).text,
  ];
  for (const each of told) assert.ok(!each.includes("for-the-first-address-only"));
});

test("a stream is not pushed into the network: private addresses are refused, and names that turn out to be one", async () => {
  const { receiver, stage, stream } = await scene({ settings: { dangerouslyAllowSsfTo: "" } });
  const urls = [
    receiver.url,
    "https://169.254.169.254/",
    "https://10.0.0.1/",
    "http://rp.example.com/",
    "https://u:p@x.example/",
  ];
  for (const url of urls) {
    const refused = await stream.make(url);
    assert.deepEqual([refused.status, list(refused.body.faults)[0]?.pointer], [400, "/delivery/endpoint_url"], url);
  }
  for (const header of ["a\r\nx: y", " x", "", "é"]) {
    assert.equal((await stream.make("https://rp.example.com/", { authorization_header: header })).status, 400);
  }
  assert.equal((await stream.make(`http://localhost:${new URL(receiver.url).port}/`)).status, 201);
  await tell(stage, "a");
  await until(stage, "it is refused", async () => (await stream.state()).last_failure === "refused_target");
  assert.equal(receiver.pushed.length, 0);
  // Webhooks may go there, event streams may not: whoever has a stream is no administrator.
  const other = await scene({ settings: { dangerouslyAllowSsfTo: "", dangerouslyAllowWebhooksTo: "127.0.0.1" } });
  assert.equal((await other.stream.make(other.receiver.url)).status, 400);
});

test("a redirect is not followed, and an endless answer is cut off", async () => {
  const { receiver, stage, stream } = await scene();
  const elsewhere = await openPushReceiver();
  open.push(elsewhere);
  receiver.answer = (response) => void response.writeHead(307, { location: elsewhere.url }).end();
  await stream.make(receiver.url);
  await tell(stage, "a");
  await until(stage, "it is no success", async () => (await stream.state()).last_failure === "rejected 307");
  assert.equal(elsewhere.pushed.length, 0);
  receiver.answer = (response) => {
    response.writeHead(400, { "content-type": "application/json" });
    const fill = (): void => {
      while (!response.destroyed && response.write(`{"err":"invalid_key"}${" ".repeat(16_384)}`));
    };
    response.on("drain", fill);
    fill();
  };
  stage.advance(5000);
  await until(stage, "it is no error of RFC 8935", async () => (await stream.state()).last_failure === "rejected 400");
});

test("a restart in between goes on where it was, on SQLite", async (t) => {
  const file = join(
    temporaryFolder((task) => t.after(task)),
    "mapae.db",
  );
  const options: StageOptions = { open: (world) => openSqlite(file, world) };
  const { receiver, stage, stream } = await scene(options);
  const header = "Basic a2V5OnNlY3JldA==";
  await stream.make(receiver.url, { authorization_header: header });
  await tell(stage, "before");
  await until(stage, "it arrives", () => receiver.pushed.length === 1);
  await until(stage, "it is written down", async () => (await stage.storage.streams.list())[0]?.cursor === 1);
  receiver.answer = "silent";
  await tell(stage, "during", "after");
  await until(stage, "it is under way", () => receiver.pushed.length === 2);
  await stage.close();
  open.splice(open.indexOf(stage), 1);

  receiver.answer = 202;
  const again = await openStage({ ...options, settings: SETTINGS });
  open.push(again);
  await until(again, "the rest arrives", () => whom(receiver).includes("after"));
  assert.deepEqual(whom(receiver), ["before", "during", "during", "after"]);
  assert.ok(receiver.pushed.every(({ headers }) => headers.authorization === header));
});

test("an administrator makes a stream that is pushed, for a receiver that cannot ask", async () => {
  const { receiver, stage, stream } = await scene();
  const token = await stage.admin();
  const make = (body: Json) => stage.call("POST", "/v1/admin/ssf/streams", { token, body });
  const body = { client_id: stream.as.id, url: receiver.url, authorization: "Bearer x" };
  const made = await make(body);
  assert.equal(made.status, 201, made.text);
  assert.deepEqual([object(made.body.stream).method, object(made.body.stream).url], ["push", receiver.url]);
  await tell(stage, "a");
  await until(stage, "it arrives", () => receiver.pushed.length === 1);
  assert.equal(receiver.pushed[0]?.headers.authorization, "Bearer x");
  assert.equal((await make({ ...body, url: "https://10.0.0.1/" })).status, 422);
  assert.equal((await make({ client_id: stream.as.id, authorization: "Bearer x" })).status, 422);
  await until(stage, "it is counted", async () => {
    const { text: metrics } = await stage.call("GET", "/metrics", { from: "127.0.0.1" });
    return /^mapae_ssf_pushes_total\{outcome="accepted"\} 1$/m.test(metrics);
  });
});

/** Webhooks end to end: the whole server, a real receiver behind a real socket, a clock that moves when told. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { webhookView } from "../../packages/server/src/http/api/admin-webhooks.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import { openSqlite } from "../../packages/server/src/storage/sqlite/sqlite.ts";
import { temporaryFolder } from "../processes.ts";
import { type Answer, type Json, list, object, openStage, type Stage, type StageOptions, text } from "../stage.ts";
import { isSigned, openReceiver } from "./receiver.ts";

const SETTINGS = {
  dangerouslyAllowWebhooksTo: "127.0.0.1",
  secret: "a-secret-of-32-characters-or-more",
  rateLimit: "off",
} as const;
const PATIENCE_MS = 10_000;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function scene(options: StageOptions = {}, answering = 204) {
  const receiver = await openReceiver(answering);
  open.push(receiver);
  const stage = await openStage({ ...options, settings: { ...SETTINGS, ...options.settings } });
  open.push(stage);
  return { receiver, stage, hook: new Hook(stage, await stage.admin()) };
}

/** Waits for what happens over sockets; meanwhile a little time passes on the server's clock. */
async function until(stage: Stage, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const late = AbortSignal.timeout(PATIENCE_MS);
  while (!(await holds())) {
    assert.ok(!late.aborted, what);
    stage.advance(5);
    await setTimeout(2);
  }
}

class Hook {
  readonly #stage: Stage;
  readonly #token: string;
  id = "";
  secret = "";

  constructor(stage: Stage, token: string) {
    this.#stage = stage;
    this.#token = token;
  }

  async make(url: string, more: Json = {}): Promise<Answer> {
    const made = await this.#stage.call("POST", "/v1/admin/webhooks", { token: this.#token, body: { url, ...more } });
    if (made.status !== 201) return made;
    this.id = text(object(made.body.webhook).id);
    this.secret = text(made.body.secret);
    return made;
  }

  async ask(path: string, body: Json): Promise<Json> {
    const answer = await this.#stage.call("POST", `/v1/admin/webhooks/${this.id}/${path}`, {
      token: this.#token,
      body,
    });
    assert.equal(answer.status, 200, answer.text);
    return answer.body;
  }

  /** As the API tells it, read without a token: those expire when a day passes. */
  async state(): Promise<Json> {
    const webhook = await this.#stage.storage.webhooks.find(asId("webhook", this.id));
    return webhook === undefined ? {} : { ...webhookView(webhook) };
  }

  /** Newest first. */
  async outcomes(): Promise<readonly unknown[]> {
    const attempts = await this.#stage.storage.webhooks.attempts(asId("webhook", this.id), 200);
    return attempts.map(({ outcome }) => outcome);
  }
}

/** Revokes so many sessions that nobody has; their ids, in order. */
async function revoke(stage: Stage, count: number, name = "ses"): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, (_, index) => `${name}_${index}`);
  for (const value of ids) {
    await stage.storage.revocation.apply([{ effect: "revoke", kind: "session", value, reason: "admin" }]);
  }
  return ids;
}

const settled = (stage: Stage, hook: Hook) =>
  until(stage, "everything is delivered", async () => {
    const { seq } = stage.storage.revocation.head();
    return Number(object((await hook.state()).position).seq) === seq;
  });

test("every revocation arrives, once and in the order of the log, signed, with its real id", async () => {
  const { receiver, stage, hook } = await scene();
  await hook.make(receiver.url);
  await stage.signUp("kim");
  const kim = await stage.logIn("kim");
  const ids = await revoke(stage, 250);
  await stage.call("DELETE", "/v1/sessions/current", { token: kim.access });
  await settled(stage, hook);
  assert.deepEqual(receiver.subjects(), [...ids, kim.session]);
  const [first] = receiver.received;
  const last = list(receiver.received.at(-1)?.body.data).at(-1);
  assert.deepEqual([last?.type, last?.kind, last?.reason], ["revocation.session", "session", "logout"]);
  assert.ok(receiver.received.length < 250, "batches");
  for (const received of receiver.received) {
    assert.ok(isSigned(received, hook.secret));
    assert.equal(received.headers["webhook-id"], received.body.id);
    assert.ok(list(received.body.data).length <= 100);
  }
  assert.ok(first !== undefined && !isSigned({ ...first, raw: first.raw.replace("ses_0", "ses_9") }, hook.secret));
});

test("only the kinds that were asked for arrive, and the others hold nothing up", async () => {
  const { receiver, stage, hook } = await scene();
  await hook.make(receiver.url, { kinds: ["user"] });
  await revoke(stage, 520);
  await stage.storage.revocation.apply([{ effect: "revoke", kind: "user", value: "usr_x", reason: "admin" }]);
  await until(stage, "the user's arrives", () => receiver.received.length > 0);
  assert.deepEqual(receiver.subjects(), ["usr_x"]);
});

test("a receiver that fails is asked again later, with the same message, and nothing overtakes it", async () => {
  const { receiver, stage, hook } = await scene({}, 500);
  await hook.make(receiver.url);
  const first = await revoke(stage, 2, "one");
  await until(stage, "it is tried", () => receiver.received.length === 1);
  await until(stage, "the failure is written down", async () => (await hook.state()).failures === 1);
  const more = await revoke(stage, 2, "two");
  stage.advance(5000);
  await until(stage, "it is tried again", () => receiver.received.length === 2);
  const [one, two] = receiver.received;
  assert.equal(one?.raw, two?.raw);
  assert.equal(one?.headers["webhook-id"], two?.headers["webhook-id"]);
  assert.notEqual(one?.headers["webhook-timestamp"], two?.headers["webhook-timestamp"]);
  receiver.answer = 204;
  await until(stage, "the second failure is written down", async () => Number((await hook.state()).failures) === 2);
  stage.advance(10_000);
  await settled(stage, hook);
  assert.deepEqual(receiver.subjects(), [...first, ...first, ...first, ...more]);
  assert.deepEqual(await hook.outcomes(), ["delivered", "delivered", "rejected", "rejected"]);
  const { failures, failing_since } = await hook.state();
  assert.deepEqual([failures, failing_since], [0, null]);
});

test("a receiver that never answers is given up after ten seconds; one that is not there, at once", async () => {
  const { receiver, stage, hook } = await scene();
  receiver.answer = "silent";
  await hook.make(receiver.url);
  await revoke(stage, 1);
  await until(stage, "it is tried", () => receiver.received.length === 1);
  stage.advance(10_000);
  await until(stage, "it is given up", async () => (await hook.outcomes())[0] === "timed_out");
  await receiver.close();
  stage.advance(10_000);
  await until(stage, "nobody is there", async () => (await hook.outcomes())[0] === "unreachable");
  assert.deepEqual(receiver.subjects(), ["ses_0"]);
});

test("a redirect is not followed, and an endless answer is cut off", async () => {
  const { receiver, stage, hook } = await scene();
  const elsewhere = await openReceiver();
  open.push(elsewhere);
  receiver.answer = (response) => void response.writeHead(307, { location: elsewhere.url }).end();
  await hook.make(receiver.url);
  await revoke(stage, 1);
  await until(stage, "it is tried", async () => (await hook.outcomes())[0] === "rejected");
  assert.equal(elsewhere.received.length, 0);
  let sent = 0;
  receiver.answer = (response) => {
    response.writeHead(200);
    const fill = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384))) sent += 16_384;
    };
    response.on("drain", fill);
    fill();
  };
  stage.advance(5000);
  await until(stage, "its status counts", async () => (await hook.outcomes())[0] === "delivered");
  assert.ok(sent < 20_000_000);
});

test("a day of failures pauses it, visibly and audited; a replay resumes it where it stopped", async () => {
  const { receiver, stage, hook } = await scene({}, 503);
  await hook.make(receiver.url, { kinds: ["session"] });
  const ids = await revoke(stage, 1);
  for (let hours = 0; (await hook.state()).state === "active"; hours += 1) {
    assert.ok(hours < 60);
    const { failures } = await hook.state();
    await until(stage, "another failure", async () => (await hook.state()).failures !== failures);
    stage.advance(3_600_000);
  }
  const token = await stage.admin("second");
  const { body } = await stage.call("GET", "/v1/admin/audit?name=webhook.paused", { token });
  assert.equal(list(body.events).length, 1);
  const before = receiver.received.length;
  stage.advance(10 * 86_400_000);
  await setTimeout(20);
  assert.equal(receiver.received.length, before);
  receiver.answer = 204;
  const resumer = new Hook(stage, await stage.admin("third"));
  resumer.id = hook.id;
  await resumer.ask("replay", {});
  await until(stage, "it arrives", async () => (await hook.outcomes())[0] === "delivered");
  assert.deepEqual(receiver.subjects().slice(before), ids);
});

test("410 Gone pauses at once", async () => {
  const { receiver, stage, hook } = await scene({}, 410);
  await hook.make(receiver.url);
  await revoke(stage, 1);
  await until(stage, "it is paused", async () => (await hook.state()).state === "paused");
  assert.deepEqual(await hook.outcomes(), ["gone"]);
});

test("what was delivered is sent again from a position, with the same ids", async () => {
  const { receiver, stage, hook } = await scene();
  await hook.make(receiver.url);
  const ids = await revoke(stage, 5);
  await settled(stage, hook);
  const events = () => receiver.received.flatMap(({ body }) => list(body.data));
  const [, second] = events();
  const { epoch, seq } = object(second?.position);
  const count = events().length;
  await hook.ask("replay", { after: `${epoch}.${seq}` });
  await until(stage, "it arrives again", () => events().length === count + 3);
  assert.deepEqual(receiver.subjects().slice(count), ids.slice(2));
  assert.deepEqual(events().slice(count), events().slice(2, count));
});

test("while a rotation overlaps, both secrets verify; then the old one does not", async () => {
  const { receiver, stage, hook } = await scene();
  await hook.make(receiver.url);
  const old = hook.secret;
  const next = text((await hook.ask("rotate-secret", { overlap_seconds: 60 })).secret);
  const verified = async (): Promise<readonly boolean[]> => {
    await revoke(stage, 1);
    await settled(stage, hook);
    const last = receiver.received.at(-1);
    assert.ok(last !== undefined);
    return [isSigned(last, old), isSigned(last, next)];
  };
  assert.deepEqual(await verified(), [true, true]);
  stage.advance(61_000);
  assert.deepEqual(await verified(), [false, true]);
  const third = text((await hook.ask("rotate-secret", { overlap_seconds: 0 })).secret);
  await revoke(stage, 1);
  await settled(stage, hook);
  const last = receiver.received.at(-1);
  assert.ok(last !== undefined && isSigned(last, third) && !isSigned(last, next));
});

test("a restart in between goes on where it was, on SQLite", async (t) => {
  const file = join(
    temporaryFolder((task) => t.after(task)),
    "mapae.db",
  );
  const options: StageOptions = { open: (world) => openSqlite(file, world) };
  const { receiver, stage, hook } = await scene(options);
  await hook.make(receiver.url, { kinds: ["session"] });
  const before = await revoke(stage, 3, "before");
  await settled(stage, hook);
  receiver.answer = "silent";
  const during = await revoke(stage, 3, "during");
  await until(stage, "it is under way", () => receiver.received.at(-1)?.raw.includes("during") === true);
  await stage.close();
  open.splice(open.indexOf(stage), 1);

  receiver.answer = 204;
  const again = await openStage({ ...options, settings: SETTINGS });
  open.push(again);
  const after = await revoke(again, 1, "after");
  await until(again, "the rest arrives", () => receiver.subjects().includes("after_0"));
  assert.deepEqual([...new Set(receiver.subjects())], [...before, ...during, ...after]);
  for (const received of receiver.received) assert.ok(isSigned(received, hook.secret));
});

test("what was forgotten before it could be delivered is counted in the next message", async () => {
  const { receiver, stage, hook } = await scene({}, 500);
  await hook.make(receiver.url);
  await revoke(stage, 3, "lost");
  await until(stage, "it is tried", async () => (await hook.outcomes()).length > 0);
  const lost = receiver.received.length;
  stage.advance(1000);
  await stage.storage.webhooks.prune(Number.MAX_SAFE_INTEGER);
  assert.equal((await hook.state()).missed, 3);
  // The message under way is still there for as long as this process lives; another process would not have it.
  await hook.ask("replay", {
    after: `${stage.storage.revocation.head().epoch}.${stage.storage.revocation.head().seq}`,
  });
  receiver.answer = 204;
  const kept = await revoke(stage, 1, "kept");
  await settled(stage, hook);
  assert.deepEqual(receiver.subjects().slice(-1), kept);
  assert.equal(receiver.received.at(-1)?.body.missed, 3);
  assert.ok(receiver.received.length > lost);
  assert.equal((await hook.state()).missed, 0);
});

test("private addresses are refused when it is made, and when a name turns out to be one", async () => {
  const { receiver, stage, hook } = await scene({ settings: { dangerouslyAllowWebhooksTo: "" } });
  for (const url of [receiver.url, "https://169.254.169.254/", "https://10.0.0.1/", "http://hooks.example.com/", "x"]) {
    const refused = await hook.make(url);
    assert.deepEqual([refused.status, refused.body.code], [422, "validation_failed"], url);
    assert.deepEqual(
      list(refused.body.faults).map(({ pointer }) => pointer),
      ["/url"],
    );
  }
  const port = new URL(receiver.url).port;
  assert.equal((await hook.make(`http://localhost:${port}/`)).status, 201);
  await revoke(stage, 1);
  await until(stage, "it is refused", async () => (await hook.outcomes())[0] === "refused_target");
  assert.equal(receiver.received.length, 0);
});

test("a secret stands in no answer but the first, in no audit and no log", async () => {
  const { receiver, stage, hook } = await scene({}, 500);
  await hook.make(`${receiver.url}?key=in-the-address`);
  await revoke(stage, 1);
  await until(stage, "it is tried", async () => (await hook.outcomes()).length > 0);
  const token = await stage.admin("reader");
  const { text: audit } = await stage.call("GET", "/v1/admin/audit?limit=200", { token });
  const secret = hook.secret.replace("whsec_", "");
  for (const told of [stage.log(), audit, JSON.stringify(await hook.state())]) assert.ok(!told.includes(secret));
  for (const told of [stage.log(), audit]) assert.ok(!told.includes("in-the-address"));
});

test("what webhooks do is measured", async () => {
  const { receiver, stage, hook } = await scene();
  await hook.make(receiver.url);
  await revoke(stage, 3);
  await settled(stage, hook);
  const { text: measured } = await stage.call("GET", "/metrics", { from: "127.0.0.1" });
  assert.match(measured, /mapae_webhook_events_total 3\n/);
  assert.match(measured, /mapae_webhook_attempts_total\{outcome="delivered"\} [1-3]\n/);
  assert.match(measured, /mapae_webhooks_active 1\n/);
});

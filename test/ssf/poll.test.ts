/** Shared Signals by polling: the whole server, and a receiver that believes signatures only. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { type Cause, draft } from "../../packages/server/src/audit/event.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import { audit } from "../../packages/server/src/revocation/effects.ts";
import { ISSUER, type Json, list, object, openStage, PASSWORD, type Stage, type StageOptions, text } from "../stage.ts";
import { CAEP, eventOf, Poller, until, verified } from "./receiver.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function scene(wish: Json = {}, options: StageOptions = {}) {
  const stage = await openStage({ ...options, settings: { rateLimit: "off", ...options.settings } });
  open.push(stage);
  const server = await stage.resourceServer("orders-api");
  return { stage, server, poller: await Poller.make(stage, server, wish) };
}

const OPERATOR: Cause = { actor: { kind: "operator" }, address: null, requestId: null };

/** Something about a user that nobody need exist for, and that writes nothing into the log. */
async function tell(stage: Stage, user: string): Promise<void> {
  const changed = draft("user.roles_changed", OPERATOR, { user }, { roles: "editor" });
  await stage.storage.revocation.apply([audit(changed)]);
}

/** The id by which an event calls its user. */
const whom = ({ sub_id }: Json): unknown => object(sub_id).sub;

test("the configuration says where everything is, and what a stream can do", async () => {
  const { stage, poller } = await scene();
  const { body } = await stage.call("GET", "/.well-known/ssf-configuration");
  assert.deepEqual(body, {
    spec_version: "1_0",
    issuer: ISSUER,
    jwks_uri: `${ISSUER}/.well-known/jwks.json`,
    delivery_methods_supported: ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
    configuration_endpoint: `${ISSUER}/ssf/streams`,
    status_endpoint: `${ISSUER}/ssf/status`,
    add_subject_endpoint: `${ISSUER}/ssf/subjects/add`,
    remove_subject_endpoint: `${ISSUER}/ssf/subjects/remove`,
    verification_endpoint: `${ISSUER}/ssf/verify`,
    authorization_schemes: [{ spec_urn: "urn:ietf:rfc:7617" }],
    default_subjects: "ALL",
  });
  const supported = ["session-revoked", "credential-change", "token-claims-change"].map((name) => `${CAEP}${name}`);
  assert.deepEqual(poller.created, {
    stream_id: poller.id,
    iss: ISSUER,
    aud: "orders-api",
    delivery: { method: "urn:ietf:rfc:8936", endpoint_url: `${ISSUER}/ssf/streams/${poller.id}/poll` },
    events_supported: supported,
    events_delivered: supported,
    min_verification_interval: 10,
    inactivity_timeout: 2_592_000,
  });
});

test("log-out, password change, changed roles, a disabled user and everyone's end arrive as CAEP has them", async () => {
  const { stage, poller } = await scene();
  const user = asId("user", await stage.signUp("kim@example.com"));
  const [first, second] = [await stage.logIn("kim@example.com"), await stage.logIn("kim@example.com")];
  await stage.call("DELETE", "/v1/sessions/current", { token: first.access });
  const change = { current_password: PASSWORD, new_password: `${PASSWORD}!` };
  const changed = await stage.call("POST", "/v1/me/password", { token: second.access, body: change });
  assert.equal(changed.status, 204, changed.text);
  await stage.storage.users.change(user, { kind: "set_roles", roles: ["editor", "author"] }, OPERATOR);
  await stage.storage.users.change(user, { kind: "disable" }, OPERATOR);
  await stage.storage.sessions.end({ everyone: true }, "admin", OPERATOR);
  const sets = await poller.take();
  const named = { format: "iss_sub", iss: ISSUER, sub: user };
  assert.deepEqual(
    sets.map((claims) => [eventOf(claims)[0], claims.sub_id]),
    [
      ["session-revoked", { format: "complex", user: named, session: { format: "opaque", id: first.session } }],
      ["credential-change", named],
      ["token-claims-change", named],
      ["session-revoked", named],
      ["session-revoked", { format: "complex", tenant: { format: "opaque", id: ISSUER } }],
    ],
  );
  const [loggedOut, credential, claims] = sets.map((set) => eventOf(set)[1]);
  const at = Math.floor(stage.server.operations.world.clock.now() / 1000);
  assert.deepEqual(loggedOut, {
    event_timestamp: at,
    initiating_entity: "user",
    reason_admin: { en: "The user logged out." },
    reason_user: { en: "You signed out.", ko: "로그아웃했습니다." },
  });
  assert.deepEqual([credential?.credential_type, credential?.change_type], ["password", "update"]);
  assert.deepEqual([claims?.claims, claims?.initiating_entity], [{ roles: ["editor", "author"] }, "admin"]);
  for (const set of sets) {
    assert.deepEqual([set.iss, set.aud, set.iat], [ISSUER, "orders-api", at]);
    // SSF 1.0 §4.1: neither may be there.
    assert.ok(!("sub" in set) && !("exp" in set));
    assert.match(text(set.txn), /^txn_\d+_\d+$/);
    assert.ok(!JSON.stringify(set).includes("kim@example.com"));
  }
});

test("a session that makes room is told, with why; the log-in that took its place shares no cause with it", async () => {
  const { stage, poller } = await scene({}, { settings: { sessionLimit: "1" } });
  await stage.signUp("kim");
  const evicted = await stage.logIn("kim");
  await stage.logIn("kim");
  const [set] = await poller.take();
  assert.ok(set !== undefined);
  assert.deepEqual(object(object(set.sub_id).session).id, evicted.session);
  assert.equal(eventOf(set)[1].initiating_entity, "policy");
});

test("a session of nobody knows whom is told by itself", async () => {
  const { stage, poller } = await scene();
  await stage.storage.revocation.apply([{ effect: "revoke", kind: "session", value: "ses_x", reason: "admin" }]);
  const [set] = await poller.take();
  assert.deepEqual(set?.sub_id, { format: "opaque", id: "ses_x" });
});

test("an event comes again, the same but for its signature, until it is acknowledged", async () => {
  const { stage, poller } = await scene();
  for (const user of ["a", "b", "c"]) await tell(stage, user);
  const first = await poller.poll({ maxEvents: 2 });
  assert.deepEqual([...first.values()].map(whom), ["a", "b"]);
  assert.deepEqual(await poller.poll({ maxEvents: 2 }), first);
  const more = await poller.raw({ maxEvents: 2, returnImmediately: true });
  assert.equal(more.body.moreAvailable, true);
  const [a, b] = [...first.keys()];
  const rest = await poller.poll({ ack: [b] });
  assert.deepEqual([...rest.values()].map(whom), ["a", "c"]);
  const only = await poller.raw({ ack: [a, ...rest.keys()], maxEvents: 0 });
  assert.deepEqual(only.body, { sets: {} });
  assert.equal((await poller.poll()).size, 0);
});

test("a receiver that cannot take an event says why, and is not given it again", async () => {
  const { stage, poller } = await scene();
  await tell(stage, "a");
  const [name = ""] = (await poller.poll()).keys();
  await poller.poll({
    setErrs: { [name]: { err: "invalid_audience", description: "not mine" }, other: { err: "?!" } },
  });
  assert.equal((await poller.poll()).size, 0);
  const { items } = await stage.storage.audit.list({ name: "ssf.events_refused" }, { limit: 5, after: null });
  assert.deepEqual(
    items.map(({ cause, detail }) => [cause.actor, detail.error]),
    [[{ kind: "client", id: "orders-api" }, "invalid_audience"]],
  );
});

test("a poll that may wait is answered by the next commit, and by what writes no entry of the log within a second", async () => {
  const { stage, poller } = await scene();
  await stage.signUp("kim");
  const kim = await stage.logIn("kim");
  const waiting = poller.raw({});
  let answered = false;
  void waiting.then(() => {
    answered = true;
  });
  await setTimeout(20);
  assert.equal(answered, false);
  await stage.call("DELETE", "/v1/sessions/current", { token: kim.access });
  const { body } = await waiting;
  assert.equal(Object.keys(object(body.sets)).length, 1);

  const again = poller.raw({ ack: Object.keys(object(body.sets)) });
  await setTimeout(20);
  await tell(stage, "a");
  await setTimeout(20);
  stage.advance(1000);
  assert.equal(Object.keys(object((await again).body.sets)).length, 1);
});

test("who waits is answered after twenty seconds, by the next poll of the same stream, and when the server stops", async () => {
  const { stage, poller } = await scene();
  const late = poller.raw({});
  await until(stage, "twenty seconds pass", async () => {
    stage.advance(1000);
    return (await Promise.race([late.then(() => true), setTimeout(2).then(() => false)])) === true;
  });
  assert.deepEqual((await late).body, { sets: {} });
  const first = poller.raw({});
  await setTimeout(10);
  const second = poller.raw({});
  assert.deepEqual((await first).body, { sets: {} });
  await setTimeout(10);
  await stage.server.drain();
  assert.deepEqual((await second).body, { sets: {} });
});

test("a verification comes back with its state, before what is queued, and not too often", async () => {
  const { stage, poller } = await scene();
  await tell(stage, "a");
  const ask = (state?: string) => poller.ask("POST", "/ssf/verify", { stream_id: poller.id, ...(state && { state }) });
  assert.equal((await ask("VGhpcyBp")).status, 204);
  const soon = await ask();
  assert.deepEqual([soon.status, soon.headers.get("retry-after")], [429, "10"]);
  const [set, next] = await poller.take();
  assert.ok(set !== undefined && next !== undefined);
  assert.deepEqual(eventOf(set), ["verification", { state: "VGhpcyBp" }]);
  assert.deepEqual(set.sub_id, { format: "opaque", id: poller.id });
  assert.equal(whom(next), "a");
  stage.advance(10_000);
  assert.equal((await ask()).status, 204);
  assert.deepEqual((await poller.take()).map(eventOf), [["verification", {}]]);
});

test("a paused stream sends its events later, a disabled one never", async () => {
  const { stage, poller } = await scene();
  const set = async (status: string, more: Json = {}) => {
    const { status: code, body } = await poller.ask("POST", "/ssf/status", { stream_id: poller.id, status, ...more });
    assert.equal(code, 200);
    return body;
  };
  assert.deepEqual(await set("paused", { reason: "upkeep" }), {
    ...{ stream_id: poller.id, status: "paused", reason: "upkeep" },
  });
  await tell(stage, "held");
  assert.equal((await poller.poll()).size, 0);
  const { body } = await poller.ask("GET", `/ssf/status?stream_id=${poller.id}`);
  assert.deepEqual(body, { stream_id: poller.id, status: "paused", reason: "upkeep" });
  await set("enabled");
  assert.deepEqual((await poller.take()).map(whom), ["held"]);
  await set("disabled");
  await tell(stage, "lost");
  await set("enabled");
  await tell(stage, "kept");
  assert.deepEqual((await poller.take()).map(whom), ["kept"]);
});

test("an operator's change is told to the receiver, whatever the status", async () => {
  const { stage, poller } = await scene();
  const token = await stage.admin();
  await poller.take();
  const patch = (body: Json) => stage.call("PATCH", `/v1/admin/ssf/streams/${poller.id}`, { token, body });
  await patch({ status: "paused", reason: "too loud" });
  await tell(stage, "held");
  const [paused, none] = await poller.take();
  assert.ok(paused !== undefined && none === undefined);
  assert.deepEqual(eventOf(paused), ["stream-updated", { status: "paused", reason: "too loud" }]);
  await patch({ status: "enabled" });
  const [enabled, held] = await poller.take();
  assert.ok(enabled !== undefined && held !== undefined);
  assert.deepEqual(eventOf(enabled), ["stream-updated", { status: "enabled" }]);
  assert.equal(whom(held), "held");
  assert.equal((await patch({ status: "gone" })).status, 422);
  assert.equal((await stage.call("PATCH", "/v1/admin/ssf/streams/str_x", { token, body: {} })).status, 404);
});

test("with NONE, only the users that the receiver added are told of; unknown ones are passed over in silence", async () => {
  const { stage, poller } = await scene({}, { settings: { ssfDefaultSubjects: "NONE" } });
  const [kim, lee, park] = [
    await stage.signUp("kim@example.com"),
    await stage.signUp("lee@example.com"),
    await stage.signUp("park"),
  ];
  const change = async (way: string, subject: Json): Promise<number> =>
    (await poller.ask("POST", `/ssf/subjects/${way}`, { stream_id: poller.id, subject })).status;
  const iss_sub = (sub: string) => ({ format: "iss_sub", iss: ISSUER, sub });
  assert.equal(await change("add", iss_sub(kim)), 200);
  assert.equal(await change("add", { format: "complex", user: { format: "email", email: "Lee@Example.com" } }), 200);
  for (const user of [kim, lee, park]) await tell(stage, user);
  assert.deepEqual((await poller.take()).map(whom), [kim, lee]);
  const aliases = { format: "aliases", identifiers: [{ format: "email", email: "x@y.example" }, iss_sub(lee)] };
  assert.equal(await change("remove", aliases), 204);
  await tell(stage, lee);
  assert.deepEqual(await poller.take(), []);
  for (const nobody of [iss_sub("usr_nobody"), { format: "email", email: "nobody@example.com" }]) {
    assert.equal(await change("add", nobody), 200);
  }
  const unsupported = [
    { format: "iss_sub", iss: "https://other.example", sub: kim },
    { format: "phone_number", phone_number: "+12065550100" },
    { format: "opaque", id: "x" },
    { format: "complex", tenant: { format: "opaque", id: ISSUER } },
    { format: "complex" },
    { format: "email" },
    {},
    "kim",
  ];
  for (const subject of unsupported) assert.equal(await change("add", subject as Json), 400, JSON.stringify(subject));
});

test("by email where an operator says so, for a deleted user too; by id where there is no address", async () => {
  const { stage, server } = await scene();
  const token = await stage.admin();
  const body = { client_id: server.id, naming: "email", events: ["session-revoked"] };
  const made = await stage.call("POST", "/v1/admin/ssf/streams", { token, body });
  assert.equal(made.status, 201, made.text);
  const stream = object(made.body.stream);
  const [kim, park] = [asId("user", await stage.signUp("kim@example.com")), asId("user", await stage.signUp("park"))];
  await stage.storage.sessions.end({ user: kim }, "admin", OPERATOR);
  await stage.storage.sessions.end({ user: park }, "admin", OPERATOR);
  const before = await stage.call("POST", `/ssf/streams/${text(stream.id)}/poll`, {
    as: server,
    body: { maxEvents: 1 },
  });
  const [early] = Object.values(object(before.body.sets));
  assert.deepEqual((await verified(stage, text(early))).sub_id, { format: "email", email: "kim@example.com" });
  await stage.storage.users.change(kim, { kind: "delete" }, OPERATOR);
  const { body: answer } = await stage.call("POST", `/ssf/streams/${text(stream.id)}/poll`, {
    as: server,
    body: { returnImmediately: true },
  });
  const sets = await Promise.all(Object.values(object(answer.sets)).map((set) => verified(stage, text(set))));
  assert.deepEqual(
    sets.map(({ sub_id }) => sub_id),
    [
      // By now nobody is called so; the event that deleted the account, which says all of it again, still knows.
      { format: "iss_sub", iss: ISSUER, sub: kim },
      { format: "iss_sub", iss: ISSUER, sub: park },
      { format: "email", email: "kim@example.com" },
    ],
  );
});

test("a receiver changes its stream: what it sends counts, what it leaves out stays with PATCH and goes with PUT", async () => {
  const { poller } = await scene({ events_requested: [`${CAEP}session-revoked`, "urn:x"], description: "one\ntwo" });
  const { body: read } = await poller.ask("GET", `/ssf/streams?stream_id=${poller.id}`);
  assert.deepEqual(read, poller.created);
  assert.deepEqual(
    [read.events_requested, read.events_delivered, read.description],
    [[`${CAEP}session-revoked`, "urn:x"], [`${CAEP}session-revoked`], "one two"],
  );
  const patched = await poller.ask("PATCH", "/ssf/streams", { stream_id: poller.id, description: "three" });
  assert.deepEqual(patched.body, { ...read, description: "three" });
  const stale = await poller.ask("PUT", "/ssf/streams", { ...read, events_delivered: [] });
  assert.equal(stale.status, 400);
  const { delivery } = read;
  const replaced = await poller.ask("PUT", "/ssf/streams", { stream_id: poller.id, delivery });
  assert.equal(replaced.status, 200);
  assert.ok(!("description" in replaced.body) && !("events_requested" in replaced.body));
  assert.deepEqual(replaced.body.events_delivered, replaced.body.events_supported);
  const { body: all } = await poller.ask("GET", "/ssf/streams");
  assert.deepEqual(list(all).length, 0, "a list is no object");
});

test("what is wrong with a request is answered with the status that the framework lists", async () => {
  const { stage, server, poller } = await scene();
  const id = poller.id;
  const cases: readonly (readonly [string, string, unknown, number])[] = [
    ["POST", "/ssf/streams", { delivery: { method: "urn:x" } }, 400],
    ["POST", "/ssf/streams", { delivery: "poll" }, 400],
    ["POST", "/ssf/streams", { events_requested: "all" }, 400],
    ["GET", "/ssf/streams?stream_id=str_x", undefined, 404],
    ["PATCH", "/ssf/streams", {}, 400],
    ["PATCH", "/ssf/streams", { stream_id: "str_x" }, 404],
    ["PATCH", "/ssf/streams", { stream_id: id, iss: "https://other.example" }, 400],
    ["PATCH", "/ssf/streams", { stream_id: id, aud: ["x"] }, 400],
    ["PATCH", "/ssf/streams", { stream_id: id, delivery: { method: "urn:ietf:rfc:8936", endpoint_url: "x" } }, 400],
    ["PUT", "/ssf/streams", { stream_id: id }, 400],
    ["DELETE", "/ssf/streams", undefined, 400],
    ["DELETE", "/ssf/streams?stream_id=str_x", undefined, 404],
    ["GET", "/ssf/status", undefined, 400],
    ["POST", "/ssf/status", { stream_id: id, status: "on" }, 400],
    ["POST", "/ssf/verify", { stream_id: "str_x" }, 404],
    ["POST", "/ssf/verify", { stream_id: id, state: 7 }, 400],
    ["POST", `/ssf/streams/${id}/poll`, { maxEvents: -1 }, 400],
    ["POST", `/ssf/streams/${id}/poll`, { ack: "x" }, 400],
    ["POST", `/ssf/streams/${id}/poll`, { setErrs: { x: "y" } }, 400],
    ["POST", "/ssf/streams/str_x/poll", { returnImmediately: true }, 404],
  ];
  for (const [method, path, body, status] of cases) {
    const answer = await poller.ask(method, path, body);
    assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(body)}: ${answer.text}`);
    assert.equal(answer.body.status, status);
  }
  for (let count = 1; count < 4; count += 1) await Poller.make(stage, server);
  assert.equal((await poller.ask("POST", "/ssf/streams", {})).status, 409);
  assert.equal((await poller.ask("DELETE", `/ssf/streams?stream_id=${id}`)).status, 204);
  assert.equal((await poller.raw({ returnImmediately: true })).status, 404);
});

test("a resource server has its own streams only, and nobody else has any", async () => {
  const { stage, poller } = await scene();
  const stranger = await stage.resourceServer("other-api");
  const own = await Poller.make(stage, stranger);
  const { id } = poller;
  const attempts: readonly (readonly [string, string, Json?])[] = [
    ["GET", `/ssf/streams?stream_id=${id}`],
    ["PATCH", "/ssf/streams", { stream_id: id, description: "mine" }],
    ["PUT", "/ssf/streams", { stream_id: id, delivery: { method: "urn:ietf:rfc:8936" } }],
    ["DELETE", `/ssf/streams?stream_id=${id}`],
    ["GET", `/ssf/status?stream_id=${id}`],
    ["POST", "/ssf/status", { stream_id: id, status: "disabled" }],
    ["POST", "/ssf/subjects/add", { stream_id: id, subject: { format: "email", email: "a@b.example" } }],
    ["POST", "/ssf/subjects/remove", { stream_id: id, subject: { format: "email", email: "a@b.example" } }],
    ["POST", "/ssf/verify", { stream_id: id }],
    ["POST", `/ssf/streams/${id}/poll`, { returnImmediately: true }],
  ];
  await stage.signUp("kim");
  const { access: token } = await stage.logIn("kim");
  for (const [method, path, body] of attempts) {
    const sent = body === undefined ? {} : { body };
    assert.equal((await own.ask(method, path, body)).status, 404, path);
    assert.equal((await stage.call(method, path, sent)).status, 401, path);
    assert.equal((await stage.call(method, path, { ...sent, token })).status, 401, path);
    const wrong = { id: stranger.id, secret: "x".repeat(43) };
    assert.equal((await stage.call(method, path, { ...sent, as: wrong })).status, 401, path);
  }
  const { text: listed } = await own.ask("GET", "/ssf/streams");
  assert.ok(!listed.includes(id) && listed.includes(own.id));
  // Another's acknowledgement moves nothing, though it names the event rightly.
  await tell(stage, "a");
  const names = [...(await poller.poll()).keys()];
  await own.poll({ ack: names });
  assert.equal((await poller.poll()).size, 1);
});

test("an event is no access token, and an access token is no event", async () => {
  const { stage, poller } = await scene();
  await stage.signUp("kim");
  const { access } = await stage.logIn("kim");
  await tell(stage, "a");
  const [set] = Object.values(object((await poller.raw({ returnImmediately: true })).body.sets));
  for (const path of ["/v1/me", "/v1/sessions", "/v1/admin/users"]) {
    assert.equal((await stage.call("GET", path, { token: text(set) })).status, 401, path);
  }
  const typ = (token: string) => object(JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString())).typ;
  assert.deepEqual([typ(text(set)), typ(access)], ["secevent+jwt", "at+jwt"]);
});

test("with a shared secret there are no Shared Signals, and every address says why", async () => {
  const sharedSecret = Buffer.alloc(32, 9).toString("base64url");
  const stage = await openStage({ settings: { signingAlg: "HS256", sharedSecret } });
  open.push(stage);
  const as = await stage.resourceServer("orders-api");
  const asked = [
    await stage.call("GET", "/.well-known/ssf-configuration"),
    await stage.call("POST", "/ssf/streams", { as, body: {} }),
    await stage.call("POST", "/ssf/streams/str_x/poll", { as, body: {} }),
  ];
  for (const { status, body } of asked) {
    assert.equal(status, 404);
    assert.match(text(body.detail), /Shared Signals are off: .*HS256/);
  }
});

test("deleting a resource server leaves its stream unread, and a new one of the same name does not inherit it", async () => {
  const { stage, server, poller } = await scene();
  await stage.server.operations.clientAction.delete(asId("client", server.id), OPERATOR);
  assert.equal((await poller.raw({})).status, 401);
  const again = await stage.resourceServer(server.id);
  const { text: listed } = await stage.call("GET", "/ssf/streams", { as: again });
  assert.equal(listed, "[]");
});

/** Events of another provider, pushed to the whole server: what each does here, and what none can. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import {
  type Answer,
  ISSUER,
  type Json,
  list,
  object,
  openStage,
  type Stage,
  type StageOptions,
  text,
} from "../stage.ts";
import { faultsOf, openProvider, type Provider, STREAM } from "./provider.ts";
import { Poller, until } from "./receiver.ts";

const SETTINGS = { dangerouslyAllowSsfTo: "127.0.0.1", rateLimit: "off" } as const;
const CAEP = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC = "https://schemas.openid.net/secevent/risc/event-type/";
const SSF = "https://schemas.openid.net/secevent/ssf/event-type/";
const REVOKED = `${CAEP}session-revoked`;
const byEmail = (email: string) => ({ sub_id: { format: "email", email } });

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

let administrators = 0;

/** This server and another provider that pushes to it. */
class Pushing {
  readonly stage: Stage;
  readonly provider: Provider;
  #admin = "";
  id = "";
  authorization = "";

  constructor(stage: Stage, provider: Provider) {
    this.stage = stage;
    this.provider = provider;
  }

  async add(more: Json = {}): Promise<Answer> {
    administrators += 1;
    this.#admin = await this.stage.admin(`administrator-${administrators}`);
    const body = { issuer: this.provider.issuer, method: "push", ...more };
    const added = await this.ask("POST", "", body);
    if (added.status !== 201) return added;
    this.id = text(object(added.body.receiver).id);
    const { authorization_header: header = "" } = object(this.provider.stream().delivery);
    this.authorization = text(header);
    return added;
  }

  ask(method: string, path: string, body?: Json): Promise<Answer> {
    const sent = { token: this.#admin, ...(body === undefined ? {} : { body }) };
    return this.stage.call(method, `/v1/admin/ssf/receivers${path}`, sent);
  }

  push(set: string, authorization = this.authorization, id = this.id): Promise<Answer> {
    const headers = { "content-type": "application/secevent+jwt", ...(authorization === "" ? {} : { authorization }) };
    return this.stage.call("POST", `/ssf/events/${id}`, { raw: set, headers });
  }

  async state(): Promise<Json> {
    const { body } = await this.ask("GET", "");
    return list(body.receivers).find(({ id }) => id === this.id) ?? {};
  }

  /** What the last events led to, newest first. */
  async results(): Promise<readonly unknown[]> {
    const { items } = await this.stage.storage.audit.list({ name: "ssf.event_received" }, { limit: 50, after: null });
    return items.map(({ detail }) => detail.result);
  }
}

async function scene(more: Json = {}, options: StageOptions = {}): Promise<Pushing> {
  const provider = await openProvider();
  open.push(provider);
  const stage = await openStage({ ...options, settings: { ...SETTINGS, ...options.settings } });
  open.push(stage);
  const pushing = new Pushing(stage, provider);
  const added = await pushing.add(more);
  assert.equal(added.status, 201, added.text);
  return pushing;
}

const alive = async (stage: Stage, token: string): Promise<unknown> => {
  const { status, body } = await stage.call("GET", "/v1/me", { token });
  return status === 200 ? true : body.reason;
};

test("adding a provider makes a stream there, with an address and a credential of its own, for events that do something", async () => {
  const { provider, id, authorization, stage } = await scene({ authorization: "Bearer ours" });
  const [made] = provider.asked;
  assert.deepEqual([made?.method, made?.path, made?.authorization], ["POST", "/stream", "Bearer ours"]);
  assert.deepEqual(object(made?.body.delivery), {
    method: "urn:ietf:rfc:8935",
    endpoint_url: `${ISSUER}/ssf/events/${id}`,
    authorization_header: authorization,
  });
  assert.match(authorization, /^Bearer [\w-]{43}$/);
  const events = made?.body.events_requested as readonly string[];
  assert.ok(events.includes(REVOKED) && events.includes(`${RISC}account-disabled`));
  const told = [stage.log(), JSON.stringify(await stage.storage.audit.list({}, { limit: 99, after: null }))];
  for (const each of told) assert.ok(!each.includes("ours") && !each.includes(authorization.slice(7)));
});

test("session-revoked for a user's address ends his sessions, tells the device why, and is audited", async () => {
  const pushing = await scene();
  const { stage, provider } = pushing;
  await stage.signUp("kim@example.com");
  await stage.signUp("lee@example.com");
  const [kim, lee] = [await stage.logIn("kim@example.com"), await stage.logIn("lee@example.com")];
  const answer = await pushing.push(provider.sign(REVOKED, byEmail("Kim@Example.com")));
  assert.deepEqual([answer.status, answer.text], [202, ""]);
  assert.equal(await alive(stage, kim.access), "reported");
  assert.equal(await alive(stage, lee.access), true);
  const { items } = await stage.storage.audit.list({ name: "ssf.event_received" }, { limit: 5, after: null });
  assert.deepEqual(
    items.map(({ user, detail }) => [user, detail]),
    [[kim.user, { receiver: pushing.id, event: REVOKED, result: "sessions_ended" }]],
  );
  const again = await stage.logIn("kim@example.com");
  assert.equal(await alive(stage, again.access), true);
});

test("a replayed event does nothing, and is not complained of", async () => {
  const pushing = await scene();
  const { stage, provider } = pushing;
  await stage.signUp("kim@example.com");
  const set = provider.sign(REVOKED, byEmail("kim@example.com"));
  assert.equal((await pushing.push(set)).status, 202);
  const kim = await stage.logIn("kim@example.com");
  assert.equal((await pushing.push(set)).status, 202);
  assert.equal(await alive(stage, kim.access), true);
  assert.deepEqual(await pushing.results(), ["sessions_ended"]);
  // Under its name, whatever else it says.
  const renamed = provider.sign(REVOKED, { ...byEmail("kim@example.com"), jti: "jti-1" });
  assert.equal((await pushing.push(renamed)).status, 202);
  assert.equal(await alive(stage, kim.access), true);
});

test("subjects: our own ids, aliases, a session of ours; what is linked to the provider's own ids is nobody", async () => {
  const pushing = await scene();
  const { stage, provider } = pushing;
  const user = await stage.signUp("kim@example.com");
  const iss_sub = (iss: string, sub: string) => ({ format: "iss_sub", iss, sub });
  const session = (id: string) => ({ format: "opaque", id });
  const fresh = async () => [await stage.logIn("kim@example.com"), await stage.logIn("kim@example.com")] as const;
  const after = async (sub_id: (one: string) => Json, members: Json = {}) => {
    const [one, two] = await fresh();
    const answer = await pushing.push(provider.sign(REVOKED, { sub_id: sub_id(one.session) }, members));
    assert.equal(answer.status, 202, answer.text);
    return [await alive(stage, one.access), await alive(stage, two.access), (await pushing.results())[0]];
  };
  const ended = ["reported", "reported", "sessions_ended"];
  assert.deepEqual(await after(() => iss_sub(ISSUER, user)), ended);
  assert.deepEqual(await after(() => session(user)), ended);
  const stranger = iss_sub(provider.issuer, "theirs");
  assert.deepEqual(await after(() => ({ format: "aliases", identifiers: [stranger, iss_sub(ISSUER, user)] })), ended);
  const one = ["reported", true, "session_ended"];
  assert.deepEqual(await after((id) => session(id)), one);
  assert.deepEqual(await after((id) => ({ format: "complex", session: session(id) })), one);
  assert.deepEqual(
    await after((id) => ({ format: "complex", user: iss_sub(ISSUER, user), session: session(id) })),
    one,
  );
  const none = (why: string) => [true, true, why];
  assert.deepEqual(await after(() => stranger), none("unknown_subject"));
  assert.deepEqual(await after(() => iss_sub(ISSUER, "usr_nobody")), none("unknown_subject"));
  assert.deepEqual(await after(() => ({ format: "phone_number", phone_number: "+82" })), none("unknown_subject"));
  assert.deepEqual(await after(() => ({ format: "email", email: "not an address" })), none("unknown_subject"));
  // A session of theirs: a log-out there is none here, anything else is of all of his.
  const theirs = () => ({ format: "complex", user: iss_sub(ISSUER, user), session: session("their-session") });
  assert.deepEqual(await after(theirs, { initiating_entity: "user" }), none("not_ours"));
  assert.deepEqual(await after(theirs, { initiating_entity: "policy" }), ended);
  // Somebody else's session under this user's name.
  const lee = await stage.signUp("lee@example.com");
  const contradiction = (id: string) => ({ format: "complex", user: iss_sub(ISSUER, lee), session: session(id) });
  assert.deepEqual(await after(contradiction), none("contradictory"));
});

test("no event ends everyone's sessions, or those of a tenant or a group", async () => {
  const pushing = await scene();
  const { stage, provider } = pushing;
  await stage.signUp("kim@example.com");
  const kim = await stage.logIn("kim@example.com");
  const wide = [
    { format: "complex", tenant: { format: "opaque", id: ISSUER } },
    { format: "complex", group: { format: "email", email: "kim@example.com" } },
    { format: "complex", org_unit: { format: "opaque", id: "*" } },
  ];
  for (const sub_id of wide) assert.equal((await pushing.push(provider.sign(REVOKED, { sub_id }))).status, 202);
  assert.equal(await alive(stage, kim.access), true);
  assert.deepEqual(await pushing.results(), ["too_wide", "too_wide", "too_wide"]);
  for (const sub_id of [
    { format: "opaque", id: "" },
    { format: "opaque", id: "*" },
    { format: "email", email: "*@example.com" },
  ]) {
    await pushing.push(provider.sign(REVOKED, { sub_id }));
  }
  assert.equal(await alive(stage, kim.access), true);
});

test("credential-change ends sessions unless a credential was only added", async () => {
  const pushing = await scene();
  const { stage, provider } = pushing;
  await stage.signUp("kim@example.com");
  const kim = await stage.logIn("kim@example.com");
  const change = (change_type: string) =>
    pushing.push(
      provider.sign(`${CAEP}credential-change`, byEmail("kim@example.com"), {
        credential_type: "password",
        change_type,
      }),
    );
  assert.equal((await change("create")).status, 202);
  assert.equal(await alive(stage, kim.access), true);
  assert.equal((await change("update")).status, 202);
  assert.equal(await alive(stage, kim.access), "reported");
  const odd = await change("exploded");
  assert.deepEqual([odd.status, odd.body.err], [400, "invalid_request"]);
});

test("token-claims-change has the tokens that are out refused; the session stays, and its refresh brings one that holds", async () => {
  const pushing = await scene();
  const { stage, provider } = pushing;
  await stage.signUp("kim@example.com");
  const kim = await stage.logIn("kim@example.com");
  const claims = { claims: { roles: ["admin"] } };
  const set = provider.sign(`${CAEP}token-claims-change`, byEmail("kim@example.com"), claims);
  assert.equal((await pushing.push(set)).status, 202);
  assert.equal((await stage.call("GET", "/v1/me", { token: kim.access })).status, 401);
  const next = await stage.refresh(kim.refresh);
  assert.equal(next.status, 200, next.text);
  const { status, body } = await stage.call("GET", "/v1/me", { token: text(next.body.access_token) });
  assert.equal(status, 200);
  assert.deepEqual(object(body.user).roles ?? [], [], "no roles come from there");
  assert.deepEqual(await pushing.results(), ["tokens_refused"]);
  const bare = await pushing.push(provider.sign(`${CAEP}token-claims-change`, byEmail("kim@example.com")));
  assert.deepEqual([bare.status, bare.body.err], [400, "invalid_request"]);
});

test("account-disabled ends the sessions; it disables the account only where the operator said so", async () => {
  for (const disable_accounts of [false, true]) {
    const pushing = await scene({ disable_accounts });
    const { stage, provider } = pushing;
    const user = asId("user", await stage.signUp("kim@example.com"));
    const kim = await stage.logIn("kim@example.com");
    const answer = await pushing.push(provider.sign(`${RISC}account-disabled`, byEmail("kim@example.com")));
    assert.equal(answer.status, 202);
    assert.equal(await alive(stage, kim.access), disable_accounts ? "user_disabled" : "reported");
    assert.equal((await stage.storage.users.find(user))?.state, disable_accounts ? "disabled" : "active");
    assert.deepEqual(await pushing.results(), [disable_accounts ? "account_disabled" : "sessions_ended"]);
  }
});

test("a provider names users by addresses of its domains only", async () => {
  const pushing = await scene({ domains: ["example.com"] });
  const { stage, provider } = pushing;
  for (const name of ["kim@example.com", "lee@other.example", "kim@sub.example.com"]) await stage.signUp(name);
  const push = async (email: string) => {
    const log = await stage.logIn(email);
    await pushing.push(provider.sign(REVOKED, byEmail(email)));
    return alive(stage, log.access);
  };
  assert.equal(await push("kim@example.com"), "reported");
  assert.equal(await push("lee@other.example"), true);
  assert.equal(await push("kim@sub.example.com"), true);
});

test("nobody pushes without the credential, to another receiver, or to one that is paused or gone", async () => {
  const pushing = await scene();
  const { stage, provider } = pushing;
  const other = new Pushing(stage, await openProvider());
  open.push(other.provider);
  assert.equal((await other.add()).status, 201);
  const set = provider.sign(REVOKED, byEmail("kim@example.com"));
  const denied = async (answer: Promise<Answer>) => {
    const { status, body, headers } = await answer;
    assert.deepEqual([status, body.err, headers.get("content-language")], [401, "authentication_failed", "en"]);
  };
  await denied(pushing.push(set, ""));
  await denied(pushing.push(set, "Bearer x"));
  await denied(pushing.push(set, other.authorization));
  await denied(pushing.push(set, pushing.authorization, "rcv_nobody"));
  // The right door, but another provider's event.
  const strange = await other.push(set);
  assert.deepEqual([strange.status, strange.body.err], [400, "invalid_key"]);
  assert.equal((await pushing.ask("PATCH", `/${pushing.id}`, { state: "paused" })).status, 200);
  await denied(pushing.push(set));
  assert.equal((await pushing.ask("PATCH", `/${pushing.id}`, { state: "active" })).status, 200);
  assert.equal((await pushing.push(set)).status, 202);
  const removed = await pushing.ask("DELETE", `/${pushing.id}`);
  assert.deepEqual(removed.body, { left: null });
  assert.equal(provider.asked.at(-1)?.method, "DELETE");
  await denied(pushing.push(set));
});

test("what is no event, or no good one, is refused by the name of RFC 8935, and does nothing", async () => {
  const pushing = await scene();
  const { stage, provider } = pushing;
  await stage.signUp("kim@example.com");
  const kim = await stage.logIn("kim@example.com");
  const victim = byEmail("kim@example.com");
  const cases: readonly (readonly [string, string])[] = [
    ["", "invalid_request"],
    ["not a token", "invalid_request"],
    [kim.access, "invalid_request"],
    [provider.sign(REVOKED, victim, {}, "JWT"), "invalid_request"],
    [provider.sign(REVOKED, victim, {}, "at+jwt"), "invalid_request"],
    [provider.sign(REVOKED, { ...victim, iss: ISSUER }), "invalid_issuer"],
    [provider.sign(REVOKED, { ...victim, aud: "https://other.example" }), "invalid_audience"],
    [provider.sign(REVOKED, { ...victim, exp: 1_900_000_000 }), "invalid_request"],
    [provider.sign(REVOKED, { ...victim, iat: 1_700_000_000 }), "invalid_request"],
    [provider.sign(REVOKED, {}), "invalid_request"],
    [`${provider.sign(REVOKED, victim).slice(0, -4)}AAAA`, "invalid_key"],
  ];
  for (const [set, err] of cases) {
    const { status, body } = await pushing.push(set);
    assert.deepEqual([status, body.err], [400, err], set.slice(0, 60));
    assert.equal(typeof body.description, "string");
    assert.ok(set === "" || !JSON.stringify(body).includes(set));
  }
  const typed = { "content-type": "application/jwt", authorization: pushing.authorization };
  const untyped = await stage.call("POST", `/ssf/events/${pushing.id}`, {
    raw: provider.sign(REVOKED, victim),
    headers: typed,
  });
  assert.deepEqual([untyped.status, untyped.body.err], [400, "invalid_request"]);
  assert.equal(await alive(stage, kim.access), true);
  assert.deepEqual(await pushing.results(), []);
  const { rejected, last_failure } = await pushing.state();
  assert.deepEqual([Number(rejected) > 5, last_failure], [true, "invalid_key"]);
});

test("while a provider's keys cannot be had, nothing is decided: the event is to come again", async () => {
  const pushing = await scene();
  const { stage, provider } = pushing;
  await stage.signUp("kim@example.com");
  const kim = await stage.logIn("kim@example.com");
  const set = provider.sign(REVOKED, byEmail("kim@example.com"));
  provider.away = true;
  const later = await pushing.push(set);
  assert.deepEqual([later.status, later.headers.get("retry-after")], [503, "30"]);
  assert.equal(await alive(stage, kim.access), true);
  provider.away = false;
  stage.advance(60_000);
  await until(stage, "the keys are there", async () => (await pushing.push(set)).status === 202);
  assert.notEqual(await alive(stage, kim.access), true);
});

test("a verification counts only with the state that was asked for, once", async () => {
  const pushing = await scene();
  const { stage, provider } = pushing;
  const verification = (members: Json, id = STREAM) =>
    pushing.push(provider.sign(`${SSF}verification`, { sub_id: { format: "opaque", id } }, members));
  const early = await verification({ state: "made up" });
  assert.deepEqual([early.status, early.body.err], [400, "invalid_state"]);
  assert.equal((await pushing.ask("POST", `/${pushing.id}/verify`)).status, 202);
  const asked = provider.asked.at(-1);
  assert.deepEqual([asked?.path, asked?.body.stream_id], ["/verify", STREAM]);
  const state = text(asked?.body.state);
  assert.equal((await verification({ state: `${state}x` })).status, 400);
  assert.equal((await verification({ state }, "another-stream")).status, 400);
  assert.equal((await pushing.state()).verified_at, null);
  const counted = Number((await pushing.state()).events);
  assert.equal((await verification({ state })).status, 202);
  assert.equal((await pushing.state()).events, counted, "it is no event about anybody");
  assert.notEqual((await pushing.state()).verified_at, null);
  assert.equal((await verification({ state })).status, 400, "it was asked for once");
  // SSF 1.0 §8.1.4.1: one that the provider sends by itself has no state.
  assert.equal((await verification({})).status, 202);
  await pushing.ask("POST", `/${pushing.id}/verify`);
  stage.advance(6 * 60_000);
  const again = new Pushing(stage, provider);
  again.id = pushing.id;
  const found = await stage.storage.receivers.find(asId("receiver", pushing.id));
  assert.ok(found?.asked !== null, "nobody answered, and the list says that it is silent");
});

test("what the provider says of its stream is shown", async () => {
  const pushing = await scene();
  const { provider } = pushing;
  const updated = (status: string, id = STREAM) =>
    pushing.push(provider.sign(`${SSF}stream-updated`, { sub_id: { format: "opaque", id } }, { status }));
  assert.equal((await updated("paused")).status, 202);
  assert.equal((await pushing.state()).stream_status, "paused");
  assert.equal((await updated("exploded")).status, 400);
  assert.equal((await updated("enabled", "another")).status, 400);
});

test("above the limit, events of a provider wait", async () => {
  const pushing = await scene({}, { settings: { rateLimit: "on" } });
  const { stage, provider } = pushing;
  await stage.signUp("kim@example.com");
  let answer = await pushing.push(provider.sign(REVOKED, byEmail("kim@example.com")));
  let pushed = 1;
  while (answer.status === 202 && pushed <= 1000) {
    answer = await pushing.push(provider.sign(REVOKED, byEmail("kim@example.com")));
    pushed += 1;
  }
  assert.deepEqual([answer.status, pushed], [503, 1001]);
  assert.ok(Number(answer.headers.get("retry-after")) >= 1);
  stage.advance(2000);
  assert.equal((await pushing.push(provider.sign(REVOKED, byEmail("kim@example.com")))).status, 202);
});

test("what another provider reported is not passed on: two that listen to each other come to rest", async () => {
  const pushing = await scene();
  const { stage, provider } = pushing;
  const poller = await Poller.make(stage, await stage.resourceServer("crm"));
  await stage.signUp("kim@example.com");
  await stage.logIn("kim@example.com");
  await pushing.push(provider.sign(REVOKED, byEmail("kim@example.com")));
  assert.deepEqual(await poller.take(), []);
});

test("a provider that is not who it says, or points inward, is not added", async () => {
  const provider = await openProvider();
  open.push(provider);
  const stage = await openStage({ settings: SETTINGS });
  open.push(stage);
  const pushing = new Pushing(stage, provider);
  const refused = async (more: Json, why: RegExp) => {
    const { status, body, text: told } = await pushing.add(more);
    assert.equal(status, 422, told);
    assert.match(faultsOf(body), why);
  };
  provider.configuration = { issuer: "https://other.example" };
  await refused({}, /names another issuer/);
  for (const name of ["jwks_uri", "configuration_endpoint", "verification_endpoint"]) {
    provider.configuration = { [name]: "https://169.254.169.254/latest" };
    await refused({}, /names a private address/);
  }
  provider.configuration = { jwks_uri: 7 };
  await refused({}, /has no jwks_uri/);
  provider.configuration = {};
  await refused({ audience: "https://somebody.else" }, /another audience/);
  assert.equal(provider.asked.at(-1)?.method, "DELETE", "the stream that was made is taken back");
  provider.credential = "Bearer theirs";
  await refused({ authorization: "Bearer wrong" }, /it made no stream: status 401/);
  provider.credential = "";
  await refused({ issuer: "http://login.example" }, /must begin with https:/);
  await refused({ issuer: "https://10.0.0.1" }, /private address/);
  await refused({ issuer: ISSUER }, /own issuer/);
  await refused({ issuer: `${provider.issuer}/tenant` }, /cannot be had: status 404/);
  provider.away = true;
  await refused({}, /unreachable/);
  assert.equal((await stage.storage.receivers.list()).length, 0);
});

test("a stream that was made by hand is used, and left alone when the receiver goes", async () => {
  const provider = await openProvider();
  open.push(provider);
  provider.configuration = { configuration_endpoint: undefined };
  const stage = await openStage({ settings: SETTINGS });
  open.push(stage);
  const pushing = new Pushing(stage, provider);
  const bare = await pushing.add();
  assert.match(faultsOf(bare.body), /managed by hand/);
  const added = await pushing.add({ stream_id: STREAM, audience: "https://login.example" });
  assert.equal(added.status, 201, added.text);
  const { url, authorization } = object(added.body.push);
  assert.equal(url, `${ISSUER}/ssf/events/${pushing.id}`);
  assert.equal(
    (await pushing.push(provider.sign(REVOKED, byEmail("kim@example.com")), text(authorization))).status,
    202,
  );
  assert.deepEqual((await pushing.ask("DELETE", `/${pushing.id}`)).body, { left: null });
  assert.deepEqual(provider.asked, []);
});

/** Another provider that means harm, or has gone mad: what it can cost, and that nobody else pays for it. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { afterEach, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { receiverView } from "../../packages/server/src/http/api/admin-ssf-receivers.ts";
import { type Answer, type Json, object, openStage, type Stage, text } from "../stage.ts";
import { openProvider, type Provider } from "./provider.ts";
import { until } from "./receiver.ts";

const SETTINGS = { dangerouslyAllowSsfTo: "127.0.0.1" } as const;
const REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

async function server(): Promise<{ readonly stage: Stage; readonly token: string }> {
  const stage = await openStage({ settings: SETTINGS });
  open.push(stage);
  return { stage, token: await stage.admin() };
}

interface Added {
  readonly provider: Provider;
  readonly id: string;
  push(set: string): Promise<Answer>;
  state(): Promise<Json>;
}

async function add(stage: Stage, token: string, method: "push" | "poll"): Promise<Added> {
  const provider = await openProvider();
  open.push(provider);
  const added = await stage.call("POST", "/v1/admin/ssf/receivers", {
    token,
    body: { issuer: provider.issuer, method },
  });
  assert.equal(added.status, 201, added.text);
  const id = text(object(added.body.receiver).id);
  return {
    provider,
    id,
    push: (set) => {
      const authorization = text(object(provider.stream().delivery).authorization_header);
      const headers = { "content-type": "application/secevent+jwt", authorization };
      return stage.call("POST", `/ssf/events/${id}`, { raw: set, headers });
    },
    state: async () => {
      const receiver = (await stage.storage.receivers.list()).find((each) => each.id === id);
      assert.ok(receiver !== undefined);
      return { ...receiverView(receiver, stage.server.operations.world.clock.now()) };
    },
  };
}

const about = (email: string) => ({ sub_id: { format: "email", email } });
const polls = ({ asked }: Provider): number => asked.filter(({ path }) => path === "/poll").length;
const failure = (of: Added) => async () => (await of.state()).last_failure;

test("an event that is longer than any token may be is refused unread, pushed or polled", async () => {
  const { stage, token } = await server();
  const [pushed, polled] = [await add(stage, token, "push"), await add(stage, token, "poll")];
  const long = ({ provider }: Added, length: number) => {
    const [header = "", payload = "", signature = ""] = provider.sign(REVOKED, about("kim@example.com")).split(".");
    return { short: `${header}.${payload}.${signature}`, long: `${header}.${payload}.${signature.repeat(length)}` };
  };
  for (const length of [100, 1000]) {
    const { status, body } = await pushed.push(long(pushed, length).long);
    assert.deepEqual([status, body.err], [400, "invalid_request"], "above 8 and above 64 KiB");
  }
  polled.provider.queue(long(polled, 1000).long, long(polled, 1).short);
  await until(stage, "all is settled", () => polled.provider.refused.size + polled.provider.acknowledged.length === 2);
  assert.deepEqual([...polled.provider.refused.values()], ["invalid_request"]);
});

test("an answer that does not end, an endless list, and a redirect are failures of the provider; others are listened to", async () => {
  const { stage, token } = await server();
  const [mad, fine] = [await add(stage, token, "poll"), await add(stage, token, "poll")];
  const wide = (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ sets: { a: "x".repeat(3 * 1024 * 1024) } }));
  };
  await until(stage, "it is polled", () => polls(mad.provider) > 0);
  mad.provider.instead = { "/poll": wide };
  stage.advance(6000);
  await until(stage, "it fails", async () => (await failure(mad)()) === "poll: its answer is no JSON object");

  const elsewhere = `${fine.provider.issuer}/stolen`;
  mad.provider.instead = { "/poll": (response) => response.writeHead(307, { location: elsewhere }).end() };
  stage.advance(60_000);
  await until(stage, "it is not followed", async () => (await failure(mad)()) === "poll: status 307");
  assert.ok(!fine.provider.asked.some(({ path }) => path === "/stolen"));

  let hanging = 0;
  mad.provider.instead = {
    "/poll": () => {
      hanging += 1;
    },
  };
  stage.advance(120_000);
  await until(stage, "it hangs", () => hanging > 0);
  fine.provider.queue(fine.provider.sign(REVOKED, about("nobody@example.com")));
  stage.advance(5000);
  await until(stage, "the other is heard meanwhile", () => fine.provider.acknowledged.length === 1);
  stage.advance(60_000);
  await until(stage, "it was waited for long enough", async () => (await failure(mad)()) === "poll: timed_out");
  const lines = stage.log().split("\n");
  const told = lines.filter((line) => line.includes("cannot be listened to") && line.includes(mad.id));
  assert.equal(told.length, 1, "one line for all of it");
});

test("a provider that always says that there is more, or sends the same again and again, is not asked in a circle", async () => {
  const { stage, token } = await server();
  const one = await add(stage, token, "poll");
  const { provider } = one;
  const set = provider.sign(REVOKED, about("nobody@example.com"));
  for (const sets of [{}, { again: set }]) {
    provider.instead = {
      "/poll": (response) => response.end(JSON.stringify({ sets, moreAvailable: true })),
    };
    const before = polls(provider);
    stage.advance(6000);
    await until(stage, "it is polled", () => polls(provider) > before);
    for (let rounds = 0; rounds < 30; rounds += 1) {
      stage.advance(100);
      await setTimeout(5);
    }
    assert.ok(polls(provider) - before <= 3, `${polls(provider) - before} polls in three seconds`);
  }
  assert.equal((await one.state()).events, 1);
});

test("names of a provider's own choosing are acknowledged as they are, and mean nothing here", async () => {
  const { stage, token } = await server();
  const { provider } = await add(stage, token, "poll");
  const names = ["hasOwnProperty", "constructor", "", "한"];
  const sets = names.map((name) => [name, provider.sign(REVOKED, about("nobody@example.com"))] as const);
  const bad = [["toString", provider.sign(REVOKED, {})] as const, ["number", 7] as const];
  let sent = false;
  provider.instead = {
    "/poll": (response) => {
      const body = sent ? {} : Object.fromEntries([...sets, ...bad]);
      sent = true;
      response.end(JSON.stringify({ sets: body }));
    },
  };
  stage.advance(6000);
  const answered = () => provider.asked.find(({ body }) => Array.isArray(body.ack))?.body;
  await until(stage, "it is told", () => answered() !== undefined);
  assert.deepEqual(new Set(answered()?.ack as string[]), new Set(names));
  assert.deepEqual(Object.keys(object(answered()?.setErrs)), ["toString"]);
});

test("keys that never come, or are too many, put events off and hold nothing else up", async () => {
  const { stage, token } = await server();
  const [mad, fine] = [await add(stage, token, "push"), await add(stage, token, "push")];
  await stage.signUp("kim@example.com");
  const kim = await stage.logIn("kim@example.com");
  let asked = 0;
  mad.provider.instead = {
    "/jwks.json": () => {
      asked += 1;
    },
  };
  const waiting = mad.push(mad.provider.sign(REVOKED, about("kim@example.com")));
  await until(stage, "the keys are asked for", () => asked === 1);
  const other = await fine.push(fine.provider.sign(REVOKED, about("nobody@example.com")));
  assert.equal(other.status, 202);
  stage.advance(60_000);
  const late = await waiting;
  assert.deepEqual([late.status, late.headers.get("retry-after")], [503, "30"]);

  const many = JSON.stringify({
    keys: Array.from({ length: 3000 }, (_, n) => ({ kty: "EC", kid: `${n}`, x: "x".repeat(99) })),
  });
  mad.provider.instead = { "/jwks.json": (response) => response.end(many) };
  stage.advance(60_000);
  assert.equal((await mad.push(mad.provider.sign(REVOKED, about("kim@example.com")))).status, 503);
  assert.equal((await stage.call("GET", "/v1/me", { token: kim.access })).status, 200);
});

test("unknown keys make nobody fetch a provider's keys for each event", async () => {
  const { stage, token } = await server();
  const one = await add(stage, token, "push");
  const other = await openProvider();
  open.push(other);
  let fetched = 0;
  const real = await (await fetch(`${one.provider.issuer}/jwks.json`)).text();
  one.provider.instead = {
    "/jwks.json": (response) => {
      fetched += 1;
      response.end(real.replace('"p1"', '"another"'));
    },
  };
  for (let count = 0; count < 20; count += 1) {
    const { body } = await one.push(one.provider.sign(REVOKED, about("kim@example.com")));
    assert.equal(body.err, "invalid_key");
  }
  assert.ok(fetched <= 2, `${fetched} fetches`);
});

test("a flood of bad events is cut off: what follows waits unread, of this provider alone, until it has calmed down", async () => {
  const { stage, token } = await server();
  const [mad, fine] = [await add(stage, token, "push"), await add(stage, token, "push")];
  const bad = mad.provider.sign(REVOKED, { ...about("kim@example.com"), aud: "others" });
  let count = 0;
  let answer = await mad.push(bad);
  while (answer.status === 400 && count <= 100) {
    answer = await mad.push(bad);
    count += 1;
  }
  assert.deepEqual([answer.status, count], [503, 100]);
  assert.ok(Number(answer.headers.get("retry-after")) >= 1);
  assert.equal((await mad.state()).rejected, 100, "the others were not even written down");
  assert.equal((await mad.push(mad.provider.sign(REVOKED, about("kim@example.com")))).status, 503);
  assert.equal((await fine.push(fine.provider.sign(REVOKED, about("nobody@example.com")))).status, 202);
  stage.advance(2000);
  assert.equal((await mad.push(mad.provider.sign(REVOKED, about("nobody@example.com")))).status, 202);
  const said = stage.log();
  assert.match(said, /an event of another provider was refused/);
  assert.ok(!said.includes(bad), "no event in the log");
});

test("a provider that moves its keys is found again within the hour, and one that takes another name is not believed", async () => {
  const { stage, token } = await server();
  const one = await add(stage, token, "poll");
  const { provider } = one;
  await until(stage, "it is polled", () => polls(provider) > 0);
  const facts = async () => (await stage.storage.receivers.list())[0]?.facts;
  provider.configuration = { issuer: "https://other.example", jwks_uri: `${provider.issuer}/new.json` };
  stage.advance(3_600_000);
  const before = polls(provider);
  await until(stage, "it is polled again", () => polls(provider) > before);
  assert.equal((await facts())?.jwksUri, `${provider.issuer}/jwks.json`);
  provider.configuration = { jwks_uri: `${provider.issuer}/new.json` };
  stage.advance(3_600_000);
  await until(stage, "it has moved", async () => (await facts())?.jwksUri === `${provider.issuer}/new.json`);
});

test("one that is pushed and does not answer is asked again sooner than in an hour, and is well once it does", async () => {
  const { stage, token } = await server();
  const one = await add(stage, token, "push");
  one.provider.away = true;
  stage.advance(3_600_000);
  await until(stage, "it fails", async () => Number((await one.state()).failures) > 0);
  assert.equal((await one.state()).last_failure, "verification: unreachable");
  one.provider.away = false;
  stage.advance(10_000);
  await until(stage, "it is well", async () => (await one.state()).failures === 0);
  assert.match(stage.log(), /another provider is heard again/);
});

test("a provider that hangs does not keep this server from stopping", async () => {
  const { stage, token } = await server();
  const { provider } = await add(stage, token, "poll");
  await until(stage, "it is polled", () => polls(provider) > 0);
  for (const path of ["/.well-known/ssf-configuration", "/verify", "/poll"]) {
    provider.instead = { [path]: () => {} };
    const before = provider.asked.length;
    stage.advance(3_600_000);
    await until(stage, `${path} hangs`, () => provider.asked.slice(before).some((asked) => asked.path === path));
    if (path !== "/poll") stage.advance(10_000);
  }
  await stage.close();
  open.splice(open.indexOf(stage), 1);
});

test("what becomes of events is counted, by result and by error", async () => {
  const { stage, token } = await server();
  const one = await add(stage, token, "push");
  await stage.signUp("kim@example.com");
  await one.push(one.provider.sign(REVOKED, about("kim@example.com")));
  await one.push(one.provider.sign(REVOKED, about("nobody@example.com")));
  await one.push(one.provider.sign("urn:unheard-of", about("kim@example.com")));
  await one.push(one.provider.sign(REVOKED, { ...about("kim@example.com"), aud: "others" }));
  const { taken, rejected, delayed } = stage.server.operations.ssf.intake.tally();
  const told = Object.entries(taken).filter(([, count]) => count > 0);
  assert.deepEqual(told, [
    ["sessions_ended", 1],
    ["unknown_subject", 1],
    ["not_acted_on", 1],
  ]);
  assert.deepEqual([rejected.invalid_audience, rejected.invalid_key, delayed], [1, 0, 0]);
  const { events, unmatched } = await one.state();
  assert.deepEqual([events, unmatched], [3, 1]);
});

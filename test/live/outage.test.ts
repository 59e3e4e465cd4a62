/**
 * A real store that dies, freezes, forgets and fails over under the sessions in it (DESIGN §11): an outage is no log-out,
 * and nothing that was ended comes back.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Unavailable } from "../../packages/server/src/prelude/fault.ts";
import { systemWorld } from "../../packages/server/src/prelude/world.ts";
import { CAUSE, SETTINGS, Stage, type TestClock } from "../../packages/server/src/storage/contract/stage.ts";
import { openMemory } from "../../packages/server/src/storage/memory/memory.ts";
import type { Storage } from "../../packages/server/src/storage/storage.ts";
import { needsRedis, SENTINEL_NAME, startRedis, startReplicated, until } from "../components/redis.ts";
import { beside, type LiveTraits, openLive } from "./stage.ts";

const ONE = { max: 1, action: "evict", per: "user" } as const;
const PREFIX = { prefix: "outage:" };

/** What people do with a storage, by the time of the world. */
async function nodeOn(t: TestContext, truth: Storage, url: string, traits: LiveTraits = {}): Promise<Stage> {
  const store = await beside(truth, url, systemWorld, { ...PREFIX, ...traits });
  t.after(() => store.close());
  return new Stage(store, systemWorld.clock as TestClock);
}

const unavailable = (attempt: Promise<unknown>) => assert.rejects(attempt, Unavailable);

test("while the store is dead nobody is logged out, and what is ended then stays ended", needsRedis, async (t) => {
  const server = await startRedis(t);
  const told: string[] = [];
  const node = await nodeOn(t, openMemory(systemWorld), server.url, { tell: (line) => told.push(line) });
  const user = await node.user();
  const [kept, here, everywhere] = [await node.logIn(user.id), await node.logIn(user.id), await node.user()];
  const other = await node.logIn(everywhere.id);
  await server.kill();
  await until("the end of the connection", async () => told.length > 0);
  await unavailable(node.refresh(kept.standing.grant));
  await unavailable(node.logIn(user.id));
  await unavailable(node.store.sessions.listLive(user.id));
  // Whoever says which session it is, or is the operator, need not wait.
  const shown = { session: here.standing.session.id, owner: user.id, shown: true };
  assert.equal(await node.store.sessions.end(shown, "logout", CAUSE), 1);
  await node.store.sessions.end({ user: everywhere.id }, "admin", CAUSE);
  await unavailable(node.store.sessions.end({ session: kept.standing.session.id, owner: user.id }, "logout", CAUSE));
  await node.store.check();
  await server.start();
  await until("the connection", async () => told.length > 1);
  assert.deepEqual(
    told.map((line) => line.replace(/:.*/, "")),
    ["the live store is away", "the live store answers again"],
  );
  const over = (reason: string) => ({ allow: false, refusal: { code: "session_ended", reason } });
  assert.deepEqual(await node.refresh(here.standing.grant), over("logout"));
  assert.deepEqual(await node.refresh(other.standing.grant), over("admin"));
  const outcome = await node.refresh(kept.standing.grant);
  assert.ok(outcome.allow && outcome.how === "rotated");
});

test("a node that died between the two stores is finished by the next one", needsRedis, async (t) => {
  const server = await startRedis(t);
  const truth = openMemory(systemWorld);
  const first = await nodeOn(t, truth, server.url);
  const { standing } = await first.logIn((await first.user()).id);
  await server.kill();
  await first.store.sessions.end({ session: standing.session.id }, "logout", CAUSE);
  // It goes without having been able to tell.
  await first.store.close();
  await server.start();
  const second = await openLive(server.url, truth, systemWorld, PREFIX);
  t.after(() => second.live.close());
  assert.equal((await second.live.session(standing.session.id)).found?.session.ended, null);
  const node = await nodeOn(t, truth, server.url);
  assert.equal((await second.live.session(standing.session.id)).found?.session.ended?.reason, "logout");
  assert.deepEqual(await second.live.position(), truth.revocation.head());
  assert.ok(!(await node.refresh(standing.grant)).allow);
});

test(
  "a store that was away while something ended is told when it is back, and not when somebody asks",
  needsRedis,
  async (t) => {
    const server = await startRedis(t);
    const truth = openMemory(systemWorld);
    const node = await nodeOn(t, truth, server.url);
    const { standing } = await node.logIn((await node.user()).id);
    await server.kill();
    await node.store.sessions.end({ session: standing.session.id }, "logout", CAUSE);
    await server.start();
    await until(
      "the mark",
      async () => Number(await server.ask("HEXISTS", `outage:s:${standing.session.id}`, "e")) === 1,
    );
  },
);

test("a store that freezes costs a second and no session", needsRedis, async (t) => {
  const server = await startRedis(t);
  const node = await nodeOn(t, openMemory(systemWorld), server.url);
  const user = await node.user();
  const { standing } = await node.logIn(user.id);
  server.freeze();
  await unavailable(node.refresh(standing.grant));
  // By now it is known, and the next one need not wait for it.
  await unavailable(node.refresh(standing.grant));
  server.thaw();
  let outcome = await node.refresh(standing.grant).catch(() => null);
  await until("an answer", async () => {
    outcome ??= await node.refresh(standing.grant);
    return true;
  });
  // Whether the frozen store carried out what nobody waited for, the one who asks again gets a successor.
  assert.ok(outcome?.allow);
  assert.equal(outcome.standing.grant.generation, 2);
});

test("a store that was emptied knows no session, makes none from a token, and goes on", needsRedis, async (t) => {
  const server = await startRedis(t);
  const truth = openMemory(systemWorld);
  const node = await nodeOn(t, truth, server.url);
  const user = await node.user();
  const [ended, alive] = [await node.logIn(user.id), await node.logIn(user.id)];
  await node.store.sessions.end({ session: ended.standing.session.id }, "logout", CAUSE);
  await server.ask("FLUSHALL");
  const unknown = { allow: false, refusal: { code: "invalid_refresh_token" } };
  assert.deepEqual(await node.refresh(ended.standing.grant), unknown);
  assert.deepEqual(await node.refresh(alive.standing.grant), unknown);
  const again = await node.logIn(user.id, { logIn: { limit: ONE } });
  assert.ok((await node.refresh(again.standing.grant)).allow);
  await node.store.sessions.end({ user: user.id }, "logout", CAUSE);
  assert.ok(!(await node.refresh({ ...again.standing.grant, generation: 2 })).allow);
  await node.store.sessions.sweep(0);
  assert.deepEqual(await node.store.sessions.listLive(user.id), []);
});

test("a replica that was cut off before a log-out, and is promoted, revives nobody", needsRedis, async (t) => {
  const replicated = await startReplicated(t);
  const url = `redis+sentinel://${replicated.sentinels.map(({ port }) => `127.0.0.1:${port}`).join()}/${SENTINEL_NAME}`;
  const truth = openMemory(systemWorld);
  const node = await nodeOn(t, truth, url, { wait: 1 });
  const unsafe = await nodeOn(t, truth, url, { wait: 0 });
  const user = await node.user();
  const [ended, everywhere, rotated] = [await node.logIn(user.id), await node.user(), await node.logIn(user.id)];
  const swept = await node.logIn(everywhere.id);
  const first = await replicated.primary();
  await until("both replicas", async () => Number(await first.ask("WAIT", 2, 1000)) === 2);
  await replicated.cut(first);

  assert.equal(await node.store.sessions.end({ session: ended.standing.session.id }, "logout", CAUSE), 1);
  await node.store.sessions.end({ user: everywhere.id }, "admin", CAUSE);
  const turned = await node.refresh(rotated.standing.grant);
  assert.ok(turned.allow);
  // A log-in that no replica has is none; one that waits for none is lost with the primary.
  await unavailable(node.logIn(user.id));
  assert.equal((await node.store.sessions.listLive(user.id)).length, 1);
  const lost = await unsafe.logIn(user.id);

  await first.kill();
  await replicated.failedOver(first);
  // The Sentinels tell of it more than once, and each time connections are made anew.
  let steady = 0;
  await until("the new primary", async () => {
    const nodes = [node, unsafe].map(({ store }) => store.sessions.listLive(user.id));
    steady = (await Promise.allSettled(nodes)).every(({ status }) => status === "fulfilled") ? steady + 1 : 0;
    return steady > 50;
  });
  const over = (reason: string) => ({ allow: false, refusal: { code: "session_ended", reason } });
  for (const each of [node, unsafe]) {
    assert.deepEqual(await each.refresh(ended.standing.grant), over("logout"));
    assert.deepEqual(await each.refresh(swept.standing.grant), over("admin"));
    assert.deepEqual(await each.refresh(lost.standing.grant), {
      allow: false,
      refusal: { code: "invalid_refresh_token" },
    });
  }
  // The rotation was lost as well, and whoever has its token does not notice.
  const forward = await node.refresh(turned.standing.grant);
  assert.ok(forward.allow && forward.how === "fast_forwarded");
  assert.equal(forward.standing.grant.generation, 3);
  assert.deepEqual(await node.events("refresh.fast_forwarded"), ["refresh.fast_forwarded"]);
  // The promoted store is told again what it had not heard.
  await node.store.sessions.sweep(0);
  const { live } = await openLive(url, truth, systemWorld, PREFIX);
  t.after(() => live.close());
  assert.equal((await live.session(ended.standing.session.id)).found?.session.ended?.reason, "logout");
  assert.deepEqual(await live.position(), truth.revocation.head());
});

test("two nodes keep one limit, and make one successor", needsRedis, async (t) => {
  const server = await startRedis(t);
  const truth = openMemory(systemWorld);
  const nodes = [await nodeOn(t, truth, server.url), await nodeOn(t, truth, server.url)] as const;
  const [one, two] = nodes;
  const user = await one.user();
  const many = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? one : two));
  const opened = await Promise.all(many.map((node) => node.logIn(user.id, { logIn: { limit: ONE } })));
  const live = await one.store.sessions.listLive(user.id);
  assert.equal(live.length, 1);
  assert.deepEqual(await two.store.sessions.listLive(user.id), live);
  const winner = opened.find(({ standing }) => standing.session.id === live[0]?.id);
  assert.ok(winner !== undefined);
  const outcomes = await Promise.all(many.map((node) => node.refresh(winner.standing.grant, {}, SETTINGS)));
  const how = outcomes.map((outcome) => (outcome.allow ? outcome.how : outcome.refusal.code));
  assert.equal(how.filter((each) => each === "rotated").length, 1);
  assert.equal(how.filter((each) => each === "repeated").length, 39);
});

test("a store that is full, or was deposed, is unavailable and ends nobody's session", needsRedis, async (t) => {
  const server = await startRedis(t);
  const node = await nodeOn(t, openMemory(systemWorld), server.url);
  const user = await node.user();
  const { standing } = await node.logIn(user.id);
  await server.ask("CONFIG", "SET", "maxmemory", "1");
  await unavailable(node.logIn(user.id));
  await unavailable(node.refresh(standing.grant));
  await server.ask("CONFIG", "SET", "maxmemory", "0");
  assert.ok((await node.refresh(standing.grant)).allow);
  const another = await startRedis(t);
  await server.ask("REPLICAOF", "127.0.0.1", another.port);
  // Now it has what the other one has, which is nothing; and of a replica that proves nothing.
  await until("the copy", async () => (await server.info("replication")).master_link_status === "up");
  assert.equal(await server.ask("DBSIZE"), 0);
  await unavailable(node.refresh({ ...standing.grant, generation: 2 }));
  await unavailable(node.store.grants.find(standing.grant.secretId));
});

test(
  "a primary that its replicas have left calls no log-in unknown: perhaps it was replaced",
  needsRedis,
  async (t) => {
    const server = await startRedis(t);
    const replica = await startRedis(t, { primary: server });
    const node = await nodeOn(t, openMemory(systemWorld), server.url, { wait: 1 });
    const user = await node.user();
    const { standing } = await node.logIn(user.id);
    const nobodys = Buffer.alloc(standing.grant.secretId.length, 7);
    assert.equal(await node.store.grants.find(nobodys), undefined);
    await replica.kill();
    await unavailable(node.store.grants.find(nobodys));
    assert.equal((await node.store.grants.find(standing.grant.secretId))?.session.id, standing.session.id);
  },
);

/** The strategy `replicated`: every server's copy of the log-ins, kept by a stream from a real Valkey or Redis. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { systemSleep, systemWorld, type World } from "../../packages/server/src/prelude/world.ts";
import { Cast, DAY, SETTINGS } from "../../packages/server/src/storage/contract/stage.ts";
import type { LiveGrant } from "../../packages/server/src/storage/live/live-store.ts";
import { openMemory } from "../../packages/server/src/storage/memory/memory.ts";
import type { Storage } from "../../packages/server/src/storage/storage.ts";
import type { Replicated } from "../../packages/server/src/storage/valkey/replicated.ts";
import { needsRedis, type RedisServer, redisProgram, startRedis, until } from "../components/redis.ts";
import { closeAll, openLive } from "./stage.ts";

const tasks: (() => unknown)[] = [];
const t = { after: (task: () => unknown) => void tasks.unshift(task) };
let server: RedisServer | null = null;
const redis = (): RedisServer => {
  if (server === null) throw new Error("no server");
  return server;
};
before(async () => {
  if (redisProgram !== null) server = await startRedis(t);
});
after(async () => {
  await closeAll();
  for (const task of tasks) await task();
});

async function replicated(truth: Storage, world: World, prefix?: string): Promise<Replicated> {
  const traits = {
    ...(prefix === undefined ? {} : { prefix }),
    ...(world === systemWorld ? {} : { time: world.clock }),
  };
  const { replicate } = await openLive(redis().url, truth, world, traits);
  return replicate(systemSleep);
}

/** Two servers over one truth and one store, and log-ins to give them. */
async function two(prefix: string) {
  const truth = openMemory(systemWorld);
  const nodes = [await replicated(truth, systemWorld, prefix), await replicated(truth, systemWorld, prefix)] as const;
  t.after(() => Promise.all(nodes.map(({ live }) => live.close())));
  // The cast's clock stands still; log-ins are to be good by the server's.
  const cast = new Cast();
  cast.clock.advance(Date.now() - cast.clock.now());
  const logIn = async (at: Replicated = nodes[0]): Promise<Omit<LiveGrant, "revision">> => {
    const user = cast.newUser();
    const { session, grant } = cast.newLogIn(user.id);
    const facts = { born: { epoch: 1, seq: 1 }, grantBorn: { epoch: 1, seq: 1 }, credentialVersion: 1 };
    const begun = { session, grant, ...facts, account: { roles: user.roles, at: facts.born } };
    assert.equal(await at.live.begin(begun, null), true);
    assert.equal(await at.live.confirm(session.id), true);
    return begun;
  };
  return { truth, nodes, logIn };
}

const heldBy = ({ copy }: Replicated, count: number) => until(`${count} log-ins`, async () => copy.size === count);

test("a log-in at one server is in every server's memory, and so is its end", needsRedis, async () => {
  const { nodes, logIn } = await two("copies:");
  const begun = await logIn(nodes[0]);
  await heldBy(nodes[1], 1);
  assert.equal(nodes[1].copy.ofSession(begun.session.id)?.session.user, begun.session.user);
  await nodes[0].live.end([{ id: begun.session.id, ended: { at: Date.now(), reason: "logout" } }]);
  await until("the end", async () => nodes[1].copy.ofSession(begun.session.id)?.session.ended?.reason === "logout");
});

test("a server that comes later has everyone after its first snapshot", needsRedis, async () => {
  const { truth, logIn } = await two("later:");
  for (let count = 0; count < 1200; count += 1) await logIn();
  const third = await replicated(truth, systemWorld, "later:");
  assert.equal(third.copy.size, 1200);
  await third.live.close();
});

test(
  "reading asks nobody: it goes on while the store is away, and who is not held is unavailable",
  needsRedis,
  async (context) => {
    const own = await startRedis({ after: (task) => context.after(task) });
    const truth = openMemory(systemWorld);
    const { replicate } = await openLive(own.url, truth, systemWorld);
    const node = await replicate(systemSleep);
    const cast = new Cast();
    cast.clock.advance(Date.now() - cast.clock.now());
    const user = cast.newUser();
    const { session, grant } = cast.newLogIn(user.id);
    const place = { epoch: 1, seq: 1 };
    const facts = { born: place, grantBorn: place, credentialVersion: 1, account: { roles: [], at: place } };
    await node.live.begin({ session, grant, ...facts }, null);
    await node.live.confirm(session.id);
    await heldBy(node, 1);
    own.freeze();
    const { found } = await node.live.grant(grant.secretId);
    assert.equal(found?.session.id, session.id);
    await assert.rejects(node.live.grant(Buffer.alloc(16)), { name: "Unavailable" });
    own.thaw();
    await node.live.close();
  },
);

test("a server that was cut off catches up from where it was, without a new snapshot", needsRedis, async () => {
  const { nodes, logIn } = await two("cut:");
  await logIn();
  await heldBy(nodes[1], 1);
  const before = nodes[1].follow.snapshots;
  await redis().ask("CLIENT", "KILL", "TYPE", "normal");
  await until("the first one's return", async () => {
    await logIn();
    return true;
  });
  await until("everyone", async () => nodes[0].copy.size === nodes[1].copy.size && nodes[1].copy.size >= 2);
  assert.equal(nodes[1].follow.snapshots, before);
});

test(
  "where the stream was trimmed meanwhile, or the store was emptied, a snapshot says what there is",
  needsRedis,
  async () => {
    const { nodes, logIn } = await two("trim:");
    await logIn();
    await heldBy(nodes[1], 1);
    await redis().ask("CLIENT", "KILL", "TYPE", "normal");
    await redis().ask("DEL", "trim:changes");
    await until("a log-in", async () => {
      await logIn();
      return true;
    });
    await until("a snapshot", async () => nodes[1].follow.snapshots > 1 && nodes[1].copy.size === nodes[0].copy.size);
  },
);

test("what this server changed is not answered from before the change", needsRedis, async () => {
  const { nodes, logIn } = await two("own:");
  const { grant } = await logIn();
  await heldBy(nodes[0], 1);
  for (let generation = grant.generation; generation < grant.generation + 20; generation += 1) {
    const used = await nodes[0].live.use(
      { ...grant, generation, proof: null, device: null, requiredRole: null, listSeed: null },
      { ...SETTINGS, idleMs: DAY },
    );
    assert.ok(used.before);
    assert.equal((await nodes[0].live.grant(grant.secretId)).found?.grant.generation, generation + 1);
  }
});

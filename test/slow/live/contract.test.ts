/** The storage contract with users in SQLite and sessions in a real Valkey or Redis. */
import { after, before } from "node:test";
import { systemSleep } from "../../../packages/server/src/prelude/world.ts";
import { describeStorage } from "../../../packages/server/src/storage/contract/contract.ts";
import { SESSION_MS } from "../../../packages/server/src/storage/contract/stage.ts";
import { withLive } from "../../../packages/server/src/storage/live/compose.ts";
import { openMemory } from "../../../packages/server/src/storage/memory/memory.ts";
import { openSqlite } from "../../../packages/server/src/storage/sqlite/sqlite.ts";
import { type RedisServer, redisProgram, startRedis } from "../../components/redis.ts";
import { beside, closeAll, openLive } from "../../live/stage.ts";
import { temporaryFolder } from "../../processes.ts";

if (redisProgram !== null) {
  const tasks: (() => unknown)[] = [];
  let server: RedisServer | null = null;
  before(async () => {
    server = await startRedis({ after: (task) => void tasks.unshift(task) }, { settings: ["appendonly no"] });
  });
  after(async () => {
    await closeAll();
    for (const task of tasks) await task();
  });
  describeStorage("SQLite, with sessions in Valkey", async (world) => {
    const folder = temporaryFolder((task) => void tasks.push(task));
    const truth = await openSqlite(`${folder}/mapae.db`, world);
    return beside(truth, server?.url ?? "", world, { time: world.clock });
  });
  describeStorage("memory, with sessions on every server", async (world) => {
    const truth = openMemory(world);
    const { replicate } = await openLive(server?.url ?? "", truth, world, { time: world.clock });
    const { live } = await replicate(systemSleep);
    return withLive(truth, live, { clock: world.clock, leaseMs: 5000, sessionMs: SESSION_MS });
  });
}

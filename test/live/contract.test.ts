/** The storage contract with sessions in a real Valkey or Redis. */
import { after, before } from "node:test";
import { describeStorage } from "../../packages/server/src/storage/contract/contract.ts";
import { describeLiveStore } from "../../packages/server/src/storage/contract/live.ts";
import { openMemory } from "../../packages/server/src/storage/memory/memory.ts";
import { type RedisServer, redisProgram, startRedis } from "../components/redis.ts";
import { beside, closeAll, openLive } from "./stage.ts";

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
  describeStorage("memory, with sessions in Valkey", (world) =>
    beside(openMemory(world), server?.url ?? "", world, { time: world.clock }),
  );
  describeLiveStore("Valkey", async (world) => {
    const { live } = await openLive(server?.url ?? "", openMemory(world), world, { time: world.clock });
    return live;
  });
}

/** A storage out of two stores has the contract of any storage; also while nothing of what was ended reaches the live store. */
import { Unavailable } from "../../prelude/fault.ts";
import { describeStorage } from "../contract/contract.ts";
import { describeLiveStore } from "../contract/live.ts";
import { SESSION_MS } from "../contract/stage.ts";
import { openMemoryLive } from "../memory/live.ts";
import { openMemory } from "../memory/memory.ts";
import { withLive } from "./compose.ts";
import type { LiveStore } from "./live-store.ts";

const TIMES = { leaseMs: 5000, sessionMs: SESSION_MS };

describeStorage("memory, with sessions in memory", (world) =>
  withLive(openMemory(world), openMemoryLive(world.clock), { ...TIMES, clock: world.clock }),
);

describeStorage("memory, with sessions in a live store that hears of no end", (world) => {
  const never = async () => Promise.reject(new Unavailable("nothing arrives"));
  const deaf: LiveStore = { ...openMemoryLive(world.clock), settle: never, position: never };
  return withLive(openMemory(world), deaf, { ...TIMES, clock: world.clock });
});

describeLiveStore("memory", async ({ clock }) => openMemoryLive(clock));

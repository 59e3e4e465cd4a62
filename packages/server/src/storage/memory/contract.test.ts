import { describeStorage } from "../contract/contract.ts";
import { openMemory } from "./memory.ts";

describeStorage("memory", async (world) => openMemory(world));

import { describeStorage } from "../contract/contract.ts";
import { describeRows } from "../contract/rows.ts";
import { MapRows } from "./maps.ts";
import { openMemory } from "./memory.ts";

describeStorage("memory", async (world) => openMemory(world));
describeRows("maps", () => new MapRows(1));

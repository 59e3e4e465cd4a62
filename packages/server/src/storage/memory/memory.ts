/**
 * The memory driver: the same steps as every driver, over Maps. Nothing outlives the process; for tests and demos.
 */
import type { World } from "../../prelude/world.ts";
import { nextEpoch } from "../../revocation/epoch.ts";
import { copy } from "../copy.ts";
import { CommitListeners } from "../listeners.ts";
import { portsOver } from "../ports.ts";
import { runStep } from "../steps.ts";
import { ALONE, type Storage } from "../storage.ts";
import { MapRows } from "./maps.ts";

/** @param rows what is stored already: a copy that is restored */
export function openMemory(world: World, rows = empty(world)): Storage {
  const listeners = new CommitListeners();
  return portsOver({
    nature: { says: "memory:", warnings: [], shared: false },
    clock: world.clock,
    read: async (query) => copy(query(rows)),
    async write(name, ...args) {
      const result = copy(runStep(name, rows, world.clock.now(), copy(args)));
      listeners.tell(copy(rows.takeFresh()));
      return result;
    },
    head: () => rows.position(),
    // Steps run and are told of in one go, so that what stands in the rows is what everyone has heard of.
    readHead: async () => rows.position(),
    onCommit: (listener) => listeners.add(listener),
    // Nobody else changes them.
    onKeys: () => {},
    duty: ALONE,
    nodes: null,
    backup: null,
    check: async () => {},
    close: async () => {},
  });
}

function empty({ clock, random }: World): MapRows {
  return new MapRows(nextEpoch(clock.now(), 0), random.bytes(16).toString("hex"));
}

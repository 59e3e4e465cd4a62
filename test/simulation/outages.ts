/**
 * Troubles of the nodes and of the database: who stands still, is gone, is cut off, is told another N, is put back to an
 * older copy, or wakes up half an hour later.
 */
import type { Machine } from "./machine.ts";
import { LEASES, type Trouble } from "./plan.ts";
import type { Dice } from "./random.ts";
import type { Stage } from "./stage.ts";
import { takeBack } from "./story.ts";

/** Longer than any entry of the log is kept when tokens live five minutes: marks are raised ten minutes ahead. */
const NIGHT_MS = 2_400_000;

/** How many tokens a thief makes in the morning. */
const FORGED_AT_DAWN = 5;
/** Further away than this the database answers too late for everyone. */
const LAG_MAX_MS = 2_200;

/** Makes one trouble now, and plans its end. */
export type Make = (stage: Stage, dice: Dice) => void;

export function aroundALease(stage: Stage, dice: Dice): number {
  return stage.leaseMs * dice.pick([0.1, 0.5, 0.95, 1.02, 1.3, 3]) + dice.between(0, 300);
}

/** A machine stands still for a while. */
export function pause(stage: Stage, dice: Dice, machine: Machine): void {
  if (!machine.running) return;
  stage.note(`${machine.name} stands still`);
  machine.pause();
  wake(stage, machine, dice.chance(0.5) ? dice.between(50, 1_500) : aroundALease(stage, dice));
}

export function wake(stage: Stage, machine: Machine, ms: number): void {
  stage.timeline.after(ms, () => {
    if (machine.state !== "paused" && machine.state !== "asleep") return;
    stage.note(`${machine.name} goes on`);
    machine.resume();
  });
}

type Outage = Extract<
  Trouble,
  | "pause a node"
  | "crash a node"
  | "drain a node"
  | "change the lease"
  | "cut the database"
  | "slow database"
  | "crash the database"
  | "restore"
  | "long night"
  | "pause a relay"
  | "crash a relay"
  | "drain a relay"
>;

export const OUTAGES: Readonly<Record<Outage, Make>> = {
  "pause a node": (stage, dice) => pause(stage, dice, dice.pick(stage.nodes).machine),
  "crash a node"(stage, dice) {
    const host = dice.pick(stage.nodes);
    if (!host.machine.alive) return;
    host.crash(dice.chance(0.5));
    const back = dice.pick([1, 1, 200, stage.leaseMs, 2 * stage.leaseMs]);
    stage.timeline.after(back, () => host.boot());
    takeBackSoon(stage, dice, back);
  },
  "drain a node"(stage, dice) {
    const host = dice.pick(stage.nodes);
    if (!host.machine.running) return;
    host.drain(1_000);
    stage.timeline.after(dice.between(500, 2_000), () => {
      if (!host.machine.alive) return;
      const inMs = dice.between(1, 2_000);
      void host.end().then(() => stage.timeline.after(inMs, () => host.boot()));
    });
  },
  "pause a relay": (stage, dice) => pause(stage, dice, dice.pick(stage.relays).machine),
  "crash a relay"(stage, dice) {
    const host = dice.pick(stage.relays);
    if (!host.machine.alive) return;
    host.crash(dice.chance(0.5));
    const back = dice.pick([1, 1, 200, stage.leaseMs, 2 * stage.leaseMs]);
    stage.timeline.after(back, () => host.boot());
    takeBackSoon(stage, dice, back);
  },
  "drain a relay"(stage, dice) {
    const host = dice.pick(stage.relays);
    if (!host.machine.running) return;
    host.drain(dice.between(10, 1_500));
    stage.timeline.after(dice.between(2_000, 4_000), () => host.boot());
  },
  "change the lease"(stage, dice) {
    // Another N is a setting of all nodes: it is changed while none of them serves.
    const leaseMs = dice.pick(LEASES.filter((each) => each !== stage.leaseMs));
    // Now and then somebody does not hear of it in time, whose lease is of the N before.
    if (dice.chance(0.7)) cutOff(stage, dice.pick(stage.verifiers).machine, 2 * stage.leaseMs);
    stopServing(stage, dice, dice.between(1, 1_000), () => stage.setLease(leaseMs));
    takeBackSoon(stage, dice, 1_000);
  },
  "slow database"(stage, dice) {
    const { machine: database } = stage.database;
    if (dice.chance(0.2)) {
      pause(stage, dice, database);
      return;
    }
    const { machine } = dice.pick(stage.nodes);
    // What comes back late is what one knows too little of: a head that was read long ago.
    const [there, back] = dice.pick([
      [1, 0],
      [0, 1],
      [0, 1],
      [0.5, 0.5],
    ] as const);
    const lag = Math.min(stage.leaseMs * dice.pick([0.3, 0.8, 1.1]), LAG_MAX_MS);
    stage.note(`the database is ${lag} ms away from ${machine.name}`);
    stage.network.setLag(machine, database, there * lag);
    stage.network.setLag(database, machine, back * lag);
    stage.timeline.after(dice.between(3_000, 10_000), () => {
      stage.network.setLag(machine, database, 0);
      stage.network.setLag(database, machine, 0);
    });
  },
  "crash the database"(stage, dice) {
    const { machine } = stage.database;
    if (!machine.running) return;
    stage.note("the database crashes");
    machine.crash(false);
    stage.timeline.after(dice.pick([50, 500, stage.leaseMs, 2 * stage.leaseMs]), () => stage.bootDatabase());
  },
  "cut the database"(stage, dice) {
    const { machine } = dice.pick(stage.nodes);
    const { machine: database } = stage.database;
    const there = dice.chance(0.5);
    const back = !there || dice.chance(0.5);
    stage.note(`${machine.name} is cut off from the database${there ? "" : ", one way"}`);
    stage.network.setDark(machine, database, there);
    stage.network.setDark(database, machine, back);
    stage.timeline.after(stage.leaseMs * dice.pick([0.3, 1.3, 3]), () => {
      stage.network.setDark(machine, database, false);
      stage.network.setDark(database, machine, false);
    });
  },
  restore(stage, dice) {
    const [age, keeps] = [dice.between(0, 20_000), dice.chance(0.5)];
    stopServing(stage, dice, dice.between(1, 3_000), () => stage.restore(age, keeps));
  },
  "long night"(stage, dice) {
    // A key is stolen and revoked on the eve. Nobody remembers in the morning but the log.
    takeBack(stage, dice, "key");
    stage.timeline.after(dice.between(500, 2_000), () => {
      if (stage.healed) return;
      stage.note("a long night begins");
      for (const host of stage.verifiers) host.crash(true);
      for (const host of [...stage.nodes, ...stage.relays]) host.crash(true);
      stage.timeline.leap(NIGHT_MS);
      stage.truth.prune(stage.timeline.now);
      for (const host of [...stage.verifiers, ...stage.nodes, ...stage.relays]) {
        stage.timeline.after(dice.between(0, 1_000), () => host.boot());
      }
      for (let index = 0; index < FORGED_AT_DAWN; index += 1)
        stage.timeline.after(dice.between(2_000, 9_000), () => stage.forge(dice));
    });
  },
};

/** Something is taken back when a node has just come, while leases of the time before may run. */
function takeBackSoon(stage: Stage, dice: Dice, inMs: number): void {
  for (const most of [100, 500, 1_500]) {
    stage.timeline.after(inMs + dice.between(5, most), () => {
      if (!stage.healed) takeBack(stage, dice);
    });
  }
}

/** Nobody who serves can be reached from a machine for so long, nor it from them. */
function cutOff(stage: Stage, machine: Machine, ms: number): void {
  const setDark = (dark: boolean): void => {
    for (const other of [...stage.nodes, ...stage.relays]) {
      stage.network.setDark(machine, other.machine, dark);
      stage.network.setDark(other.machine, machine, dark);
    }
  };
  stage.note(`${machine.name} is cut off from everyone`);
  setDark(true);
  stage.timeline.after(ms, () => setDark(false));
}

/** Every node stops, for so long; before they come back, something is done. */
function stopServing(stage: Stage, dice: Dice, ms: number, before: () => void): void {
  for (const host of stage.nodes) host.crash(false);
  stage.timeline.after(ms, () => {
    // Then they serve already.
    if (stage.healed) return;
    // Someone else may have begun to boot one meanwhile.
    for (const host of stage.nodes) host.crash(false);
    before();
    for (const host of stage.nodes) stage.timeline.after(dice.between(1, 500), () => host.boot());
  });
}

/**
 * The troubles: what each does to machines, paths and the database, and for how long. Durations are drawn around the
 * lease, since it is there that something can go wrong: a little shorter, a little longer, three times as long.
 */
import type { Machine } from "./machine.ts";
import type { NodeHost } from "./node.ts";
import type { Trouble } from "./plan.ts";
import type { Dice } from "./random.ts";
import type { Stage } from "./stage.ts";
import { takeBack } from "./story.ts";
import type { VerifierHost } from "./verifier.ts";

/** Longer than any entry of the log is kept when tokens live five minutes: marks are raised ten minutes ahead. */
const NIGHT_MS = 2_400_000;

/** Makes one trouble now, and plans its end. */
export type Make = (stage: Stage, dice: Dice) => void;

export const MAKE: Readonly<Record<Trouble, Make>> = {
  "pause a verifier": (stage, dice) => pause(stage, dice, dice.pick(stage.verifiers).machine),
  "pause a node": (stage, dice) => pause(stage, dice, dice.pick(stage.nodes).machine),
  sleep(stage, dice) {
    const { machine } = dice.pick(stage.verifiers);
    if (!machine.running || !machine.isSteady(stage.longestTrust)) return;
    stage.note(`${machine.name} sleeps`);
    machine.sleep();
    wake(stage, machine, aroundALease(stage, dice));
  },
  "restart a verifier"(stage, dice) {
    const host = dice.pick(stage.verifiers);
    if (!host.machine.alive) return;
    host.crash(dice.chance(0.5));
    stage.timeline.after(dice.between(1, 3_000), () => host.boot());
  },
  "set a clock"(stage, dice) {
    const { machine } = dice.pick(stage.verifiers);
    if (!machine.running || !machine.isSteady(stage.longestTrust)) return;
    const by = dice.pick([-3_600_000, -605_000, -30_000, -1_000, 1_000, 30_000, 605_000, 3_600_000]);
    stage.note(`the clock of ${machine.name} is set by ${by} ms`);
    machine.setWall(machine.wallError() + by);
    const back = dice.between(500, 15_000);
    stage.timeline.after(back, () => stage.whenSteady(machine, () => machine.setWall(dice.between(-5_000, 5_000))));
  },
  "go dark"(stage, dice) {
    const [one, other] = path(stage, dice);
    const ways: [Machine, Machine][] =
      dice.weighted({ both: 1, there: 1, back: 1 }) === "both"
        ? [
            [one, other],
            [other, one],
          ]
        : dice.chance(0.5)
          ? [[one, other]]
          : [[other, one]];
    stage.note(`dark: ${ways.map(([from, to]) => `${from.name} to ${to.name}`).join(", ")}`);
    for (const [from, to] of ways) stage.network.setDark(from, to, true);
    stage.timeline.after(aroundALease(stage, dice), () => {
      stage.note(`light again between ${one.name} and ${other.name}`);
      for (const [from, to] of ways) stage.network.setDark(from, to, false);
    });
  },
  lag(stage, dice) {
    const [one, other] = path(stage, dice);
    const lag = Math.min(stage.plan.leaseMs * dice.pick([0.3, 0.9, 1.2, 1.6, 2.4]), dice.pick([2_500, 12_000]));
    stage.note(`a lag of ${lag.toFixed(0)} ms between ${one.name} and ${other.name}`);
    const [there, back] = dice.pick([
      [lag, 0],
      [0, lag],
      [lag / 2, lag / 2],
    ] as const);
    stage.network.setLag(one, other, there);
    stage.network.setLag(other, one, back);
    stage.timeline.after(dice.between(4_000, 12_000), () => {
      stage.network.setLag(one, other, 0);
      stage.network.setLag(other, one, 0);
    });
  },
  break(stage, dice) {
    const [one, other] = path(stage, dice);
    if (dice.chance(0.5)) {
      stage.note(`streams break between ${one.name} and ${other.name}`);
      stage.network.breakStreams(one, other);
      return;
    }
    stage.note(`nothing can be opened between ${one.name} and ${other.name}`);
    stage.network.setRefused(one, other, true);
    stage.timeline.after(aroundALease(stage, dice), () => stage.network.setRefused(one, other, false));
  },
  "refuse streams"(stage, dice) {
    const [one, other] = path(stage, dice);
    stage.note(`no streams between ${one.name} and ${other.name}`);
    stage.network.setStreamless(one, other, true);
    stage.timeline.after(dice.between(2, 6) * 1_000, () => stage.network.setStreamless(one, other, false));
  },
  "crash a node"(stage, dice) {
    const host = dice.pick(stage.nodes);
    if (!host.machine.alive) return;
    host.crash(dice.chance(0.5));
    const back = dice.pick([1, 1, 200, stage.plan.leaseMs, 2 * stage.plan.leaseMs]);
    stage.timeline.after(back, () => host.boot());
    // Something is taken back at once, while leases of the time before may run.
    stage.timeline.after(back + dice.between(5, 400), () => takeBack(stage, dice));
  },
  "drain a node"(stage, dice) {
    const host = dice.pick(stage.nodes);
    if (!host.machine.running) return;
    host.drain(1_000);
    stage.timeline.after(dice.between(500, 2_000), () => {
      if (!host.machine.alive) return;
      host.crash(false);
      stage.timeline.after(dice.between(1, 2_000), () => host.boot());
    });
  },
  "cut the database"(stage, dice) {
    const { machine } = dice.pick(stage.nodes);
    const { machine: database } = stage.database;
    const there = dice.chance(0.5);
    const back = !there || dice.chance(0.5);
    stage.note(`${machine.name} is cut off from the database${there ? "" : ", one way"}`);
    stage.network.setDark(machine, database, there);
    stage.network.setDark(database, machine, back);
    stage.timeline.after(stage.plan.leaseMs * dice.pick([0.3, 1.3, 3]), () => {
      stage.network.setDark(machine, database, false);
      stage.network.setDark(database, machine, false);
    });
  },
  restore(stage, dice) {
    const [age, keeps] = [dice.between(0, 20_000), dice.chance(0.4)];
    stopServing(stage, dice, dice.between(1, 3_000), () => stage.restore(age, keeps));
  },
  "long night"(stage, dice) {
    // A key is stolen and revoked on the eve. Nobody remembers in the morning but the log.
    takeBack(stage, dice, "key");
    stage.timeline.after(dice.between(500, 2_000), () => {
      if (stage.healed) return;
      stage.note("a long night begins");
      for (const host of stage.verifiers) host.crash(true);
      for (const host of stage.nodes) host.crash(true);
      stage.timeline.leap(NIGHT_MS);
      stage.truth.prune(stage.timeline.now);
      for (const host of [...stage.verifiers, ...stage.nodes]) {
        stage.timeline.after(dice.between(0, 1_000), () => host.boot());
      }
      for (let index = 0; index < 3; index += 1)
        stage.timeline.after(dice.between(3_000, 9_000), () => stage.forge(dice));
    });
  },
};

/** Every node stops, for so long; before they come back, something is done. */
function stopServing(stage: Stage, dice: Dice, ms: number, before: () => void): void {
  for (const host of stage.nodes) host.crash(false);
  stage.timeline.after(ms, () => {
    // Someone else may have begun to boot one meanwhile.
    for (const host of stage.nodes) host.crash(false);
    before();
    for (const host of stage.nodes) stage.timeline.after(dice.between(1, 500), () => host.boot());
  });
}

function pause(stage: Stage, dice: Dice, machine: Machine): void {
  if (!machine.running) return;
  stage.note(`${machine.name} stands still`);
  machine.pause();
  wake(stage, machine, dice.chance(0.5) ? dice.between(50, 1_500) : aroundALease(stage, dice));
}

function wake(stage: Stage, machine: Machine, ms: number): void {
  stage.timeline.after(ms, () => {
    if (machine.state !== "paused" && machine.state !== "asleep") return;
    stage.note(`${machine.name} goes on`);
    machine.resume();
  });
}

function aroundALease(stage: Stage, dice: Dice): number {
  return stage.plan.leaseMs * dice.pick([0.1, 0.5, 0.95, 1.02, 1.3, 3]) + dice.between(0, 300);
}

/** A verifier and a node: the path between them. */
function path(stage: Stage, dice: Dice): readonly [Machine, Machine] {
  const verifier: VerifierHost = dice.pick(stage.verifiers);
  const node: NodeHost = dice.pick(stage.nodes);
  return [verifier.machine, node.machine];
}

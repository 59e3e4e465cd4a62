/**
 * The troubles: what each does to machines and paths, and for how long; those of nodes and database are in outages.ts.
 * Durations are drawn around the lease, since it is there that something can go wrong: a little shorter, a little longer,
 * three times as long.
 */
import type { Machine } from "./machine.ts";
import type { NodeHost } from "./node.ts";
import { aroundALease, type Make, OUTAGES, pause, wake } from "./outages.ts";
import type { Trouble } from "./plan.ts";
import type { Dice } from "./random.ts";
import type { Stage } from "./stage.ts";
import type { VerifierHost } from "./verifier.ts";

const HOUR_MS = 3_600_000;

export const MAKE: Readonly<Record<Trouble, Make>> = {
  ...OUTAGES,
  "pause a verifier": (stage, dice) => pause(stage, dice, dice.pick(stage.verifiers).machine),
  sleep(stage, dice) {
    const machine = anyMachine(stage, dice);
    if (!machine.running || !machine.isSteady(stage.longestTrust)) return;
    stage.note(`${machine.name} sleeps`);
    machine.sleep();
    wake(stage, machine, aroundALease(stage, dice));
  },
  "restart a verifier"(stage, dice) {
    const host = dice.pick(stage.verifiers);
    if (!host.machine.alive) return;
    host.crash(dice.chance(0.5));
    host.spoilDisk(dice);
    stage.timeline.after(dice.between(1, 3_000), () => host.boot());
  },
  "set a clock"(stage, dice) {
    const machine = anyMachine(stage, dice);
    if (!machine.running || !machine.isSteady(stage.longestTrust)) return;
    const by = dice.pick([-HOUR_MS, -605_000, -30_000, -1_000, 1_000, 30_000, 605_000, HOUR_MS, HOUR_MS]);
    stage.note(`the clock of ${machine.name} is set by ${by} ms`);
    stage.setClock(machine, machine.wallError() + by);
    const back = dice.between(500, 15_000);
    const right = dice.between(-5_000, 5_000);
    stage.timeline.after(back, () => stage.whenSteady(machine, () => stage.setClock(machine, right)));
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
    const lag = Math.min(stage.leaseMs * dice.pick([0.3, 0.9, 1.2, 1.6, 2.4]), dice.pick([2_500, 12_000]));
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
  "slow reader"(stage, dice) {
    const [one, other] = path(stage, dice);
    const msPerOctet = dice.pick([0.2, 1, 4]);
    stage.note(`a narrow path from ${other.name} to ${one.name}: ${msPerOctet} ms for an octet`);
    stage.network.setNarrow(other, one, msPerOctet);
    stage.timeline.after(dice.between(2_000, 8_000), () => stage.network.setNarrow(other, one, 0));
  },
  mangle(stage, dice) {
    const [one, other] = path(stage, dice);
    const [from, to] = dice.chance(0.7) ? [other, one] : [one, other];
    stage.note(`frames from ${from.name} to ${to.name} are mangled`);
    stage.network.setMangled(from, to, true);
    stage.timeline.after(dice.between(3_000, 10_000), () => stage.network.setMangled(from, to, false));
  },
};

function anyMachine(stage: Stage, dice: Dice): Machine {
  if (stage.relays.length > 0 && dice.chance(0.3)) return dice.pick(stage.relays).machine;
  return dice.chance(0.7) ? dice.pick(stage.verifiers).machine : dice.pick(stage.nodes).machine;
}

/** Somebody who follows and somebody who serves: the path between them. */
function path(stage: Stage, dice: Dice): readonly [Machine, Machine] {
  if (stage.relays.length > 0 && dice.chance(0.8)) {
    const follower = dice.pick([...stage.relays, ...stage.verifiers]);
    return [follower.machine, (follower.above ?? dice.pick(stage.nodes)).machine];
  }
  const verifier: VerifierHost = dice.pick(stage.verifiers);
  const node: NodeHost = dice.pick(stage.nodes);
  return [verifier.machine, node.machine];
}

/** The network as a process has it that follows: a relay's address leads to that relay, the issuer's to any of the nodes. */
import type { FeedWorld } from "../../packages/verifier/src/revocation/world.ts";
import type { Machine } from "./machine.ts";
import type { NodeHost } from "./node.ts";
import type { Dice } from "./random.ts";
import type { RelayHost } from "./relay.ts";
import { request } from "./requests.ts";
import { SimulatedSocket } from "./socket.ts";
import type { Stage } from "./stage.ts";

/** Of the machine's present process. */
export function outsideOf(stage: Stage, machine: Machine, dice: Dice, streams: boolean): FeedWorld {
  const { network, timeline } = stage;
  const deliver = machine.toThisProcess();
  /** As a load balancer picks: any of them, also one that is down. */
  const serverAt = (url: string): NodeHost | RelayHost => {
    const { host } = new URL(url);
    return stage.relays.find(({ base }) => new URL(base).host === host) ?? dice.pick(stage.nodes);
  };
  return {
    now: () => machine.wall(),
    mono: () => machine.monotonic(),
    chance: () => dice.roll(),
    after: (ms, run) => machine.timer(ms, run),
    turn: () => new Promise((resolve) => timeline.after(0, () => deliver(resolve))),
    fetch: (url, init) => {
      const to = serverAt(url);
      return request({ network, from: machine, to: to.machine, answerer: () => to.answerer }, url, init);
    },
    connect: !streams
      ? null
      : (url) => {
          const to = serverAt(url);
          return new SimulatedSocket(network, machine, to.machine, () => to.acceptor);
        },
  };
}

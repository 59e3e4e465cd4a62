/**
 * What a caller is told who takes something back: where in the log that stands, and how far it has come. The last ones
 * are remembered for a while, so that somebody may look on while the acknowledgements arrive.
 */
import type { Clock } from "../prelude/world.ts";
import type { Position } from "../revocation/entry.ts";
import { CLOCK_TOLERANCE_SECONDS } from "../revocation/expiry.ts";
import type { RevocationStore } from "../revocation/store.ts";
import type { Feed } from "./feed.ts";
import type { Nodes } from "./nodes.ts";
import type { Confirmation, Waiting, WholeTally } from "./waiting.ts";

export interface Progress extends WholeTally {
  readonly position: Position;
  /** From now on no verifier under the guarantee accepts what was taken back. */
  readonly confirmed: boolean;
  /** Nobody waits any more. */
  readonly settled: boolean;
  readonly waitedMs: number;
  /** A failover of the store may undo it: no confirmation covers that. */
  readonly undoable: boolean;
  /** Unix milliseconds: when the last token concerned is over for those who know the key set alone. */
  readonly everywhereAt: number;
}

export interface Confirming {
  /**
   * Of everything committed until now: how far it has come, at once or once it is confirmed.
   * @param wait `all`: waits until it is confirmed, or for `timeoutMs` where that is not `null`
   */
  confirm(wait: "none" | "all", timeoutMs: number | null): Promise<Progress>;
  /** How far a position has come that somebody asked about lately. */
  look(position: Position): Progress | undefined;
}

/** How many are remembered. */
const REMEMBERED = 200;

interface Remembered {
  readonly position: Position;
  readonly begun: number;
  readonly waiting: Waiting;
  confirmation: Confirmation | null;
}

/** @param highestExp of any token that was ever signed: Unix seconds */
export function createConfirming(
  services: { readonly feed: Feed; readonly log: RevocationStore; readonly clock: Clock; readonly nodes: Nodes | null },
  highestExp: () => number,
): Confirming {
  const { feed, log, clock, nodes } = services;
  const remembered: Remembered[] = [];

  const progressOf = ({ position, begun, waiting, confirmation }: Remembered): Progress => ({
    position,
    settled: confirmation !== null,
    confirmed: confirmation?.confirmed ?? false,
    waitedMs: Math.round(confirmation?.waitedMs ?? clock.monotonic() - begun),
    ...tallyOf(confirmation ?? waiting.look()),
    undoable: nodes?.undoable ?? false,
    everywhereAt: Math.max(clock.now(), (highestExp() + CLOCK_TOLERANCE_SECONDS) * 1000),
  });

  return {
    confirm: async (wait, timeoutMs) => {
      // At or behind the entry, if there was one to write: what was over before stands before it.
      const position = log.head();
      const waiting = feed.wait(position, wait === "all" ? timeoutMs : null);
      const one: Remembered = { position, begun: clock.monotonic(), waiting, confirmation: null };
      remembered.push(one);
      if (remembered.length > REMEMBERED) remembered.shift();
      if (wait === "all") feed.ask(position);
      const settled = waiting.settled.then((confirmation) => {
        one.confirmation = confirmation;
      });
      if (wait === "all") await settled;
      // Where there is nobody to wait for, it is confirmed already.
      else await Promise.race([settled, Promise.resolve()]);
      return progressOf(one);
    },
    look: (position) => {
      const one = remembered.findLast(
        (each) => each.position.epoch === position.epoch && each.position.seq === position.seq,
      );
      if (one?.confirmation === null) feed.ask(position);
      return one && progressOf(one);
    },
  };
}

function tallyOf({ acknowledged, outstanding, unbound, unheard }: WholeTally): WholeTally {
  return { acknowledged, outstanding, unbound, unheard };
}

/**
 * A confirmation over several nodes: each knows its own verifiers alone.
 *
 *   here    commit ──► roll: who else may have given leases ──► ask ──────────► roll ──► all of them have said so ──► done
 *   there                                                        └──► verifiers ──► settled ──► word in its own row ─┘
 *
 * Who joins after the commit is not looked at: it gives its first lease on a head that it read after that. Who does not
 * answer, frozen or dead, is counted until the last lease that it can have given has ended: its row shows when it last
 * read the head, and without that nobody gets one.
 */
import type { NodeId } from "../prelude/ids.ts";
import type { SetAlarm } from "../prelude/world.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import type { Named, Tally } from "./confirm.ts";
import { LEASE_LONGEST_MS } from "./lease.ts";
import type { Nodes, OtherNode } from "./nodes.ts";

/** What the others contribute to an answer. */
export interface Elsewhere extends Tally {
  /** No verifier of another node can accept it any more. */
  readonly settled: boolean;
  /** The longest lease that one of them gives, in milliseconds. */
  readonly leaseMs: number;
  /** Nodes that have not answered. */
  readonly unheard: readonly NodeId[];
}

/** Where no other node serves the log. */
export const NOWHERE: Elsewhere = {
  ...{ settled: true, leaseMs: 0, acknowledged: 0, outstanding: [], unbound: [], unheard: [] },
};
/** Where others serve it that cannot be asked: the time alone covers them. */
export const UNKNOWN: Elsewhere = { ...NOWHERE, settled: false };

export interface Following {
  look(): Elsewhere;
  stop(): void;
}

/** Lost hints are repaired, and the dead told from the slow, by looking again so often. */
const LOOK_MS = 500;
/** Who has not acknowledged by then is named to whoever waits. */
const PARTIAL_MS = 100;

interface Follower {
  readonly position: Position;
  readonly changed: () => void;
  /** Who counted after the commit; `null`: that is not known yet. */
  counted: ReadonlySet<NodeId> | null;
  nodes: ReadonlyMap<NodeId, OtherNode>;
  asked: boolean;
}

/** The side that asks. */
export class Others {
  readonly #nodes: Nodes;
  readonly #alarm: SetAlarm;
  readonly #followers = new Set<Follower>();
  #reading = false;
  #again = false;
  #callOff: (() => void) | null = null;

  constructor(nodes: Nodes, alarm: SetAlarm) {
    this.#nodes = nodes;
    this.#alarm = alarm;
    nodes.onWord(() => this.#look());
  }

  /** Looks at the others from now on, on behalf of somebody whose revocation is committed. @param changed told when they changed */
  follow(position: Position, changed: () => void): Following {
    const follower: Follower = { position, changed, counted: null, nodes: new Map(), asked: false };
    this.#followers.add(follower);
    this.#look();
    return { look: () => elsewhere(follower), stop: () => void this.#followers.delete(follower) };
  }

  /** Somebody waits for a position. */
  ask(position: Position): void {
    for (const follower of this.#followers) if (!isBefore(position, follower.position)) follower.asked = true;
    this.#nodes.ask(position).catch(() => {}); // the next look asks again
  }

  #look(): void {
    this.#again = true;
    if (!this.#reading && this.#followers.size > 0) void this.#read();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    while (this.#again) {
      this.#again = false;
      // Whoever comes while this is under way committed after it began, perhaps.
      const before = [...this.#followers];
      const roll = await this.#nodes.roll().catch(() => null);
      if (roll !== null) for (const follower of before) take(follower, roll);
    }
    this.#reading = false;
    this.#callOff ??= this.#alarm(LOOK_MS, () => {
      this.#callOff = null;
      const asked = [...this.#followers].filter((follower) => follower.asked);
      const last = asked.reduce<Position | null>(
        (latest, { position }) => (latest === null || isBefore(latest, position) ? position : latest),
        null,
      );
      if (last !== null) this.#nodes.ask(last).catch(() => {});
      this.#look();
    });
  }
}

function take(follower: Follower, roll: readonly OtherNode[]): void {
  follower.nodes = new Map(roll.map((node) => [node.id, node]));
  follower.counted ??= new Set(roll.filter(({ counts }) => counts).map(({ id }) => id));
  follower.changed();
}

function elsewhere({ position, counted, nodes }: Follower): Elsewhere {
  if (counted === null) return { ...UNKNOWN, leaseMs: LEASE_LONGEST_MS };
  let [settled, leaseMs, acknowledged] = [true, 0, 0];
  const outstanding: Named[] = [];
  const unbound: Named[] = [];
  const unheard: NodeId[] = [];
  for (const id of counted) {
    const node = nodes.get(id);
    // A row goes only once no lease of that node can run.
    if (node === undefined) continue;
    leaseMs = Math.max(leaseMs, node.leaseMs);
    const { word } = node;
    const isSettled = word !== null && !isBefore(word.settled, position);
    if (node.counts && !isSettled) settled = false;
    if (word === null || isBefore(word.tally.position, position)) {
      unheard.push(id);
      continue;
    }
    acknowledged += word.tally.acknowledged;
    outstanding.push(...word.tally.outstanding);
    unbound.push(...word.tally.unbound);
  }
  return { settled, leaseMs, acknowledged, outstanding, unbound, unheard };
}

export interface AnsweringParts {
  readonly nodes: Nodes;
  readonly alarm: SetAlarm;
  /** Has the verifiers here told of everything up to a position; rejects where that cannot be read now. */
  readonly bring: (position: Position) => Promise<void>;
  /** Waits for the verifiers that this process gave leases to. */
  readonly wait: (position: Position) => {
    readonly settled: Promise<Tally & { readonly confirmed: boolean }>;
    look(): Tally;
  };
}

/** The side that answers: one question at a time, the last that was asked. */
export class Answering {
  readonly #parts: AnsweringParts;
  #asked: Position = { epoch: 0, seq: 0 };
  #settled: Position = { epoch: 0, seq: 0 };
  #busy = false;
  #closed = false;

  constructor(parts: AnsweringParts) {
    this.#parts = parts;
    parts.nodes.onAsked((position) => {
      if (isBefore(this.#asked, position)) this.#asked = position;
      if (!this.#busy) void this.#work();
    });
  }

  close(): void {
    this.#closed = true;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (!this.#closed && isBefore(this.#settled, this.#asked)) {
      // Whoever asked asks again.
      if (!(await this.#answer(this.#asked).catch(() => false))) break;
    }
    this.#busy = false;
  }

  async #answer(position: Position): Promise<boolean> {
    const { nodes, alarm, bring, wait } = this.#parts;
    await bring(position);
    const waiting = wait(position);
    const say = ({ acknowledged, outstanding, unbound }: Tally) =>
      nodes.say({ settled: this.#settled, tally: { position, acknowledged, outstanding, unbound } });
    const callOff = alarm(PARTIAL_MS, () => void say(waiting.look()).catch(() => {}));
    const { confirmed, ...tally } = await waiting.settled;
    callOff();
    if (!confirmed) return false;
    this.#settled = position;
    await say(tally);
    return true;
  }
}

/**
 * The database: the memory driver as it is, on a machine of its own that outlives the nodes, and each node's view of it.
 *
 *   node ──call──► delay ──► commit (one after the other) ──► delay ──► news told, then the answer
 *     ▲                         └──► a notification to every other node, now and then lost; a poll repairs it
 *     └── cut off: the call fails with Unavailable, and whether it was committed nobody can say
 *
 * It keeps no clock of its own: a step takes the time of the node that runs it. When it crashes, what it has carried out is
 * on its disk, and what was on its way there is lost.
 *
 * A view keeps to the storage ports: its head is what its listeners were told of, a write of its own is told before it is
 * answered, and `readHead` asks the database. `serialCursor` is the planted fault of the same name: numbers are given when
 * a transaction begins, and it is seen when it ends.
 */
import { Unavailable } from "../../packages/server/src/prelude/fault.ts";
import type { World } from "../../packages/server/src/prelude/world.ts";
import { isBefore, type Position, type RevocationEntry } from "../../packages/server/src/revocation/entry.ts";
import type { RevocationStore } from "../../packages/server/src/revocation/store.ts";
import type { MapRows } from "../../packages/server/src/storage/memory/maps.ts";
import { ALONE, type Storage } from "../../packages/server/src/storage/storage.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import type { Dice } from "./random.ts";
import { NodeRows, RollNode } from "./roll.ts";

/** How long a node waits for the database, in its own milliseconds. */
const CALL_TIMEOUT = 3_000;
/** How often a node looks for news of which it was not notified. */
const POLL = 1_000;
/** How often a node looks whose rows are of the dead. */
const BURY = 10_000;

export interface DatabaseTraits {
  /** Notifications that are lost, from 0 to 1. */
  readonly lostNotifications: number;
  /** The planted fault: an entry is seen this much later than it got its number, at most. 0 for none. */
  readonly serialCursor: number;
  /** Nodes have rows of their own, and answer for their verifiers; otherwise each knows that there are others, and no more. */
  readonly roll: boolean;
}

/** A commit that wrote entries, as it truly happened. */
export interface Commit {
  /** Counts every call in the order in which they were carried out. */
  readonly turn: number;
  readonly entries: readonly RevocationEntry[];
}

export class Database {
  readonly machine: Machine;
  readonly network: Network;
  readonly traits: DatabaseTraits;
  readonly #dice: Dice;
  readonly #onCommit: (commit: Commit) => void;
  readonly #views = new Set<View>();
  readonly #turns = new WeakMap<object, number>();
  readonly #seenFrom = new Map<string, number>();
  readonly nodeRows = new NodeRows();
  #storage: Storage | null = null;
  /** On whose clock the present call is carried out. */
  #caller: Machine;
  /** The number of the call that is being carried out, or was last. */
  turn = 0;

  constructor(
    machine: Machine,
    network: Network,
    traits: DatabaseTraits,
    dice: Dice,
    onCommit: (commit: Commit) => void,
  ) {
    this.machine = machine;
    this.#caller = machine;
    this.network = network;
    this.traits = traits;
    this.#dice = dice;
    this.#onCommit = onCommit;
  }

  /** What is stored; another after a restore. */
  use(storage: Storage): void {
    this.#storage = storage;
    storage.revocation.onCommit((entries) => this.#committed(entries));
  }

  get storage(): Storage {
    if (this.#storage === null) throw new Error("the database has no storage yet");
    return this.#storage;
  }

  /** In which turn an outcome came about. */
  turnOf(outcome: object): number {
    const turn = this.#turns.get(outcome);
    if (turn === undefined) throw new Error("that is no outcome of this database");
    return turn;
  }

  /** What the driver is given: the clock is that of the node whose call it carries out. */
  world(): World {
    const clock = { now: () => this.#caller.wall(), monotonic: () => this.#caller.monotonic() };
    return { ...this.machine.world(), clock };
  }

  /** Carries out one call, in a turn of its own. The memory driver has looked at the clock by the time it returns. */
  async perform(call: (storage: Storage) => unknown, caller: Machine = this.machine): Promise<unknown> {
    this.turn += 1;
    const { turn } = this;
    const outcome = await this.#onClockOf(caller, () => call(this.storage));
    if (typeof outcome === "object" && outcome !== null) this.#turns.set(outcome, turn);
    return outcome;
  }

  #onClockOf<T>(caller: Machine, run: () => T): T {
    this.#caller = caller;
    try {
      return run();
    } finally {
      this.#caller = this.machine;
    }
  }

  /** The database without a way to it: for what is not about time. */
  atOnce(node: Machine): Storage {
    return everyPort(this.storage, (call) => this.perform(call, node));
  }

  /** Changes rows beside the steps, as a restore does, in a turn of its own. */
  apart(rows: MapRows, run: () => void): void {
    this.turn += 1;
    run();
    this.#committed(rows.takeFresh());
  }

  #committed(entries: readonly RevocationEntry[]): void {
    const hidden = this.traits.serialCursor;
    for (const entry of entries) {
      if (hidden > 0) this.#seenFrom.set(keyOf(entry), this.network.timeline.now + this.#dice.between(0, hidden));
    }
    this.#onCommit({ turn: this.turn, entries });
    for (const view of this.#views) this.#notify(view);
  }

  /** What a reader sees after a position, and where the log stands for him. */
  async news(after: Position): Promise<{ head: Position; entries: readonly RevocationEntry[] }> {
    const { revocation } = this.storage;
    const [head, entries] = [revocation.head(), await revocation.after(after, Number.MAX_SAFE_INTEGER)];
    if (this.traits.serialCursor === 0) return { head, entries };
    const { now } = this.network.timeline;
    const seen = entries.filter((entry) => (this.#seenFrom.get(keyOf(entry)) ?? 0) <= now);
    const last = seen.at(-1);
    return { head: last === undefined ? after : { epoch: last.epoch, seq: last.seq }, entries: seen };
  }

  /** A node's view, for the life of its present process. */
  connect(node: Machine): Connected {
    const view = new View(this, node);
    this.#views.add(view);
    node.onCrash(() => this.#views.delete(view));
    return { storage: view.storage(), row: view.row };
  }

  /** Leaves a hint for all nodes but one. */
  tell(from: View, hint: (other: RollNode) => void): void {
    for (const view of this.#views) {
      const { row } = view;
      if (view !== from && row !== null) this.#hint(view, () => hint(row));
    }
  }

  #notify(view: View): void {
    const isSent = this.#hint(view, () => view.catchUp());
    if (!isSent || this.traits.serialCursor === 0) return;
    // What is seen later is notified later.
    this.network.timeline.after(this.traits.serialCursor, () => view.deliver(() => view.catchUp()));
  }

  #hint(view: View, run: () => void): boolean {
    if (!this.machine.running) return false;
    if (this.#dice.chance(this.traits.lostNotifications)) return false;
    if (this.network.isDark(this.machine, view.node)) return false;
    this.network.timeline.after(this.network.delay(this.machine, view.node), () => view.deliver(run));
    return true;
  }
}

function keyOf({ epoch, seq }: Position): string {
  return `${epoch}.${seq}`;
}

type Listener = (entries: readonly RevocationEntry[]) => void;

export interface Connected {
  readonly storage: Storage;
  /** `null`: nodes do not know each other. */
  readonly row: RollNode | null;
}

class View {
  readonly node: Machine;
  readonly row: RollNode | null;
  readonly deliver: (run: () => void) => void;
  readonly #database: Database;
  readonly #listeners: Listener[] = [];
  #head: Position;

  constructor(database: Database, node: Machine) {
    this.#database = database;
    this.node = node;
    this.deliver = node.toThisProcess();
    // A process reads where the log stands before it does anything else.
    this.#head = database.storage.revocation.head();
    const look = (): void => {
      this.catchUp();
      node.timer(POLL, look);
    };
    node.timer(POLL, look);
    this.row = database.traits.roll ? this.#joined() : null;
  }

  #joined(): RollNode {
    const { nodeRows } = this.#database;
    const row = new RollNode({
      rows: nodeRows,
      world: this.node.world(),
      at: (run) => this.#call(async () => run()),
      tell: (hint) => this.#database.tell(this, hint),
    });
    const bury = (): void => {
      row.bury().catch(() => {});
      this.node.timer(BURY, bury);
    };
    this.node.timer(BURY, bury);
    return row;
  }

  catchUp(): void {
    // What cannot be had now is had by the next poll.
    this.#call(() => null).catch(() => {});
  }

  storage(): Storage {
    const ports = everyPort(this.#database.storage, (call) => this.#call(call));
    const { after, apply, compact, count, restart } = ports.revocation;
    const revocation: RevocationStore = {
      after,
      apply,
      compact,
      count,
      restart,
      head: () => this.#head,
      readHead: () => this.#readHead(),
      onCommit: (listener) => {
        this.#listeners.push(listener);
      },
    };
    return { ...ports, revocation };
  }

  async #readHead(): Promise<Position> {
    let read: Position = this.#head;
    let isKnown = true;
    await this.#call(async () => {
      isKnown = this.row?.beat() ?? true;
      read = (await this.#database.news(this.#head)).head;
    });
    return isKnown || this.row === null ? read : this.row.comeBack();
  }

  /** One call there and back. What is new in the log comes with the answer, and is told before it. */
  #call<T>(run: (storage: Storage) => T): Promise<Awaited<T>> {
    const { machine, network } = this.#database;
    const { node } = this;
    return new Promise((resolve, reject) => {
      const giveUp = node.timer(CALL_TIMEOUT, () => reject(new Unavailable("the database does not answer")));
      // Without a way there now, nothing is kept to be tried later: drivers refuse at once.
      if (network.isDark(node, machine)) return;
      const from = this.#head;
      network.timeline.after(network.delay(node, machine), () => {
        if (network.isDark(node, machine)) return;
        if (machine.alive) machine.deliver(carryOut);
        else refuse(new Unavailable("the database is not there"));
      });
      const answer = (tell: () => void): void => {
        if (network.isDark(machine, node)) return;
        network.timeline.after(network.delay(machine, node), () =>
          this.deliver(() => {
            giveUp();
            tell();
          }),
        );
      };
      const refuse = (error: unknown): void => answer(() => reject(error));
      const carryOut = (): void => {
        this.#database.perform(run, node).then(async (outcome) => {
          const news = await this.#database.news(from);
          answer(() => {
            this.#tell(news);
            resolve(outcome as Awaited<T>);
          });
        }, refuse);
      };
    });
  }

  #tell({ head, entries }: { head: Position; entries: readonly RevocationEntry[] }): void {
    const fresh = entries.filter((entry) => isBefore(this.#head, entry));
    if (isBefore(this.#head, head)) this.#head = head;
    if (fresh.length > 0) for (const listener of this.#listeners) listener(fresh);
  }
}

/** The ports of a storage, each call of which is carried out by `run` on whatever is stored then. */
function everyPort(like: Storage, run: (call: (storage: Storage) => unknown) => Promise<unknown>): Storage {
  const portOf = (name: keyof Storage): object =>
    new Proxy(
      {},
      {
        get: (_, method) =>
          typeof method === "string"
            ? (...args: readonly unknown[]) => run((storage) => callOf(storage, name, method, args))
            : undefined,
      },
    );
  const ports = (Object.keys(like) as (keyof Storage)[])
    .filter((name) => typeof like[name] === "object" && like[name] !== null)
    .map((name) => [name, portOf(name)]);
  const rest = {
    nature: { says: "simulated", warnings: [], shared: true },
    onKeys: () => {},
    duty: ALONE,
    backup: null,
    check: async () => {},
    close: async () => {},
  };
  return { ...Object.fromEntries(ports), ...rest } as Storage;
}

function callOf(storage: Storage, port: keyof Storage, method: string, args: readonly unknown[]): unknown {
  const methods = storage[port] as unknown as Record<string, (...args: readonly unknown[]) => unknown>;
  const call = methods[method];
  if (call === undefined) throw new TypeError(`storage has no ${port}.${method}`);
  return call(...args);
}

/**
 * The nodes' rows and the hints between nodes, as PostgreSQL has them (storage/postgres/node.ts), on the simulated database.
 * What a row means is read by the code that reads it there (storage/postgres/roll.ts).
 *
 *   declare, say ──► own row       beat ──► own row, with every read of the head       ask, say ──► hints, now and then lost
 */
import type { Nodes, OtherNode, Word } from "../../packages/server/src/feed/nodes.ts";
import { Unavailable } from "../../packages/server/src/prelude/fault.ts";
import { type NodeId, newId } from "../../packages/server/src/prelude/ids.ts";
import type { World } from "../../packages/server/src/prelude/world.ts";
import type { Position } from "../../packages/server/src/revocation/entry.ts";
import type { Result } from "../../packages/server/src/storage/postgres/connections.ts";
import { Roll, wordText } from "../../packages/server/src/storage/postgres/roll.ts";

interface NodeRow {
  readonly beat: number;
  readonly leaseMs: number;
  readonly word: string;
}

/** The table `nodes`. */
export class NodeRows {
  readonly #rows = new Map<string, NodeRow>();

  /** @returns whether there was such a row */
  change(id: string, change: (row: NodeRow) => NodeRow): boolean {
    const row = this.#rows.get(id);
    if (row !== undefined) this.#rows.set(id, change(row));
    return row !== undefined;
  }

  join(id: string, leaseMs: number): void {
    this.#rows.set(id, { beat: 0, leaseMs, word: "" });
  }

  remove(id: string, isOver: (row: NodeRow) => boolean = () => true): void {
    const row = this.#rows.get(id);
    if (row !== undefined && isOver(row)) this.#rows.delete(id);
  }

  others(own: string): Result {
    const rows = [...this.#rows].filter(([id]) => id !== own);
    return {
      rows: rows.map(([id, { beat, leaseMs, word }]) => [id, beat, leaseMs, word]),
      count: rows.length,
      command: "SELECT",
    };
  }
}

export interface RollParts {
  readonly rows: NodeRows;
  readonly world: World;
  /** Carries something out at the database, there and back; rejects where nobody can say whether it was. */
  readonly at: <T>(run: () => T) => Promise<T>;
  /** Leaves a hint for every other node, at the database. */
  readonly tell: (hint: (other: RollNode) => void) => void;
}

/** One process among the others. */
export class RollNode implements Nodes {
  readonly undoable = false;
  readonly #parts: RollParts;
  readonly #roll = new Roll();
  readonly #asked = new Set<(position: Position) => void>();
  readonly #words = new Set<() => void>();
  #id: NodeId;
  #leaseMs = 0;
  #word: Word | null = null;
  #kept = false;

  constructor(parts: RollParts) {
    this.#parts = parts;
    this.#id = newId("node", parts.world.random);
  }

  async declare(leaseMs: number): Promise<void> {
    this.#leaseMs = leaseMs;
    await this.#join();
  }

  async roll(): Promise<readonly OtherNode[]> {
    const { rows, world, at } = this.#parts;
    const read = await at(() => rows.others(this.#id));
    return this.#roll.take(read, world.clock.monotonic());
  }

  async ask(position: Position): Promise<void> {
    const { at, tell } = this.#parts;
    await at(() => tell((other) => other.#wasAsked(position)));
  }

  onAsked(listener: (position: Position) => void): void {
    this.#asked.add(listener);
  }

  async say(word: Word): Promise<void> {
    const { rows, at, tell } = this.#parts;
    this.#word = word;
    await at(() => void rows.change(this.#id, (row) => ({ ...row, word: wordText(word) })));
    await at(() => tell((other) => other.#wasTold()));
  }

  onWord(listener: () => void): void {
    this.#words.add(listener);
  }

  keep(): void {
    this.#kept = true;
  }

  /** At the database, before the log is read there. @returns whether this node still has a row */
  beat(): boolean {
    return this.#parts.rows.change(this.#id, (row) => ({ ...row, beat: row.beat + 1 }));
  }

  /** After a beat that found no row. */
  async comeBack(): Promise<never> {
    this.#id = newId("node", this.#parts.world.random);
    await this.#join();
    if (this.#word !== null) await this.say(this.#word);
    throw new Unavailable("this node was taken for dead, and is registered anew");
  }

  /** Removes the rows of those that died long ago. */
  async bury(): Promise<void> {
    const { rows, world, at } = this.#parts;
    await this.roll();
    for (const { values } of this.#roll.buryings(world.clock.monotonic())) {
      const [id, beat] = values;
      await at(() => rows.remove(String(id), (row) => row.beat === beat));
    }
  }

  async leave(): Promise<void> {
    const { rows, at } = this.#parts;
    if (!this.#kept) await at(() => rows.remove(this.#id));
  }

  async #join(): Promise<void> {
    const { rows, at } = this.#parts;
    await at(() => rows.join(this.#id, this.#leaseMs));
  }

  #wasAsked(position: Position): void {
    for (const asked of this.#asked) asked(position);
  }

  #wasTold(): void {
    for (const told of this.#words) told();
  }
}

/**
 * Runs a synchronous step against a database that is a network away, without a second word about any rule.
 *
 *   step ──asks──► known?  yes ──► goes on
 *                     │ no
 *                     └─► Missing ──► the driver asks the database, notes the answer ──► the step runs again, from its start
 *
 * A step is a pure function of its arguments and of the answers it gets, so it may run as often as one likes: every run
 * asks the same questions in the same order, gets the same answers, and comes one question further. What it writes is
 * gathered; it is sent before a question that could see it, and otherwise all together at the end. So what a step means
 * is what PostgreSQL makes of its statements in their order, and no copy of the tables is kept here to agree with it.
 *
 * Questions that were sent ahead (transaction.ts) are answered from there, as long as the step has written nothing to the
 * tables that they touch.
 *
 * Positions in the log are given before the counter is held, from the last one that was seen; once it is held, the step
 * runs again with the true ones. Only then is sent what depends on them (`Prepared.placed`).
 */
import type { Position, RevocationEntry } from "../../revocation/entry.ts";
import type { Row, Value } from "../sql/columns.ts";
import type { Statements } from "../sql/statements.ts";
import { type Prepared, prepared, touch } from "./sql.ts";

/** A statement with what it binds. */
export interface Bound {
  readonly statement: Prepared;
  readonly values: readonly Value[];
}

export interface Answer {
  readonly rows: readonly Row[];
  /** How many rows it changed or returned. */
  readonly count: number;
}

/** What was asked before the counter was held has another answer now: the transaction begins again, holding it first. */
export class Diverged extends Error {
  override readonly name = "Diverged";
}

/** Thrown into a step: this has to be asked first. */
export class Missing extends Error {
  override readonly name = "Missing";
  readonly bound: Bound;
  /** Asking it changes rows. */
  readonly changes: boolean;

  constructor(bound: Bound, changes: boolean) {
    super("a step needs an answer that is not there yet");
    this.bound = bound;
    this.changes = changes;
  }
}

interface Asked extends Bound {
  answer: Answer;
  /** Asking it changed rows. */
  readonly changes: boolean;
}

interface Ahead {
  readonly bound: Bound;
  answer: Answer;
  /** How many writes the step had made when it was asked. */
  readonly writes: number;
}

function keyOf({ statement, values }: Bound): string {
  const plain = values.map((value) => (value instanceof Uint8Array ? `x${Buffer.from(value).toString("hex")}` : value));
  return `${statement.name} ${JSON.stringify(plain)}`;
}

function same(left: Bound, right: Bound): boolean {
  return left.statement === right.statement && left.values.every((value, at) => sameValue(value, right.values[at]));
}

function sameValue(left: Value, right: Value | undefined): boolean {
  if (left instanceof Uint8Array && right instanceof Uint8Array) return Buffer.compare(left, right) === 0;
  return left === right;
}

export interface ReplayOptions {
  /** The last position that is known for certain to stand. */
  readonly seen: Position;
  /** What the step answers goes out in tokens (`rsq`): it names a position read before the state, never a later one. */
  readonly issues: boolean;
}

export class Replay implements Statements {
  readonly #options: ReplayOptions;
  /** The position of the last entry before this transaction's own, once the counter is held. */
  #counter: Position | null = null;
  readonly #asked: Asked[] = [];
  readonly #ahead = new Map<string, Ahead>();
  /** What was sent of the writes, in the step's order; those that are placed apart. */
  readonly #sent: Bound[] = [];
  readonly #sentPlaced: Bound[] = [];

  // Of the present run:
  #at = 0;
  #told: Bound[] = [];
  #toldPlaced: Bound[] = [];
  /** What every write so far has changed. */
  #writes: ReadonlySet<string>[] = [];
  #entries: RevocationEntry[] = [];
  /** The epoch that it has begun. */
  #begun: number | null = null;
  /** Answers were taken anew, so the step may go another way. */
  #corrected = false;

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  /** Begins the step again. */
  rewind(): void {
    this.#at = 0;
    this.#told = [];
    this.#toldPlaced = [];
    this.#writes = [];
    this.#entries = [];
    this.#begun = null;
  }

  // What the step does

  one<T>(sql: string, of: (row: Row) => T, ...values: readonly Value[]): T | undefined {
    const row = this.#ask({ statement: prepared(sql), values }, false).rows[0];
    return row === undefined ? undefined : of(row);
  }

  all<T>(sql: string, of: (row: Row) => T, ...values: readonly Value[]): T[] {
    return this.#ask({ statement: prepared(sql), values }, false).rows.map((row) => of(row));
  }

  changes(sql: string, ...values: readonly Value[]): number {
    const bound = { statement: prepared(sql), values };
    const { count } = this.#ask(bound, true);
    this.#writes.push(bound.statement.changed);
    return count;
  }

  run(sql: string, ...values: readonly Value[]): void {
    const bound = { statement: prepared(sql), values };
    const [told, sent] = bound.statement.placed ? [this.#toldPlaced, this.#sentPlaced] : [this.#told, this.#sent];
    const before = sent[told.length];
    if (before !== undefined && !same(before, bound)) this.#differs();
    told.push(bound);
    this.#writes.push(bound.statement.changed);
  }

  position(): Position {
    const last = this.#entries.at(-1);
    if (last !== undefined) return { epoch: last.epoch, seq: last.seq };
    if (this.#begun !== null) return this.#base;
    return this.#options.issues ? this.#options.seen : this.#base;
  }

  place(entry: Omit<RevocationEntry, keyof Position>): RevocationEntry {
    const { epoch, seq } = this.#base;
    const placed = { epoch, seq: seq + this.#entries.length + 1, ...entry };
    this.#entries.push(placed);
    return placed;
  }

  /** The row of the counter is locked: see FIRST in locks.ts. */
  beginEpoch(epoch: number): void {
    this.#begun = epoch;
    this.run("UPDATE state SET epoch = ?, seq = 0", epoch);
  }

  get #base(): Position {
    if (this.#begun !== null) return { epoch: this.#begun, seq: 0 };
    return this.#counter ?? this.#options.seen;
  }

  #ask(bound: Bound, changes: boolean): Answer {
    const asked = this.#asked[this.#at];
    if (asked === undefined) {
      const ahead = changes ? undefined : this.#ahead.get(keyOf(bound));
      const stands =
        ahead !== undefined &&
        !this.#writes.slice(ahead.writes).some((changed) => touch(changed, bound.statement.tables));
      if (!stands) throw new Missing(bound, changes);
      this.#asked.push({ ...bound, answer: ahead.answer, changes });
    } else if (!same(asked, bound)) this.#differs();
    const { answer } = this.#asked[this.#at] as Asked;
    this.#at += 1;
    return answer;
  }

  #differs(): never {
    if (this.#corrected) throw new Diverged("a step took another way once the counter was held");
    throw new Error("a step does something else when it runs again");
  }

  // What the driver does

  /** The entries of this transaction, so far. */
  get entries(): readonly RevocationEntry[] {
    return this.#entries;
  }

  /** Notes the answer to a question that was sent ahead of the step. */
  expect(bound: Bound, answer: Answer): void {
    this.#ahead.set(keyOf(bound), { bound, answer, writes: 0 });
  }

  /** Notes the answer to what was missing. */
  answer({ bound, changes }: Missing, answer: Answer): void {
    this.#asked.push({ ...bound, answer, changes });
    if (!changes) this.#ahead.set(keyOf(bound), { bound, answer, writes: this.#writes.length });
  }

  /** The questions whose answers may have changed until the counter was held. */
  doubtful(): readonly Bound[] {
    const doubtful = this.#asked.filter(({ statement, changes }) => statement.guarded && !changes);
    // The answer would show what the step itself has written since.
    const written = [...this.#sent, ...this.#asked.filter(({ changes }) => changes)];
    if (doubtful.some((bound) => written.some(({ statement }) => touch(statement.changed, bound.statement.tables)))) {
      throw new Diverged("a step wrote what it asked before it held the counter");
    }
    return doubtful;
  }

  /** Takes the answers to the doubtful questions as they are now that the counter is held. */
  correct(answers: readonly Answer[]): void {
    for (const [index, asked] of this.#asked
      .filter(({ statement, changes }) => statement.guarded && !changes)
      .entries()) {
      const answer = answers[index];
      if (answer === undefined) continue;
      asked.answer = answer;
      this.#ahead.set(keyOf(asked), { bound: asked, answer, writes: 0 });
    }
    this.#corrected = true;
  }

  /** Whether it has written anything. */
  get writes(): boolean {
    return this.#writes.length > 0;
  }

  /** Whether a question could see what the step has written and nobody sent. */
  sees(bound: Bound): boolean {
    return [...this.#unsent(), ...this.#unsentPlaced()].some(({ statement }) =>
      touch(statement.changed, bound.statement.tables),
    );
  }

  /** Whether there is something to send that needs the counter. */
  get needsCounter(): boolean {
    return this.#counter === null && (this.#entries.length > 0 || this.#unsentPlaced().length > 0);
  }

  get holdsCounter(): boolean {
    return this.#counter !== null;
  }

  /** The counter is held, at a position. */
  hold(position: Position): void {
    this.#counter = position;
  }

  /** What is to be sent now: what is placed only while the counter is held. Counts as sent. */
  take(): readonly Bound[] {
    const taken = [...this.#unsent()];
    this.#sent.push(...taken);
    if (this.#counter !== null) {
      const placed = this.#unsentPlaced();
      this.#sentPlaced.push(...placed);
      taken.push(...placed);
    }
    return taken;
  }

  #unsent(): readonly Bound[] {
    return this.#told.slice(this.#sent.length);
  }

  #unsentPlaced(): readonly Bound[] {
    return this.#toldPlaced.slice(this.#sentPlaced.length);
  }
}

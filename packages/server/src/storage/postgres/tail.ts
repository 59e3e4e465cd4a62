/**
 * The end of the log, followed: what this node and the others commit, told in order and once, before whoever committed it
 * here has his answer.
 *
 *   own commit ──► next in order? told at once
 *                       │ no: another's lies before it
 *   hint, poll ─────────┴──► one statement: where the log stands, and everything after what was told; and what the keys
 *                            are like, which this node holds in memory as well
 *
 * One statement sees one snapshot, and the counter is moved in the transaction that writes the entry: so the head that it
 * finds has no entry before it that is still to come.
 */
import { HeadReads } from "../../feed/heads.ts";
import { isBefore, type Position, type RevocationEntry } from "../../revocation/entry.ts";
import type { CommitListener } from "../listeners.ts";
import { CommitListeners } from "../listeners.ts";
import { integer, text } from "../sql/columns.ts";
import { ENTRY, entryOf } from "../sql/tables.ts";
import type { Result } from "./connections.ts";
import type { Bound } from "./replay.ts";
import { prepared } from "./sql.ts";

/** So many entries are read at a time. */
const PAGE = 5_000;

/** Differs where a key of any kind was added, changed or removed, or signs for longer. */
const KEYS = `concat_ws(' ', s.key_set, (SELECT concat_ws(' ', max(id), count(*)) FROM data_keys),
  (SELECT max(highest_exp) FROM signing_keys))`;
const NEWS = prepared(`SELECT s.epoch, s.seq, ${KEYS}, ${ENTRY.of("l")} FROM state s LEFT JOIN (
    SELECT ${ENTRY.names} FROM log WHERE (epoch, seq) > (?, ?) ORDER BY epoch, seq LIMIT ${PAGE}
  ) l ON true ORDER BY l.epoch, l.seq`);
const ENTRY_AT = 3;

export class LogTail {
  readonly #listeners = new CommitListeners();
  readonly #ask: (bound: Bound) => Promise<Result>;
  readonly #reads: HeadReads;
  readonly #keysChanged: () => void;
  #head: Position;
  #keys: string | null = null;

  /** @param keysChanged told when any process has changed a key, this one included */
  constructor(head: Position, ask: (bound: Bound) => Promise<Result>, keysChanged: () => void) {
    this.#head = head;
    this.#ask = ask;
    this.#keysChanged = keysChanged;
    this.#reads = new HeadReads(() => this.#read());
  }

  /** Everything up to here was told. */
  get head(): Position {
    return this.#head;
  }

  onCommit(listener: CommitListener): void {
    this.#listeners.add(listener);
  }

  /** This node has committed entries. Resolves once they were told. */
  async committed(entries: readonly RevocationEntry[]): Promise<void> {
    const first = entries[0];
    if (first === undefined) return;
    if (first.epoch === this.#head.epoch && first.seq === this.#head.seq + 1) this.#tell(entries);
    else if (isBefore(this.#head, entries.at(-1) ?? first)) await this.catchUp();
  }

  /** Tells everything that was committed before this was called, and where the log stands then. */
  catchUp(): Promise<Position> {
    return this.#reads.ask();
  }

  async #read(): Promise<Position> {
    for (;;) {
      const head = this.take(await this.#ask(this.question()));
      if (head !== null) return head;
    }
  }

  /** What is to be asked, to hear what is new. */
  question(): Bound {
    return { statement: NEWS, values: [this.#head.epoch, this.#head.seq] };
  }

  /** Takes the answer, and tells what it has. @returns where the log stood; `null`: there is more to ask for */
  take({ rows }: Result): Position | null {
    const [first] = rows;
    if (first === undefined) throw new Error("the database has no state row");
    const found = rows.filter((row) => row[ENTRY_AT] !== null).map((row) => entryOf(row.slice(ENTRY_AT)));
    // Others may have been told since the question was sent.
    this.#tell(found.filter((entry) => isBefore(this.#head, entry)));
    if (found.length === PAGE) return null;
    const head = { epoch: integer(first, 0), seq: integer(first, 1) };
    // The last entries may be forgotten already.
    if (isBefore(this.#head, head)) this.#head = head;
    const keys = text(first, 2);
    if (this.#keys !== null && this.#keys !== keys) this.#keysChanged();
    this.#keys = keys;
    return head;
  }

  #tell(entries: readonly RevocationEntry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#head = { epoch: last.epoch, seq: last.seq };
    this.#listeners.tell(entries);
  }
}

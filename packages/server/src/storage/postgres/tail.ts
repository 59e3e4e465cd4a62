/**
 * The end of the log, followed: what this node and the others commit, told in order and once, before whoever committed it
 * here has his answer.
 *
 *   own commit ──► next in order? told at once
 *                       │ no: another's lies before it
 *   hint, poll ─────────┴──► one statement: where the log stands, and everything after what was told
 *
 * One statement sees one snapshot, and the counter is moved in the transaction that writes the entry: so the head that it
 * finds has no entry before it that is still to come.
 */
import { HeadReads } from "../../feed/heads.ts";
import { isBefore, type Position, type RevocationEntry } from "../../revocation/entry.ts";
import type { CommitListener } from "../listeners.ts";
import { CommitListeners } from "../listeners.ts";
import { integer } from "../sql/columns.ts";
import { ENTRY, entryOf } from "../sql/tables.ts";
import type { Result } from "./connections.ts";
import type { Bound } from "./replay.ts";
import { prepared } from "./sql.ts";

/** So many entries are read at a time. */
const PAGE = 5_000;

const NEWS = `SELECT s.epoch, s.seq, ${ENTRY.of("l")} FROM state s LEFT JOIN (
    SELECT ${ENTRY.names} FROM log WHERE (epoch, seq) > (?, ?) ORDER BY epoch, seq LIMIT ${PAGE}
  ) l ON true ORDER BY l.epoch, l.seq`;

export class LogTail {
  readonly #listeners = new CommitListeners();
  readonly #ask: (bound: Bound) => Promise<Result>;
  readonly #reads: HeadReads;
  #head: Position;

  constructor(head: Position, ask: (bound: Bound) => Promise<Result>) {
    this.#head = head;
    this.#ask = ask;
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
      const after = this.#head;
      const statement = prepared(NEWS);
      const { rows } = await this.#ask({ statement, values: [after.epoch, after.seq] });
      const [first] = rows;
      if (first === undefined) throw new Error("the database has no state row");
      const found = rows.filter((row) => row[2] !== null).map((row) => entryOf(row.slice(2)));
      // Commits of this node's own may have been told since the question was sent.
      this.#tell(found.filter((entry) => isBefore(this.#head, entry)));
      if (found.length === PAGE) continue;
      const head = { epoch: integer(first, 0), seq: integer(first, 1) };
      // The last entries may be forgotten already.
      if (isBefore(this.#head, head)) this.#head = head;
      return head;
    }
  }

  #tell(entries: readonly RevocationEntry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#head = { epoch: last.epoch, seq: last.seq };
    this.#listeners.tell(entries);
  }
}

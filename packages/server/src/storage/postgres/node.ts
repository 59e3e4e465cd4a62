/**
 * This process as one of those that serve the database: its row in `nodes`, written with every read of the head.
 *
 *   ask ─┐                       one connection, sent together
 *   ask ─┼─(20 ms after the last)─► beat: a write of the own row ─► what is new in the log ──► all of them answered
 *   ask ─┘
 *
 * The write makes the read linearizable: a primary that was deposed cannot complete it, where writes wait for a standby.
 * What was committed anywhere before the beat was asked for is in the log that is read behind it. A node whose row is gone
 * was taken for dead, and reads nothing until it is registered anew.
 *
 * In the row stands too what it says of its verifiers (feed/others.ts): who may write the table may say it, and nobody else.
 */
import { HeadReads } from "../../feed/heads.ts";
import { LEASE_LONGEST_MS } from "../../feed/lease.ts";
import type { Nodes, OtherNode, Word } from "../../feed/nodes.ts";
import { Unavailable } from "../../prelude/fault.ts";
import { type NodeId, newId } from "../../prelude/ids.ts";
import type { SetAlarm, World } from "../../prelude/world.ts";
import type { Position } from "../../revocation/entry.ts";
import { integer } from "../sql/columns.ts";
import { type Connections, understood } from "./connections.ts";
import { followsLate } from "./inspect.ts";
import { Roll, wordText } from "./roll.ts";
import { MIGRATIONS } from "./schema.ts";
import { prepared } from "./sql.ts";
import type { LogTail } from "./tail.ts";
import { NOW, TELL, together } from "./transaction.ts";

/** Verifiers ping at any moment: those of so many milliseconds share a write. */
const GATHER_MS = 20;

const JOIN = prepared(`INSERT INTO nodes (id, schema, beat, seen_at, lease_ms) VALUES (?, ?, 0, ${NOW}, ?)`);
const LEAVE = prepared("DELETE FROM nodes WHERE id = ?");
const DECLARE = prepared("UPDATE nodes SET lease_ms = ? WHERE id = ?");
const SAY = prepared("UPDATE nodes SET word = ? WHERE id = ?");
const BEAT = prepared(`UPDATE nodes SET beat = beat + 1, seen_at = ${NOW} WHERE id = ? RETURNING seen_at`);

/** Hints to other nodes: `ask 7.12 nod_…`, `word nod_…`; who sends one does not mean himself. */
const ASK = /^ask (\d+)\.(\d+) (\S+)$/;
const WORD = /^word (\S+)$/;

export class ServingNode implements Nodes {
  readonly #connections: Connections;
  readonly #tail: LogTail;
  readonly #world: World;
  readonly #alarm: SetAlarm;
  readonly #reads: HeadReads;
  readonly #roll = new Roll();
  readonly #asked = new Set<(position: Position) => void>();
  readonly #words = new Set<() => void>();
  #id: NodeId;
  #leaseMs = LEASE_LONGEST_MS;
  #word: Word | null = null;
  #kept = false;
  #begun = Number.NEGATIVE_INFINITY;
  #aheadMs: number | null = null;
  #undoable = false;

  private constructor(connections: Connections, tail: LogTail, world: World, alarm: SetAlarm, id: NodeId) {
    this.#connections = connections;
    this.#tail = tail;
    this.#world = world;
    this.#alarm = alarm;
    this.#id = id;
    this.#reads = new HeadReads(() => this.#beat());
  }

  /** Registers, before the first head is read. */
  static async join(connections: Connections, tail: LogTail, world: World, alarm: SetAlarm): Promise<ServingNode> {
    const node = new ServingNode(connections, tail, world, alarm, newId("node", world.random));
    await node.#join();
    return node;
  }

  /** See RevocationStore. */
  readHead(): Promise<Position> {
    return this.#reads.ask();
  }

  /** How far this machine's clock was ahead of the database's at the last beat, in milliseconds; `null`: there was none. */
  get aheadMs(): number | null {
    return this.#aheadMs;
  }

  get undoable(): boolean {
    return this.#undoable;
  }

  /** Looks whether a standby follows that is not waited for. */
  async watchStandbys(): Promise<void> {
    this.#undoable = await this.#connections.use(followsLate);
  }

  async declare(leaseMs: number): Promise<void> {
    this.#leaseMs = leaseMs;
    await understood(this.#connections.ask({ statement: DECLARE, values: [leaseMs, this.#id] }));
  }

  async roll(): Promise<readonly OtherNode[]> {
    const read = await understood(this.#connections.ask(this.#roll.question(this.#id)));
    return this.#roll.take(read, this.#world.clock.monotonic());
  }

  /** Removes the rows of nodes that died long ago. */
  async bury(): Promise<void> {
    await this.roll();
    for (const bound of this.#roll.buryings(this.#world.clock.monotonic())) await this.#connections.ask(bound);
  }

  async ask({ epoch, seq }: Position): Promise<void> {
    await understood(this.#tell(`ask ${epoch}.${seq} ${this.#id}`));
  }

  onAsked(listener: (position: Position) => void): void {
    this.#asked.add(listener);
  }

  async say(word: Word): Promise<void> {
    this.#word = word;
    await understood(this.#connections.ask({ statement: SAY, values: [wordText(word), this.#id] }));
    await understood(this.#tell(`word ${this.#id}`));
  }

  onWord(listener: () => void): void {
    this.#words.add(listener);
  }

  keep(): void {
    this.#kept = true;
  }

  /** Takes a hint. @returns whether it was one of these */
  hear(hint: string): boolean {
    const [, epoch, seq, asker] = ASK.exec(hint) ?? [];
    const [, speaker] = WORD.exec(hint) ?? [];
    if (asker !== undefined && asker !== this.#id) {
      for (const told of this.#asked) told({ epoch: Number(epoch), seq: Number(seq) });
    }
    if (speaker !== undefined && speaker !== this.#id) for (const told of this.#words) told();
    return asker !== undefined || speaker !== undefined;
  }

  async leave(): Promise<void> {
    if (!this.#kept) await this.#connections.ask({ statement: LEAVE, values: [this.#id] });
  }

  async #tell(hint: string): Promise<void> {
    await this.#connections.ask({ statement: TELL, values: [hint] });
  }

  async #join(): Promise<void> {
    await this.#connections.ask({ statement: JOIN, values: [this.#id, MIGRATIONS.length, this.#leaseMs] });
  }

  async #beat(): Promise<Position> {
    const { clock, random } = this.#world;
    const early = this.#begun + GATHER_MS - clock.monotonic();
    if (early > 0) await new Promise<void>((wake) => this.#alarm(Math.ceil(early), wake));
    this.#begun = clock.monotonic();
    const sent = clock.now();
    const [beat, news] = await this.#connections.use((connection) =>
      together(connection, undefined, { statement: BEAT, values: [this.#id] }, this.#tail.question()),
    );
    if (beat === undefined || news === undefined) throw new Error("a beat was not answered");
    const [row] = beat.rows;
    if (row === undefined) {
      this.#id = newId("node", random);
      await this.#join();
      if (this.#word !== null) await this.say(this.#word);
      throw new Unavailable("this node was taken for dead, and is registered anew");
    }
    // The database looked at its clock somewhere between the two: the middle is off by half a round trip at most.
    this.#aheadMs = (sent + clock.now()) / 2 - integer(row, 0);
    return this.#tail.take(news) ?? (await this.#tail.catchUp());
  }
}

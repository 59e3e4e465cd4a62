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
 */
import { HeadReads } from "../../feed/heads.ts";
import { Unavailable } from "../../prelude/fault.ts";
import { type NodeId, newId } from "../../prelude/ids.ts";
import type { SetAlarm, World } from "../../prelude/world.ts";
import type { Position } from "../../revocation/entry.ts";
import type { Connections } from "./connections.ts";
import { MIGRATIONS } from "./schema.ts";
import { prepared } from "./sql.ts";
import type { LogTail } from "./tail.ts";
import { NOW, together } from "./transaction.ts";

/** Verifiers ping at any moment: those of so many milliseconds share a write. */
const GATHER_MS = 20;

const JOIN = prepared(`INSERT INTO nodes (id, schema, beat, seen_at) VALUES (?, ?, 0, ${NOW})`);
const LEAVE = prepared("DELETE FROM nodes WHERE id = ?");
const BEAT = prepared(`UPDATE nodes SET beat = beat + 1, seen_at = ${NOW} WHERE id = ?`);

export class ServingNode {
  readonly #connections: Connections;
  readonly #tail: LogTail;
  readonly #world: World;
  readonly #alarm: SetAlarm;
  readonly #reads: HeadReads;
  #id: NodeId;
  #begun = Number.NEGATIVE_INFINITY;

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

  async leave(): Promise<void> {
    await this.#connections.ask({ statement: LEAVE, values: [this.#id] });
  }

  async #join(): Promise<void> {
    await this.#connections.ask({ statement: JOIN, values: [this.#id, MIGRATIONS.length] });
  }

  async #beat(): Promise<Position> {
    const { clock, random } = this.#world;
    const early = this.#begun + GATHER_MS - clock.monotonic();
    if (early > 0) await new Promise<void>((wake) => this.#alarm(Math.ceil(early), wake));
    this.#begun = clock.monotonic();
    const [beat, news] = await this.#connections.use((connection) =>
      together(connection, undefined, { statement: BEAT, values: [this.#id] }, this.#tail.question()),
    );
    if (beat === undefined || news === undefined) throw new Error("a beat was not answered");
    if (beat.count === 0) {
      this.#id = newId("node", random);
      await this.#join();
      throw new Unavailable("this node was taken for dead, and is registered anew");
    }
    return this.#tail.take(news) ?? (await this.#tail.catchUp());
  }
}

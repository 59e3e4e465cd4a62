/**
 * Carries the log to the live store: what was ended in the one is marked as ended in the other.
 *
 *   commit ──► told ──► settle: marks, and how far it has come           the store notes its position with the marks, so
 *                └ the store is behind: read on from where it is         that losing the one is losing the other
 *
 * Nothing waits for it to be right, because everything read from the live store is judged by the log (judged.ts). What it
 * buys: reasons and lists that are true by themselves, and a log that may forget in time. While the store is away the log
 * keeps what it has to be told, and when it is back it is told.
 */
import { isBefore, type Position, type RevocationEntry } from "../../revocation/entry.ts";
import type { RevocationStore } from "../../revocation/store.ts";
import type { LiveStore } from "./live-store.ts";

const PAGE = 500;

export class Outbox {
  readonly #log: RevocationStore;
  readonly #live: Pick<LiveStore, "settle" | "position">;
  #waiting: RevocationEntry[] = [];
  /** How far the store has come, as far as is known; `null`: ask it. */
  #reached: Position | null = null;
  #running: Promise<void> | null = null;

  constructor(log: RevocationStore, live: Pick<LiveStore, "settle" | "position">) {
    this.#log = log;
    this.#live = live;
  }

  add(entries: readonly RevocationEntry[]): void {
    this.#waiting.push(...entries);
    void this.flush();
  }

  /** Resolves once the store has what was told before, or cannot be reached: what is left then is done later. */
  async flush(): Promise<void> {
    do {
      this.#running ??= this.#run().finally(() => {
        this.#running = null;
      });
      await this.#running;
    } while (this.#waiting.length > 0);
  }

  /** Asks the store how far it is, which may be less far than it was, and carries over what it lacks. */
  catchUp(): Promise<void> {
    this.#reached = null;
    return this.flush();
  }

  async #run(): Promise<void> {
    try {
      this.#reached ??= await this.#beginning();
      while (this.#waiting.length > 0) {
        const told = this.#waiting;
        this.#waiting = [];
        const last = told.at(-1);
        this.#reached = await this.#live.settle(this.#reached, told);
        if (last !== undefined && isBefore(this.#reached, last)) this.#reached = await this.#readOn(this.#reached);
      }
    } catch {
      // The store or the log is away. Whoever comes next asks the store where it is, and the log for what it lacks.
      this.#reached = null;
      this.#waiting = [];
    }
  }

  async #beginning(): Promise<Position> {
    const head = this.#log.head();
    const at = await this.#live.position();
    if (at === null) return this.#live.settle(head, []);
    return isBefore(at, head) ? this.#readOn(at) : at;
  }

  async #readOn(from: Position): Promise<Position> {
    let at = from;
    for (;;) {
      const entries = await this.#log.after(at, PAGE);
      const last = entries.at(-1);
      if (last === undefined) return at;
      const reached = await this.#live.settle(at, entries);
      // Less far than before: the store lost its tail meanwhile. It is read from there.
      at = reached;
    }
  }
}

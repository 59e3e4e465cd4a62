/**
 * Reading the head of the log for many who ask at once: a read that began after one asked is his answer, so those who ask
 * while one is under way share the next.
 *
 *   ask ──► read ────────────► answered
 *      ask ─┐    ask ─┐        │
 *           └─────────┴────────┴─► read ──► both answered          never by the one that began before they asked
 */
import type { Position } from "../revocation/entry.ts";

export class HeadReads {
  readonly #read: () => Promise<Position>;
  #underWay: Promise<Position> | null = null;
  #next: Promise<Position> | null = null;

  /** @param read linearizable: `RevocationStore.readHead` */
  constructor(read: () => Promise<Position>) {
    this.#read = read;
  }

  /** The head by a read that begins now or later. Rejects where it cannot be had. */
  ask(): Promise<Position> {
    if (this.#underWay === null) return this.#begin();
    this.#next ??= this.#underWay.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  #begin(): Promise<Position> {
    this.#next = null;
    const reading = this.#read().finally(() => {
      if (this.#underWay === reading) this.#underWay = null;
    });
    this.#underWay = reading;
    return reading;
  }
}

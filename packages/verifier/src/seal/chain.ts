/**
 * The chain of hashes over a file's pieces (digest.ts), with the work on one thread or on two.
 *
 *   here     piece 0           piece 2           piece 4 …
 *   beside            piece 1           piece 3             while a core is free for it
 *
 * SHA-256 is what sealing and opening spend most of their time on, and it is needed twice. Another thread takes a part where
 * a core is free; where none is, the copy and the waiting only cost. So nobody waits for the other thread: while it is busy
 * a piece is hashed here, and where it was overtaken by more than two pieces it is left alone for a while.
 */
import type { ChunkEngine } from "./chunk-cipher.ts";
import { CHAIN_START, type Octets } from "./digest.ts";

/** Pieces that are hashed here while one is under way beside, before there is no core for it. */
const OVERTAKEN = 2;
/** Pieces until it is tried again. */
const PAUSE = 32;

export class Chain {
  readonly #engine: ChunkEngine;
  #value: Octets | Promise<Octets> = CHAIN_START;
  #isBeside = false;
  #meanwhile = 0;
  #pause = 0;

  constructor(engine: ChunkEngine) {
    this.#engine = engine;
  }

  /** One more piece, in parts. To be awaited before the next. */
  async add(parts: readonly Uint8Array[]): Promise<void> {
    const hash = this.#engine.hash(parts);
    this.#link(hash);
    // Where every hash is another thread's, this bounds how many are under way.
    if (hash instanceof Promise) await this.#value;
  }

  /** One more piece, on another thread where that is free; its octets may change when this has resolved. */
  async addBeside(octets: Uint8Array): Promise<void> {
    // Only in the next turn of the event loop is it known whether it is done; others on this thread want one, too.
    await this.#engine.turn();
    if (this.#isBeside || this.#pause > 0) {
      this.#pause -= 1;
      this.#meanwhile += 1;
      return this.add([octets]);
    }
    this.#isBeside = true;
    this.#meanwhile = 0;
    this.#link(
      this.#engine.hashBeside(octets).finally(() => {
        this.#isBeside = false;
        this.#pause = this.#meanwhile > OVERTAKEN ? PAUSE : 0;
      }),
    );
  }

  /** The chain over everything that was added. */
  async value(): Promise<Octets> {
    return this.#value;
  }

  #link(hash: Octets | Promise<Octets>): void {
    const before = this.#value;
    if (before instanceof Promise || hash instanceof Promise) {
      const linked = Promise.all([before, hash]).then((parts) => this.#engine.hash(parts));
      // Whoever asks for the value is told; until then nobody has to handle it.
      linked.catch(() => undefined);
      this.#value = linked;
    } else this.#value = this.#engine.hash([before, hash]);
  }
}

/**
 * Seeded randomness that splits: every part of a run draws from a stream of its own, so that one more draw in one part
 * changes nothing in the others, and a seed stays the same story while the simulation grows.
 *
 *   seed ──┬─ "network" ──┬─ "api-1"
 *          │              └─ "api-2"
 *          └─ "story"
 *
 * sfc32 (public domain): fast, and good enough that a thousand seeds are a thousand stories. Nothing here is secret.
 */
export class Dice {
  readonly #name: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  private constructor(name: string) {
    this.#name = name;
    const hash = hashOf(name);
    this.#a = hash();
    this.#b = hash();
    this.#c = hash();
    for (let turn = 0; turn < 12; turn += 1) this.#next();
  }

  static of(seed: number): Dice {
    return new Dice(`seed ${seed}`);
  }

  /** A stream of its own; the same for the same name, whatever was drawn before. */
  split(name: string): Dice {
    return new Dice(`${this.#name}/${name}`);
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** From 0 to below 1. */
  roll(): number {
    return this.#next() / 2 ** 32;
  }

  between(least: number, most: number): number {
    return least + this.roll() * (most - least);
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.roll() * count);
  }

  chance(probability: number): boolean {
    return this.roll() < probability;
  }

  /** Memoryless: the time until the next of events that come once in `mean`. */
  exponential(mean: number): number {
    return -Math.log(1 - this.roll()) * mean;
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.below(list.length)];
    if (picked === undefined) throw new RangeError("nothing to pick from");
    return picked;
  }

  /** One of the names, as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries<number>(weights) as [Name, number][];
    let left = this.roll() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [name, weight] of entries) {
      left -= weight;
      if (left < 0) return name;
    }
    throw new RangeError("nothing to pick from");
  }

  bytes(length: number): Buffer {
    const octets = Buffer.alloc(length);
    for (let at = 0; at < length; at += 1) octets[at] = this.#next() >>> 24;
    return octets;
  }
}

/** FNV-1a over the name, then a finaliser for each further word. */
function hashOf(name: string): () => number {
  let state = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1) state = Math.imul(state ^ name.charCodeAt(at), 0x01000193);
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let word = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
    return word ^ (word >>> 15);
  };
}

/**
 * The set of what is revoked, compact: 24 octets a row and some 7 to find it, so a million entries take about 31 MB.
 *
 *   key, first 64 bits ──► partition (8 bits) ──► filter ──► index: tag and row ──► row
 *                           256 of them, each      8 bits     ┌────┬────────┐       ┌────────┬──────────┬────┬─────────┐
 *                           grows by itself        an entry   │ 8b │ 24 bits│       │ 64 bits│ position │ at │ expires │ …
 *                                                             └────┴────────┘       └────────┴──────────┴────┴─────────┘
 *                                                                                   pages of 8192, never moved
 *
 * Most look-ups are for what is not there, and end at the filter: two bits of one word, in memory that stays near the
 * processor. Nothing is ever copied as a whole: a page is added when the rows are full, and a partition that is full is
 * rehashed alone (4,000 places at a million entries), so growth does not hold up the event loop. 64 bits of a keyed hash are
 * enough: with a million entries a good token meets one by chance once in 10^13 look-ups, and is then refused, not accepted.
 *
 * Nothing is evicted. When the set is full, `add` says so and its caller must stop trusting it.
 */
import { ENTRY_AT, KINDS, type RevocationKind, type RevocationReason, readNumber, reasonNamed } from "./entry.ts";
import type { Position } from "./position.ts";

/** What the set remembers of an entry. */
export interface FoundEntry {
  readonly kind: RevocationKind;
  readonly reason: RevocationReason;
  readonly position: Position;
  /** Seconds since 1970. */
  readonly at: number;
  readonly expires: number;
}

/** Most entries of one set: a row's number has 24 bits, and 0 means none. */
export const SET_MAX = 2 ** 24 - 1;

const PARTITIONS = 256;
const PAGE_BITS = 13;
const PAGE_ROWS = 2 ** PAGE_BITS;
const PAGE_MASK = PAGE_ROWS - 1;

/** Words of a row. `MARKS`: seq's upper 16 bits, the epoch's number (8), the kind (3) and the reason (5). */
const WORDS = 6;
const HIGH = 0;
const LOW = 1;
const SEQ = 2;
const MARKS = 3;
const AT = 4;
const EXPIRES = 5;

const EPOCHS_MAX = 256;
const REASON_UNKNOWN = 31;
/** Times are kept in 32 bits; what is later has no end. */
const NEVER = 0xffffffff;

/** How full a partition gets, and by how much it then grows. */
const LOAD_MAX = 0.8;
const GROWTH = 1.25;
const FILTER_ENTRIES_A_WORD = 4;
const PARTITION_MIN = 8;

/** How many of the last changes are remembered one by one; a power of two. */
const RECENT = 64;

const TWO_32 = 2 ** 32;
const EMPTY = new Uint32Array(0);

export class RevocationSet {
  readonly #most: number;
  readonly #pages: Uint32Array[] = [];
  readonly #partitions: Uint32Array[] = Array.from({ length: PARTITIONS }, () => EMPTY);
  readonly #filters: Uint32Array[] = Array.from({ length: PARTITIONS }, () => EMPTY);
  readonly #filled = new Uint32Array(PARTITIONS);
  /** Entries that were dropped from a partition since its filter was made: their bits still stand in it. */
  readonly #dropped = new Uint32Array(PARTITIONS);
  readonly #epochs: number[] = [];
  readonly #counts = new Uint32Array(KINDS.length + 1);
  readonly #recent = new Uint32Array(RECENT);
  #size = 0;
  /** Rows that were ever used; those below that are free again are chained from `#free` by their first word. */
  #rows = 0;
  #free = 0;
  #sweep = 0;
  #version = 0;

  /** @param most entries at most */
  constructor(most: number = SET_MAX) {
    if (!(most >= 1 && most <= SET_MAX)) throw new RangeError(`A set has from 1 to ${SET_MAX} entries.`);
    this.#most = Math.floor(most);
  }

  get size(): number {
    return this.#size;
  }

  /** Moves with every change that may concern a token. */
  get version(): number {
    return this.#version;
  }

  /** Octets that the entries take. */
  get bytes(): number {
    let words = this.#pages.length * PAGE_ROWS * WORDS;
    for (const partition of this.#partitions) words += partition.length;
    for (const filter of this.#filters) words += filter.length;
    return words * 4;
  }

  /** How many entries there are of a kind, by its octet on the wire. */
  countOf(kind: number): number {
    return this.#counts[kind] ?? 0;
  }

  /**
   * Takes in the entry at an offset of a frame or snapshot. Of two entries for the same thing the later position counts,
   * and the later end.
   * @returns false when the set is full: the entry is not in it
   */
  add(octets: Uint8Array, offset: number): boolean {
    const high = word(octets, offset + ENTRY_AT.key);
    const low = word(octets, offset + ENTRY_AT.key + 4);
    const epoch = this.#epochNumber(readNumber(octets, offset + ENTRY_AT.epoch, 6));
    if (epoch < 0) return false;
    const known = this.find(high, low);
    if (known >= 0) return this.#raise(known, epoch, octets, offset);
    if (this.#size >= this.#most) return false;
    const row = this.#newRow();
    const kind = octets[offset + ENTRY_AT.kind] ?? 0;
    const page = this.#page(row);
    const base = (row & PAGE_MASK) * WORDS;
    page[base + HIGH] = high;
    page[base + LOW] = low;
    this.#write(page, base, epoch, octets, offset);
    page[base + EXPIRES] = Math.min(readNumber(octets, offset + ENTRY_AT.expires, 5), NEVER);
    this.#index(high, low, row);
    this.#counts[kind] = this.countOf(kind) + 1;
    this.#size += 1;
    this.#changed(row);
    return true;
  }

  /** The row of an entry by the first 64 bits of its key, or −1. */
  find(high: number, low: number): number {
    const filter = this.#filters[high >>> 24] ?? EMPTY;
    const bits = filterBits(low);
    return ((filter[filterWord(high, filter.length)] ?? 0) & bits) === bits ? this.#seek(high, low) : -1;
  }

  #seek(high: number, low: number): number {
    const partition = this.#partitions[high >>> 24] ?? EMPTY;
    const length = partition.length;
    if (length === 0) return -1;
    const tag = (high >>> 16) & 0xff;
    let at = home(low, length);
    for (;;) {
      const place = partition[at] ?? 0;
      if (place === 0) return -1;
      if (place >>> 24 === tag) {
        const row = (place & 0xffffff) - 1;
        const page = this.#page(row);
        const base = (row & PAGE_MASK) * WORDS;
        if (page[base + HIGH] === high && page[base + LOW] === low) return row;
      }
      at = at + 1 === length ? 0 : at + 1;
    }
  }

  /** What stands in a row that `find` gave. */
  entryAt(row: number): FoundEntry {
    const page = this.#page(row);
    const base = (row & PAGE_MASK) * WORDS;
    const marks = page[base + MARKS] ?? 0;
    return {
      kind: KINDS[((marks >>> 5) & 7) - 1] ?? "all",
      reason: reasonNamed(marks & 31),
      position: {
        epoch: this.#epochs[(marks >>> 8) & 0xff] ?? 0,
        seq: (marks >>> 16) * TWO_32 + (page[base + SEQ] ?? 0),
      },
      at: page[base + AT] ?? 0,
      expires: page[base + EXPIRES] ?? 0,
    };
  }

  /** Is the entry at an offset of a frame, or another for the same thing, in the set? */
  has(octets: Uint8Array, offset: number): boolean {
    return this.find(word(octets, offset + ENTRY_AT.key), word(octets, offset + ENTRY_AT.key + 4)) >= 0;
  }

  /**
   * Shows the changes after `since` (a version) one by one, until `isEnough`.
   * @returns false where they are too many for that, and nothing was shown
   */
  changedSince(since: number, isEnough: (kind: number, row: number, high: number, low: number) => boolean): boolean {
    if (this.#version - since > RECENT / 2) return false;
    for (let version = since + 1; version <= this.#version; version++) {
      const row = this.#recent[version & (RECENT - 1)] ?? 0;
      const page = this.#page(row);
      const base = (row & PAGE_MASK) * WORDS;
      const kind = ((page[base + MARKS] ?? 0) >>> 5) & 7;
      // A kind of 0 is a row that was dropped since.
      if (kind !== 0 && isEnough(kind, row, page[base + HIGH] ?? 0, page[base + LOW] ?? 0)) break;
    }
    return true;
  }

  /** Makes room for so many more entries at once, where a snapshot says how many come; for a set that is empty. */
  reserve(more: number): void {
    if (this.#size > 0) return;
    const length = Math.max(PARTITION_MIN, Math.ceil((Math.min(more, this.#most) / PARTITIONS / LOAD_MAX) * 1.02) + 1);
    for (let number = 0; number < PARTITIONS; number++) this.#rehash(number, length);
  }

  /**
   * Looks at the next `rows` rows and drops the entries that ended before `seconds` (server time, since 1970). Entries of
   * keys stay: whoever stole a key writes any end into its tokens.
   * @returns how many were dropped
   */
  forget(seconds: number, rows: number): number {
    let dropped = 0;
    for (let step = Math.min(rows, this.#rows); step > 0; step--) {
      const row = this.#sweep;
      this.#sweep = row + 1 >= this.#rows ? 0 : row + 1;
      const page = this.#page(row);
      const base = (row & PAGE_MASK) * WORDS;
      const kind = ((page[base + MARKS] ?? 0) >>> 5) & 7;
      const expires = page[base + EXPIRES] ?? NEVER;
      if (kind === 0 || kind === KEY_KIND || expires === NEVER || expires >= seconds) continue;
      this.#unindex(page[base + HIGH] ?? 0, page[base + LOW] ?? 0, row);
      page[base + MARKS] = 0;
      page[base + HIGH] = this.#free;
      this.#free = row + 1;
      this.#counts[kind] = this.countOf(kind) - 1;
      this.#size -= 1;
      dropped += 1;
    }
    return dropped;
  }

  #page(row: number): Uint32Array {
    return this.#pages[row >>> PAGE_BITS] ?? EMPTY;
  }

  #newRow(): number {
    if (this.#free !== 0) {
      const row = this.#free - 1;
      this.#free = this.#page(row)[(row & PAGE_MASK) * WORDS + HIGH] ?? 0;
      return row;
    }
    const row = this.#rows;
    if (row >>> PAGE_BITS === this.#pages.length) this.#pages.push(new Uint32Array(PAGE_ROWS * WORDS));
    this.#rows = row + 1;
    return row;
  }

  #epochNumber(epoch: number): number {
    const known = this.#epochs.lastIndexOf(epoch);
    if (known >= 0 || this.#epochs.length === EPOCHS_MAX) return known;
    return this.#epochs.push(epoch) - 1;
  }

  /** Everything of a row but its key and its end. */
  #write(page: Uint32Array, base: number, epoch: number, octets: Uint8Array, offset: number): void {
    const reason = Math.min(octets[offset + ENTRY_AT.reason] ?? REASON_UNKNOWN, REASON_UNKNOWN);
    const kind = octets[offset + ENTRY_AT.kind] ?? 0;
    page[base + SEQ] = word(octets, offset + ENTRY_AT.seq + 2);
    page[base + MARKS] = (readNumber(octets, offset + ENTRY_AT.seq, 2) << 16) | (epoch << 8) | (kind << 5) | reason;
    page[base + AT] = Math.min(readNumber(octets, offset + ENTRY_AT.at, 5), NEVER);
  }

  #raise(row: number, epoch: number, octets: Uint8Array, offset: number): true {
    const page = this.#page(row);
    const base = (row & PAGE_MASK) * WORDS;
    const held = this.entryAt(row);
    const expires = Math.min(readNumber(octets, offset + ENTRY_AT.expires, 5), NEVER);
    if (expires > held.expires) page[base + EXPIRES] = expires;
    const seq = readNumber(octets, offset + ENTRY_AT.seq, 6);
    const heldEpoch = held.position.epoch;
    const newEpoch = this.#epochs[epoch] ?? 0;
    if (newEpoch < heldEpoch || (newEpoch === heldEpoch && seq <= held.position.seq)) return true;
    this.#write(page, base, epoch, octets, offset);
    // The cut-off for tokens without a position never moves back either.
    page[base + AT] = Math.max(page[base + AT] ?? 0, held.at);
    this.#changed(row);
    return true;
  }

  #changed(row: number): void {
    this.#version += 1;
    this.#recent[this.#version & (RECENT - 1)] = row;
  }

  #index(high: number, low: number, row: number): void {
    const number = high >>> 24;
    const filled = this.#filled[number] ?? 0;
    const length = this.#partitions[number]?.length ?? 0;
    if (filled + 1 > length * LOAD_MAX) this.#rehash(number, Math.max(PARTITION_MIN, Math.ceil(length * GROWTH)));
    place(this.#partitions[number] ?? EMPTY, low, ((((high >>> 16) & 0xff) << 24) | (row + 1)) >>> 0);
    mark(this.#filters[number] ?? EMPTY, high, low);
    this.#filled[number] = filled + 1;
  }

  /** Makes a partition's index and filter anew. */
  #rehash(number: number, length: number): void {
    const partition = this.#partitions[number] ?? EMPTY;
    const next = new Uint32Array(length);
    const filter = new Uint32Array(Math.ceil((length * LOAD_MAX) / FILTER_ENTRIES_A_WORD));
    for (let at = 0; at < partition.length; at++) {
      const entry = partition[at] ?? 0;
      if (entry === 0) continue;
      const row = (entry & 0xffffff) - 1;
      const page = this.#page(row);
      const base = (row & PAGE_MASK) * WORDS;
      const low = page[base + LOW] ?? 0;
      place(next, low, entry);
      mark(filter, page[base + HIGH] ?? 0, low);
    }
    this.#partitions[number] = next;
    this.#filters[number] = filter;
    this.#dropped[number] = 0;
  }

  /** The second word of the key that an index entry leads to. */
  #lowOf(entry: number): number {
    const row = (entry & 0xffffff) - 1;
    return this.#page(row)[(row & PAGE_MASK) * WORDS + LOW] ?? 0;
  }

  /** Takes an index entry out and moves up those behind it that would not be found across the hole. */
  #unindex(high: number, low: number, row: number): void {
    const number = high >>> 24;
    const partition = this.#partitions[number] ?? EMPTY;
    const { length } = partition;
    let hole = home(low, length);
    while (((partition[hole] ?? 0) & 0xffffff) !== row + 1) hole = hole + 1 === length ? 0 : hole + 1;
    for (let at = hole + 1 === length ? 0 : hole + 1; ; at = at + 1 === length ? 0 : at + 1) {
      const entry = partition[at] ?? 0;
      if (entry === 0) break;
      // Distances around the table: the entry may move to the hole where its home is not between the two.
      if ((at - home(this.#lowOf(entry), length) + length) % length >= (at - hole + length) % length) {
        partition[hole] = entry;
        hole = at;
      }
    }
    partition[hole] = 0;
    const filled = (this.#filled[number] ?? 1) - 1;
    this.#filled[number] = filled;
    const dropped = (this.#dropped[number] ?? 0) + 1;
    this.#dropped[number] = dropped;
    if (dropped > length / 2) this.#rehash(number, length);
  }
}

const KEY_KIND = KINDS.indexOf("key") + 1;

/** Where in a partition of some length the search for a key begins. */
function home(low: number, length: number): number {
  return Math.floor((low * length) / TWO_32);
}

function place(partition: Uint32Array, low: number, entry: number): void {
  const { length } = partition;
  let at = home(low, length);
  while (partition[at] !== 0) at = at + 1 === length ? 0 : at + 1;
  partition[at] = entry;
}

/** The filter's word and bits come from parts of the key that the index's order does not rest on. */
function filterWord(high: number, length: number): number {
  return ((high & 0xffff) * length) >>> 16;
}

function filterBits(low: number): number {
  return (1 << (low & 31)) | (1 << ((low >>> 5) & 31));
}

function mark(filter: Uint32Array, high: number, low: number): void {
  const at = filterWord(high, filter.length);
  filter[at] = (filter[at] ?? 0) | filterBits(low);
}

/** 32 bits, big endian. */
function word(octets: Uint8Array, at: number): number {
  const upper = ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
  return ((upper << 16) | ((octets[at + 2] ?? 0) << 8) | (octets[at + 3] ?? 0)) >>> 0;
}

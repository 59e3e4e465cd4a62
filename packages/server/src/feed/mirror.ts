/**
 * The log as it leaves: every live entry in the form that it has on the wire, in this process's memory.
 *
 *   login server   commit ──► keyed hash (log-source.ts) ──┐
 *   relay          upstream's frames, as they are ─────────┴─► 40 octets each, chunks, in order ──► frames, snapshots
 *
 * A resumed stream or a snapshot of a million entries (40 MB) asks nobody for anything. An entry that concerns one
 * audience's token only is left out for the others. Its number is missing there, which is no gap: what is contiguous are
 * the positions of frames.
 */
import { ENTRY_AT, ENTRY_BYTES, type FeedEntry, REVOCATION_KINDS, readPosition } from "@mapae/verifier/revocation";
import { isBefore, type Position } from "../revocation/entry.ts";
import {
  append,
  appendOctets,
  atOf,
  CHUNK_ENTRIES,
  type Chunk,
  EVERYONE,
  emptyChunk,
  firstAfter,
  isScoped,
  octetsFor,
  positionOf,
  without,
} from "./chunk.ts";

/** What an audience's number in a chunk can count to. */
const AUDIENCES_MAX = 65_535;
const EVERYONE_OCTET = REVOCATION_KINDS.all.octet;

export class LogMirror {
  readonly #audiences = new Map<string, number>();
  #chunks: Chunk[] = [];
  #head: Position = { epoch: 0, seq: 0 };
  #size = 0;
  /** The last entry of kind `all`. */
  #everyone: Position | null = null;

  /** Everything up to here is held, but for what was forgotten. */
  get head(): Position {
    return this.#head;
  }

  get size(): number {
    return this.#size;
  }

  /** The last entry for everyone, which covers those before it; `null` for none. */
  get everyone(): Position | null {
    return this.#everyone;
  }

  /** Appends an entry; what is held already is passed over. @param audience `null`: it concerns everyone */
  add(entry: FeedEntry, audience: string | null): void {
    if (!isBefore(this.#head, entry.position)) return;
    append(this.#roomy(), entry, this.#numberOf(audience));
    this.#added(entry.position, entry.kind === "all");
  }

  /** Appends entries in their form on the wire, of which all concern whoever is told here. */
  addOctets(octets: Uint8Array, offset: number, count: number): void {
    for (let at = offset; at < offset + count * ENTRY_BYTES; at += ENTRY_BYTES) {
      const position = readPosition(octets, at + ENTRY_AT.epoch);
      if (!isBefore(this.#head, position)) continue;
      appendOctets(this.#roomy(), octets, at, EVERYONE);
      this.#added(position, octets[at + ENTRY_AT.kind] === EVERYONE_OCTET);
    }
  }

  /** The log stands at a position, and every entry up to it that is not forgotten was added. */
  advance(head: Position): void {
    if (isBefore(this.#head, head)) this.#head = head;
  }

  #added(position: Position, isForEveryone: boolean): void {
    this.#size += 1;
    this.#head = position;
    if (isForEveryone) this.#everyone = position;
  }

  #roomy(): Chunk {
    const last = this.#chunks.at(-1);
    if (last !== undefined && last.count < CHUNK_ENTRIES) return last;
    const chunk = emptyChunk();
    this.#chunks.push(chunk);
    return chunk;
  }

  #numberOf(audience: string | null): number {
    if (audience === null) return EVERYONE;
    const known = this.#audiences.get(audience);
    if (known !== undefined) return known;
    // More than can be counted: everyone hears what one would have had to, which is no harm.
    if (this.#audiences.size >= AUDIENCES_MAX) return EVERYONE;
    this.#audiences.set(audience, this.#audiences.size + 1);
    return this.#audiences.size;
  }

  /** The chunks with something behind a position, newest first, and where in each that begins. */
  *#behind(position: Position): Generator<readonly [Chunk, number]> {
    for (let at = this.#chunks.length - 1; at >= 0; at -= 1) {
      const chunk = this.#chunks[at];
      if (chunk === undefined) return;
      const from = firstAfter(chunk, position);
      if (from < chunk.count) yield [chunk, from];
      if (from > 0) return;
    }
  }

  /** How many entries lie behind a position, whomever they concern. */
  countAfter(position: Position): number {
    let count = 0;
    for (const [chunk, from] of this.#behind(position)) count += chunk.count - from;
    return count;
  }

  /** Whether what lies behind a position is not the same for every audience. */
  differsAfter(position: Position): boolean {
    for (const [chunk, from] of this.#behind(position)) if (isScoped(chunk, from)) return true;
    return false;
  }

  /** The octets of what lies behind a position, up to another, and concerns an audience: in order, at most a chunk at a time. */
  between(after: Position, to: Position, audience: string): readonly Uint8Array[] {
    const number = this.#audiences.get(audience) ?? -1;
    const pieces: Uint8Array[] = [];
    for (const [chunk, from] of this.#behind(after)) {
      const octets = octetsFor(chunk, from, firstAfter(chunk, to), number);
      if (octets.length > 0) pieces.unshift(octets);
    }
    return pieces;
  }

  /**
   * Where the last entries begin: behind this position lie at most so many, none of them committed before a time. In the
   * head's epoch.
   * @param from Unix seconds
   */
  windowBegin(most: number, from: number): Position {
    const { epoch } = this.#head;
    let left = most;
    for (let at = this.#chunks.length - 1; at >= 0; at -= 1) {
      const chunk = this.#chunks[at];
      for (let index = (chunk?.count ?? 0) - 1; chunk !== undefined && index >= 0; index -= 1) {
        const position = positionOf(chunk, index);
        if (position.epoch !== epoch) return { epoch, seq: 0 };
        if (left === 0 || atOf(chunk, index) < from) return position;
        left -= 1;
      }
    }
    return { epoch, seq: 0 };
  }

  /**
   * Forgets what concerns no living token, and what the last entry for everyone covers. Entries of kind `key` stay: who
   * stole a key writes `exp` as he likes. Looks only into chunks where there is something to forget.
   * @param now Unix seconds
   */
  compact(now: number): void {
    const everyone = this.#everyone;
    const kept: Chunk[] = [];
    for (const chunk of this.#chunks) {
      const covered = everyone !== null && chunk.count > 0 && isBefore(positionOf(chunk, 0), everyone);
      const left = chunk.expires < now || covered ? without(chunk, now, everyone) : chunk;
      if (left.count > 0) kept.push(left);
    }
    this.#chunks = kept;
    this.#size = kept.reduce((sum, { count }) => sum + count, 0);
  }
}

/**
 * The log as it leaves the server: every live entry in the form that it has on the wire, in this process's memory.
 *
 *   commit ──► keyed hash, 40 octets ──► chunks, in order ──► frames from a position, snapshots
 *
 * The database keeps kind and value, because compaction, the audit and everything derived from the log need them; the
 * hash is made once, here, where an entry is about to leave. So the feed key can change without rewriting the log, and a
 * resumed stream or a snapshot of a million entries (40 MB) asks the database for nothing.
 *
 * An entry that concerns one audience's token only is left out for the others. Its number is missing there, which is
 * no gap: what is contiguous are the positions of frames.
 */
import { type FeedEntry, REVOCATION_KINDS, SECONDS_MAX } from "@mapae/verifier/revocation";
import { isBefore, type Position, type RevocationEntry } from "../revocation/entry.ts";
import {
  append,
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

export class LogMirror {
  readonly #keyOf: (entry: RevocationEntry) => Uint8Array;
  readonly #audiences = new Map<string, number>();
  #chunks: Chunk[] = [];
  #head: Position = { epoch: 0, seq: 0 };
  #size = 0;
  /** The last entry of kind `all`. */
  #everyone: Position | null = null;

  /** @param keyOf the keyed hash of an entry */
  constructor(keyOf: (entry: RevocationEntry) => Uint8Array) {
    this.#keyOf = keyOf;
  }

  /** Everything up to here is held, but for what was forgotten. */
  get head(): Position {
    return this.#head;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends entries in the order of the log; what is held already is passed over. */
  add(entries: readonly RevocationEntry[]): void {
    for (const entry of entries) {
      if (!isBefore(this.#head, entry)) continue;
      const { kind, reason, epoch, seq, at, expires } = entry;
      const position = { epoch, seq };
      // Who stole a key writes `exp` as he likes: no verifier may forget that it was revoked.
      const until = kind === "key" ? SECONDS_MAX : Math.ceil(expires);
      const made = { kind, reason, position, at: Math.floor(at / 1000), expires: until, key: this.#keyOf(entry) };
      this.#append(made, this.#numberOf(entry.audience));
      if (kind === "all") this.#everyone = position;
      this.#head = position;
    }
  }

  /** The log stands at a position, and every entry up to it that is not forgotten was added. */
  advance(head: Position): void {
    if (isBefore(this.#head, head)) this.#head = head;
  }

  #append(entry: FeedEntry, audience: number): void {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.count === CHUNK_ENTRIES) {
      chunk = emptyChunk();
      this.#chunks.push(chunk);
    }
    append(chunk, entry, audience);
    this.#size += 1;
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
   * Forgets what concerns no living token, and what the last entry for everyone covers. Entries of kind `key` stay: who
   * stole a key writes `exp` as he likes. Looks only into chunks where there is something to forget.
   * @param now Unix seconds
   */
  compact(now: number): void {
    const everyone = this.#everyone;
    const keyOctet = REVOCATION_KINDS.key.octet;
    const kept: Chunk[] = [];
    for (const chunk of this.#chunks) {
      const covered = everyone !== null && chunk.count > 0 && isBefore(positionOf(chunk, 0), everyone);
      const left = chunk.expires < now || covered ? without(chunk, keyOctet, now, everyone) : chunk;
      if (left.count > 0) kept.push(left);
    }
    this.#chunks = kept;
    this.#size = kept.reduce((sum, { count }) => sum + count, 0);
  }
}

/**
 * Frames for many: what is the same for all who ask is encoded once.
 *
 *   a revocation, 1,000 connections at the same position ──► one frame, 1,000 times the same octets
 */
import { ENTRY_BYTES, encodeRev, formatPosition, REV_ENTRIES_MAX, readEntry } from "@mapae/verifier/revocation";
import type { Position } from "../revocation/entry.ts";
import type { LogMirror } from "./mirror.ts";

/** Frames of the last windows, for those who are a little behind. */
const FRAMES_KEPT = 64;

export class Frames {
  readonly #mirror: () => LogMirror;
  readonly #revs = new Map<string, readonly Uint8Array[]>();

  /** @param mirror a relay gets another one with each snapshot that it loads */
  constructor(mirror: () => LogMirror) {
    this.#mirror = mirror;
  }

  /** Another log from here on. */
  clear(): void {
    this.#revs.clear();
  }

  /** The `rev` frames from a position to a later one of the same epoch, contiguous, for an audience. */
  revs(from: Position, to: Position, audience: string): readonly Uint8Array[] {
    const whom = this.#mirror().differsAfter(from) ? audience : "";
    const name = `${formatPosition(from)} ${formatPosition(to)} ${whom}`;
    const known = this.#revs.get(name);
    if (known !== undefined) return known;
    const made = this.#encode(from, to, audience);
    const oldest = this.#revs.size < FRAMES_KEPT ? undefined : this.#revs.keys().next().value;
    if (oldest !== undefined) this.#revs.delete(oldest);
    this.#revs.set(name, made);
    return made;
  }

  #encode(from: Position, to: Position, audience: string): readonly Uint8Array[] {
    const pieces = this.#mirror().between(from, to, audience);
    if (pieces.length === 0) return [encodeRev(from, to, [])];
    let at = from;
    return pieces.map((piece, index) => {
      if (piece.length > REV_ENTRIES_MAX * ENTRY_BYTES) throw new RangeError("a piece is larger than a frame");
      const begins = at;
      at = index === pieces.length - 1 ? to : (readEntry(piece, piece.length - ENTRY_BYTES)?.position ?? to);
      return encodeRev(begins, at, piece);
    });
  }
}

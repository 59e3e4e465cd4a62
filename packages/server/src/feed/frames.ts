/**
 * Frames and snapshots for many: what is the same for all who ask is encoded once.
 *
 *   a revocation, 1,000 connections at the same position ──► one frame, 1,000 times the same octets
 *   1,000 verifiers that start at once                   ──► one snapshot, which never changes once it is made
 */
import {
  ENTRY_BYTES,
  encodeRev,
  encodeSnapshot,
  formatPosition,
  REV_ENTRIES_MAX,
  readEntry,
  type SnapshotFacts,
  snapshotDigest,
} from "@mapae/verifier/revocation";
import type { Clock } from "../prelude/world.ts";
import type { Position } from "../revocation/entry.ts";
import type { LogMirror } from "./mirror.ts";

/** Frames of the last windows, for those who are a little behind. */
const FRAMES_KEPT = 64;
/** A snapshot is as good as new for this long: its position is where the stream goes on from. */
const SNAPSHOT_FRESH_MS = 5_000;
/** Or until so many entries have come since. */
const SNAPSHOT_FRESH_ENTRIES = 2_000;
const START: Position = { epoch: 0, seq: 0 };

export interface FeedSnapshot {
  readonly position: Position;
  readonly octets: Uint8Array<ArrayBuffer>;
  /** Signed: whose it is, and its digest. */
  readonly checkpoint: string;
  /** Changes whenever the octets do. */
  readonly etag: string;
}

/** Signs a statement about a position; `sha256` is the digest of the snapshot there, or `null`. */
export type SignCheckpoint = (position: Position, count: number, sha256: string | null) => Promise<string>;

/** Whether an earlier signature still holds: its key may have been revoked since. */
export type IsSigned = (checkpoint: string) => boolean;

interface Kept {
  readonly madeAt: number;
  readonly position: Position;
  readonly snapshot: Promise<FeedSnapshot>;
  /** Once it is made. */
  checkpoint: string | null;
}

export class Frames {
  readonly #mirror: LogMirror;
  readonly #clock: Clock;
  readonly #facts: () => Omit<SnapshotFacts, "position" | "serverTime">;
  readonly #sign: SignCheckpoint;
  readonly #isSigned: IsSigned;
  readonly #revs = new Map<string, readonly Uint8Array[]>();
  readonly #snapshots = new Map<string, Kept>();

  constructor(
    mirror: LogMirror,
    clock: Clock,
    facts: () => Omit<SnapshotFacts, "position" | "serverTime">,
    sign: SignCheckpoint,
    isSigned: IsSigned,
  ) {
    this.#mirror = mirror;
    this.#clock = clock;
    this.#facts = facts;
    this.#sign = sign;
    this.#isSigned = isSigned;
  }

  /** The `rev` frames from a position to a later one of the same epoch, contiguous, for an audience. */
  revs(from: Position, to: Position, audience: string): readonly Uint8Array[] {
    const whom = this.#mirror.differsAfter(from) ? audience : "";
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
    const pieces = this.#mirror.between(from, to, audience);
    if (pieces.length === 0) return [encodeRev(from, to, [])];
    let at = from;
    return pieces.map((piece, index) => {
      if (piece.length > REV_ENTRIES_MAX * ENTRY_BYTES) throw new RangeError("a piece is larger than a frame");
      const begins = at;
      at = index === pieces.length - 1 ? to : (readEntry(piece, piece.length - ENTRY_BYTES)?.position ?? to);
      return encodeRev(begins, at, piece);
    });
  }

  /** The snapshot for an audience: the last one made, or a new one where too much has come since. */
  snapshot(audience: string): Promise<FeedSnapshot> {
    const whom = this.#mirror.differsAfter(START) ? audience : "";
    const kept = this.#snapshots.get(whom);
    if (kept !== undefined && this.#isFresh(kept)) return kept.snapshot;
    const madeAt = this.#clock.monotonic();
    const { head: position } = this.#mirror;
    const snapshot = this.#make(position, audience);
    const made: Kept = { madeAt, position, snapshot, checkpoint: null };
    this.#snapshots.set(whom, made);
    snapshot.then(
      ({ checkpoint }) => {
        made.checkpoint = checkpoint;
      },
      () => this.#snapshots.delete(whom), // the next one who asks tries again
    );
    return snapshot;
  }

  #isFresh({ madeAt, position, checkpoint }: Kept): boolean {
    if (checkpoint !== null && !this.#isSigned(checkpoint)) return false;
    if (position.epoch !== this.#mirror.head.epoch) return false;
    const since = this.#mirror.countAfter(position);
    return since === 0 || (since <= SNAPSHOT_FRESH_ENTRIES && this.#clock.monotonic() - madeAt < SNAPSHOT_FRESH_MS);
  }

  async #make(position: Position, audience: string): Promise<FeedSnapshot> {
    const entries = Buffer.concat(this.#mirror.between(START, position, audience));
    const octets = encodeSnapshot({ ...this.#facts(), position, serverTime: this.#clock.now() }, entries);
    const digest = await snapshotDigest(octets);
    const checkpoint = await this.#sign(position, entries.length / ENTRY_BYTES, digest);
    return { position, octets, checkpoint, etag: `"${digest}"` };
  }
}

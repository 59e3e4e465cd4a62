/**
 * The login server's snapshots: made and signed once for all who ask within a while.
 *
 *   1,000 verifiers that start at once ──► one snapshot, which never changes once it is made
 */
import {
  type Checkpoint,
  digestOf,
  ENTRY_BYTES,
  encodeSnapshot,
  SNAPSHOT_HEADER_BYTES,
  type SnapshotFacts,
} from "@mapae/verifier/revocation";
import type { Clock } from "../prelude/world.ts";
import type { Position } from "../revocation/entry.ts";
import type { LogMirror } from "./mirror.ts";

/** A snapshot is as good as new for this long: its position is where the stream goes on from. */
export const SNAPSHOT_FRESH_MS = 5_000;
/** Or until so many entries have come since. */
export const SNAPSHOT_FRESH_ENTRIES = 2_000;
const START: Position = { epoch: 0, seq: 0 };

export interface FeedSnapshot {
  readonly position: Position;
  readonly octets: Uint8Array<ArrayBuffer>;
  /** Signed: whose it is, and its digest. */
  readonly checkpoint: string;
  /** Changes whenever the octets do. */
  readonly etag: string;
}

/** What is signed beside whose it is. */
export type Statement = Omit<Checkpoint, "iss">;
export type SignCheckpoint = (statement: Statement) => Promise<string>;

/** Whether an earlier signature still holds: its key may have been revoked since. */
export type IsSigned = (checkpoint: string) => boolean;

export interface SnapshotParts {
  readonly mirror: LogMirror;
  readonly clock: Clock;
  readonly facts: Omit<SnapshotFacts, "position" | "serverTime">;
  readonly sign: SignCheckpoint;
  readonly isSigned: IsSigned;
}

/** Without a signature: the same for every audience, as long as nothing concerns one alone. */
interface Piece {
  readonly position: Position;
  readonly octets: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
  /** Unix milliseconds. */
  readonly serverTime: number;
}

interface Made {
  readonly madeAt: number;
  readonly position: Position;
  readonly piece: Promise<Piece>;
  readonly signed: Map<string, Promise<FeedSnapshot>>;
}

export class Snapshots {
  readonly #parts: SnapshotParts;
  readonly #made = new Map<string, Made>();

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
  }

  /** The snapshot for an audience: the last one made, or a new one where too much has come since. */
  async get(audience: string): Promise<FeedSnapshot> {
    const made = this.#piece(audience);
    const known = made.signed.get(audience);
    const snapshot = await (known ?? this.#sign(made, audience));
    if (known === undefined || this.#parts.isSigned(snapshot.checkpoint)) return snapshot;
    // The key that signed was revoked since. Many may find that at once.
    const next = made.signed.get(audience);
    return next === undefined || next === known ? this.#sign(made, audience) : next;
  }

  #piece(audience: string): Made {
    const { mirror, clock } = this.#parts;
    const whom = mirror.differsAfter(START) ? audience : "";
    const known = this.#made.get(whom);
    if (known !== undefined && this.#isFresh(known)) return known;
    const position = mirror.head;
    const piece = this.#make(position, audience);
    const made: Made = { madeAt: clock.monotonic(), position, piece, signed: new Map() };
    this.#made.set(whom, made);
    piece.catch(() => this.#made.delete(whom)); // the next one who asks tries again
    return made;
  }

  #isFresh({ madeAt, position }: Made): boolean {
    const { mirror, clock } = this.#parts;
    if (position.epoch !== mirror.head.epoch) return false;
    const since = mirror.countAfter(position);
    return since === 0 || (since <= SNAPSHOT_FRESH_ENTRIES && clock.monotonic() - madeAt < SNAPSHOT_FRESH_MS);
  }

  async #make(position: Position, audience: string): Promise<Piece> {
    const { mirror, clock, facts } = this.#parts;
    const entries = Buffer.concat(mirror.between(START, position, audience));
    const serverTime = clock.now();
    const octets = encodeSnapshot({ ...facts, position, serverTime }, entries);
    return { position, octets, sha256: await digestOf(octets), serverTime };
  }

  #sign({ piece, signed }: Made, aud: string): Promise<FeedSnapshot> {
    const signing = piece.then(async ({ position, octets, sha256 }) => {
      const count = (octets.length - SNAPSHOT_HEADER_BYTES) / ENTRY_BYTES;
      const iat = Math.floor(this.#parts.clock.now() / 1000);
      const checkpoint = await this.#parts.sign({ aud, position, since: null, count, sha256, iat });
      return { position, octets, checkpoint, etag: `"${sha256}"` };
    });
    signed.set(aud, signing);
    signing.catch(() => signed.delete(aud));
    return signing;
  }
}

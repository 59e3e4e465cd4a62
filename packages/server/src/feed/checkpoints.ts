/**
 * The login server's checkpoints: for each audience that is followed, every few seconds a signature over the last entries
 * that it was told of (`Checkpoint` in @mapae/verifier/revocation). Made in the background; a heartbeat carries the last one.
 */
import { CHECKPOINT_EVERY_MS, digestOf, ENTRY_BYTES, WINDOW_MAX, windowOctets } from "@mapae/verifier/revocation";
import type { Clock } from "../prelude/world.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import type { LogMirror } from "./mirror.ts";
import type { IsSigned, SignCheckpoint } from "./snapshots.ts";

/** How far back a window reaches, in seconds: who was cut off for less goes on as if he had not been. */
const WINDOW_SECONDS = 60;
/** Or when so many entries have come since the last one, but no sooner than that many milliseconds after it. */
const EARLY_ENTRIES = 1_024;
const EARLY_MS = 200;
/** Or when the log has moved at all, no sooner than after this: a loss of what is not signed cannot be proven (tail.ts). */
const MOVED_MS = 2_000;

export interface CheckpointParts {
  readonly mirror: LogMirror;
  readonly clock: Clock;
  readonly sign: SignCheckpoint;
  readonly isSigned: IsSigned;
  readonly failed: (error: unknown) => void;
}

interface Signed {
  readonly at: number;
  readonly position: Position;
  readonly text: string;
}

/**
 * Whether a checkpoint at a position may be told to somebody who was sent everything up to another: not one that is ahead of
 * him, and not one from before the last entry for everyone, since what that covers may be forgotten here and not there.
 */
export function mayVouch(position: Position, sent: Position, { everyone }: LogMirror): boolean {
  if (position.epoch !== sent.epoch || position.seq > sent.seq) return false;
  return everyone === null || !isBefore(position, everyone);
}

export class Checkpoints {
  readonly #parts: CheckpointParts;
  readonly #signed = new Map<string, Signed>();
  readonly #signing = new Set<string>();

  constructor(parts: CheckpointParts) {
    this.#parts = parts;
  }

  /** The last one for an audience, if it is not ahead of what was sent. When it is old, a new one is made meanwhile. */
  latest(sent: Position, audience: string): string | null {
    const { clock, isSigned, failed } = this.#parts;
    const now = clock.monotonic();
    let signed = this.#signed.get(audience);
    if (signed !== undefined && !isSigned(signed.text)) signed = undefined;
    if (!this.#signing.has(audience) && this.#isDue(signed, now)) {
      this.#signing.add(audience);
      this.#make(audience, now)
        .then((made) => this.#signed.set(audience, made), failed)
        .finally(() => this.#signing.delete(audience));
    }
    return signed !== undefined && mayVouch(signed.position, sent, this.#parts.mirror) ? signed.text : null;
  }

  #isDue(signed: Signed | undefined, now: number): boolean {
    if (signed === undefined) return true;
    const { mirror } = this.#parts;
    const age = now - signed.at;
    if (age >= CHECKPOINT_EVERY_MS) return true;
    if (age >= MOVED_MS && isBefore(signed.position, mirror.head)) return true;
    const isOvertaken = mirror.everyone !== null && isBefore(signed.position, mirror.everyone);
    return age >= EARLY_MS && (isOvertaken || mirror.countAfter(signed.position) >= EARLY_ENTRIES);
  }

  async #make(aud: string, at: number): Promise<Signed> {
    const { mirror, clock, sign } = this.#parts;
    const iat = Math.floor(clock.now() / 1000);
    const position = mirror.head;
    const since = mirror.windowBegin(WINDOW_MAX, iat - WINDOW_SECONDS);
    const octets = windowOctets(mirror.between(since, position, aud), iat);
    const sha256 = await digestOf(octets);
    const count = octets.length / ENTRY_BYTES;
    return { at, position, text: await sign({ aud, position, since, count, sha256, iat }) };
  }
}

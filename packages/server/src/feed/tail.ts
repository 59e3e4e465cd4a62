/**
 * A log that lost its end, noticed. A database file that was copied back by hand, a disk that was rolled back, a failover
 * to a replica that was behind: the log then ends before positions that it had, and gives their numbers to other entries.
 *
 *   verifier: hello(after, checkpoint) ──► behind our head? ──yes──► as ever
 *                                              │ no
 *                                              ▼
 *                      checkpoint signed by a key of ours, for this issuer, ahead of our head? ──no──► resync, and a line
 *                                              │ yes: we had that position, for nobody else signs       in the log
 *                                              ▼
 *                                   a new epoch begins, as `mapae restore` begins it ──► resync
 *
 * Who merely *says* that he knows a later position proves nothing: he followed another server, or lies. A signature over a
 * position is made only once the position is durable. So whoever could bring it about without a loss could sign tokens.
 */
import type { ClientId } from "../prelude/ids.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import type { Begun } from "../revocation/store.ts";

/** What the feed needs for it; without, a position ahead is told and nothing else. */
export interface TailWatch {
  /** The position that a checkpoint proves this server once had; `null`: it proves nothing. */
  readonly prove: (checkpoint: string) => Position | null;
  /** Begins a new epoch, unless the log reaches the position. */
  readonly restart: (lost: Position) => Promise<Begun | null>;
}

export type TailNotice =
  /** Somebody claims a position of our log that we do not have, and proves nothing. */
  | { readonly kind: "position_ahead"; readonly client: string; readonly position: Position; readonly head: Position }
  /** The log had a position that it has no more. A new epoch has begun. */
  | {
      readonly kind: "tail_lost";
      /** Who proved it; `null`: this process's own memory. */
      readonly client: string | null;
      readonly lost: Position;
      readonly head: Position;
      readonly begun: Begun;
    };

export class Tail {
  readonly #watch: TailWatch | null;
  readonly #notice: (notice: TailNotice) => void;
  /** Called once a new epoch has begun. */
  readonly #restarted: () => void;

  constructor(watch: TailWatch | null, notice: (notice: TailNotice) => void, restarted: () => void) {
    this.#watch = watch;
    this.#notice = notice;
    this.#restarted = restarted;
  }

  /**
   * Hears where somebody says to be.
   * @param head read after that was received, linearizably
   * @param checkpoint what it shows for it
   * @returns whether a new epoch has begun, so that the head has to be read again
   */
  async hear(client: ClientId, after: Position, checkpoint: string | null, head: Position): Promise<boolean> {
    const lost = checkpoint === null ? null : (this.#watch?.prove(checkpoint) ?? null);
    if (lost !== null && isBefore(head, lost)) return this.#restart(client, lost, head);
    if (isBefore(head, after)) this.#notice({ kind: "position_ahead", client, position: after, head });
    return false;
  }

  /**
   * Compares what the log says with what this process has heard of it.
   * @param known all of it was told by the log before `head` was asked for
   */
  async compare(known: Position, head: Position): Promise<boolean> {
    return isBefore(head, known) ? this.#restart(null, known, head) : false;
  }

  async #restart(client: ClientId | null, lost: Position, head: Position): Promise<boolean> {
    if (this.#watch === null) return false;
    const begun = await this.#watch.restart(lost);
    // Otherwise another node, or another verifier's word, was first.
    if (begun !== null) {
      this.#restarted();
      this.#notice({ kind: "tail_lost", client, lost, head, begun });
    }
    return true;
  }
}

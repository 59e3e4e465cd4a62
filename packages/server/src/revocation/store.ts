/** What revocation asks of storage. Entries are written by the transitions that cause them, as effects (effects.ts). */

import type { Effect } from "./effects.ts";
import type { Position, RevocationEntry, RevocationKind } from "./entry.ts";

export interface Begun {
  /** The epoch that begins. */
  readonly epoch: number;
  readonly sessionsEnded: number;
  readonly keysRevoked: number;
}

export interface RevocationStore {
  /** The position of the last entry. Synchronous knowledge of this process; never ahead of what is durable. */
  head(): Position;
  /**
   * The position of the last entry that anyone committed before this was called, asked of the engine itself: no earlier
   * commit is missing from it, whoever made it (linearizable). By the time it resolves, the listeners have been told of
   * every entry up to it. Rejects with `Unavailable` where the engine cannot say so for certain.
   */
  readHead(): Promise<Position>;
  /** Entries after a position, oldest first, at most `limit`. */
  after(position: Position, limit: number): Promise<readonly RevocationEntry[]>;
  /** Applies effects that have no row of their own to change (revoke a token, a client, everything). */
  apply(effects: readonly Effect[]): Promise<Position>;
  /**
   * Begins a new epoch because the log once had a position that it has no more (storage/begin-epoch.ts): one atomic step,
   * after which `head` is of the new epoch. `null` where the log reaches the position.
   */
  restart(lost: Position, keepSessions: boolean): Promise<Begun | null>;
  /** Called after each commit that wrote entries and before the write that caused them is answered. */
  onCommit(listener: (entries: readonly RevocationEntry[]) => void): void;
  /**
   * Removes entries that expired; `key` entries stay while any verifier may hold the key.
   * @param now Unix ms, of a clock that is believed: the store's own may have jumped meanwhile, and the earlier counts
   * @returns how many
   */
  compact(now: number): Promise<number>;
  /** How many entries there are, by kind. */
  count(): Promise<Partial<Record<RevocationKind, number>>>;
}

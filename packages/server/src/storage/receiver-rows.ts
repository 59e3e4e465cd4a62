/** What the steps and ports of receivers ask of an engine: see rows.ts. */
import type { ReceiverId } from "../prelude/ids.ts";
import type { TakeEvent } from "../revocation/effects.ts";
import type { Receiver } from "../ssf/receiver.ts";

export interface ReceiverReads {
  /** Oldest first. */
  all(): readonly Receiver[];
  find(id: ReceiverId): Receiver | undefined;
  hasTaken(id: ReceiverId, jti: string): boolean;
}

export interface ReceiverRows extends ReceiverReads {
  put(receiver: Receiver): void;
  /** With the names of what it took. */
  remove(id: ReceiverId): void;
  /** Remembers the name of an event, and counts it where it is not about the stream, if there is such a receiver and it was not taken already. */
  take(event: Omit<TakeEvent, "effect">, at: number): void;
  /** Removes up to `limit` names from before a time; returns how many. */
  removeTaken(before: number, limit: number): number;
}

/** What receivers ask of storage. That an event was taken is an effect (revocation/effects.ts), in one step with what it did. */
import type { ReceiverId } from "../prelude/ids.ts";
import type { Effect } from "../revocation/effects.ts";
import type { Receiver, ReceiverDraft, ReceiverNote } from "./receiver.ts";

export interface ReceiverStore {
  create(receiver: ReceiverDraft, effects: readonly Effect[]): Promise<Receiver | "too_many">;
  /** Oldest first. */
  list(): Promise<readonly Receiver[]>;
  find(id: ReceiverId): Promise<Receiver | undefined>;
  /** Whether an event of this name was taken already. */
  hasTaken(id: ReceiverId, jti: string): Promise<boolean>;
  /** Applies the effects where there is such a receiver. */
  note(id: ReceiverId, note: ReceiverNote, effects: readonly Effect[]): Promise<Receiver | undefined>;
  delete(id: ReceiverId, effects: readonly Effect[]): Promise<boolean>;
  /** Forgets the names of events that were taken before a time (Unix milliseconds); returns how many. */
  forget(before: number): Promise<number>;
}

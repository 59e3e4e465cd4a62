/** What event streams ask of storage. The queue is filled by the transitions that cause its signals, in their transaction. */
import type { Cause } from "../audit/event.ts";
import type { StreamId, UserId } from "../prelude/ids.ts";
import type { Effect } from "../revocation/effects.ts";
import type { PushAttempt } from "./push-rule.ts";
import type { Signal } from "./signal.ts";
import type { ChangedStream, Stream, StreamChange, StreamDraft } from "./stream.ts";

/** What waits for a stream's receiver. */
export interface Due {
  readonly stream: Stream;
  /** Oldest first; what the stream says of itself is not among them. */
  readonly signals: readonly Signal[];
  /** Whether there is more behind them. */
  readonly more: boolean;
  /** Whether a receipt, be it empty, would move the cursor over a long stretch of what concerns others. */
  readonly behind: boolean;
}

/** What a receiver says of events that it was given. */
export interface Receipt {
  /** The names of those that it is done with. */
  readonly acknowledged: readonly string[];
  /** Of those that it could not take, with why: they are not sent again either. */
  readonly refused: readonly { readonly name: string; readonly error: string }[];
}

export interface StreamStore {
  /** It is told of everything that is committed from now on. */
  create(stream: StreamDraft, effects: readonly Effect[]): Promise<Stream | "too_many">;
  /** Oldest first. */
  list(): Promise<readonly Stream[]>;
  find(id: StreamId): Promise<Stream | undefined>;
  /** Applies the effects where the change is not refused. */
  change(id: StreamId, wish: StreamChange, effects: readonly Effect[]): Promise<ChangedStream>;
  delete(id: StreamId, effects: readonly Effect[]): Promise<boolean>;
  /** Tells a stream of a user, or no more; against its default that makes the user an exception. */
  tell(
    id: StreamId,
    user: UserId,
    told: boolean,
    effects: readonly Effect[],
  ): Promise<"done" | "not_found" | "too_many">;
  /** The oldest signals that wait, at most `limit`; none where the stream is not enabled. */
  due(id: StreamId, limit: number): Promise<Due | undefined>;
  /** Its receiver was heard of, and is done with some events. */
  receive(id: StreamId, receipt: Receipt, cause: Cause): Promise<void>;
  /** Moves its cursor over what concerns others. */
  passOver(id: StreamId): Promise<void>;
  /** What follows from an attempt to push. @param jitter 0 to 1, at random */
  settle(id: StreamId, attempt: PushAttempt, jitter: number): Promise<void>;
  /** Pauses streams that are polled and whose receivers were last heard of before a time (Unix milliseconds). */
  pauseIdle(before: number): Promise<number>;
  /** Forgets what was queued before a time (Unix milliseconds), and counts whom it had not reached; returns how many. */
  prune(before: number): Promise<number>;
}

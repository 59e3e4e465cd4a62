/** What the steps and ports of event streams ask of an engine: see rows.ts. */
import type { StreamId, UserId } from "../prelude/ids.ts";
import type { NewSignal, Signal } from "../ssf/signal.ts";
import type { Stream } from "../ssf/stream.ts";

export interface SsfReads {
  /** Oldest first. */
  streams(): readonly Stream[];
  stream(id: StreamId): Stream | undefined;
  /** What is queued behind a number, oldest first. */
  signals(after: number, limit: number): readonly Signal[];
  /** Those of the users that are exceptions from the stream's default. */
  exceptions(stream: StreamId, users: readonly UserId[]): readonly UserId[];
}

export interface SsfRows extends SsfReads {
  /** Whether there is a stream that is not disabled. */
  anyStream(): boolean;
  putStream(stream: Stream): void;
  /** With its exceptions. */
  removeStream(id: StreamId): void;
  addException(stream: StreamId, user: UserId): void;
  removeException(stream: StreamId, user: UserId): void;
  /** The number of the last signal that was ever queued. */
  signalHead(): number;
  /** Queues at the next number. On an engine with several writers, numbers are in the order of commits. */
  enqueueSignal(signal: NewSignal): void;
  /** The oldest of the queue from before a time or up to a number. */
  outdatedSignals(before: number, upTo: number, limit: number): readonly Signal[];
  /** Removes what is queued up to a number, itself included. */
  dequeueSignals(upTo: number): void;
}

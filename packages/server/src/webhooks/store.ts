/** What webhooks ask of storage. The queue is filled by the transitions that write the log, in their transaction. */
import type { WebhookId } from "../prelude/ids.ts";
import type { Effect } from "../revocation/effects.ts";
import type { Position } from "../revocation/entry.ts";
import type { Attempt, PastAttempt } from "./attempt.ts";
import type { ChangeOutcome, QueuedEntry, Webhook, WebhookChange } from "./webhook.ts";

/** A webhook before it has a place in the log. */
export type WebhookDraft = Pick<Webhook, "id" | "url" | "kinds" | "secret">;

export interface WebhookStore {
  /** It is told of everything that is committed from now on. `too_many`: there are `MOST_WEBHOOKS` already. */
  create(webhook: WebhookDraft, effects: readonly Effect[]): Promise<Webhook | "too_many">;
  /** Oldest first. */
  list(): Promise<readonly Webhook[]>;
  find(id: WebhookId): Promise<Webhook | undefined>;
  /** Applies the effects where the change is not refused. */
  change(id: WebhookId, wish: WebhookChange, effects: readonly Effect[]): Promise<ChangeOutcome>;
  delete(id: WebhookId, effects: readonly Effect[]): Promise<boolean>;
  /** What is queued behind a position, oldest first; of every kind. */
  queued(after: Position, limit: number): Promise<readonly QueuedEntry[]>;
  /** Nothing between the two positions concerns it: moves the cursor, unless it has been moved since. */
  skip(id: WebhookId, from: Position, upTo: Position): Promise<void>;
  /** Remembers an attempt and what follows from it. @param jitter 0 to 1, at random */
  settle(id: WebhookId, attempt: Attempt, jitter: number): Promise<void>;
  /** The last attempts, newest first. */
  attempts(id: WebhookId, limit: number): Promise<readonly PastAttempt[]>;
  /** Forgets what was queued before a time (Unix milliseconds), and counts whom it had not reached; returns how many. */
  prune(before: number): Promise<number>;
}

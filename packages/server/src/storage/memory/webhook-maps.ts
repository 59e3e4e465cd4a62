/** Webhooks, their queue and their attempts, as Maps and lists. */
import type { WebhookId } from "../../prelude/ids.ts";
import { isBefore, type Position } from "../../revocation/entry.ts";
import type { PastAttempt } from "../../webhooks/attempt.ts";
import { ATTEMPTS_KEPT, type QueuedEntry, type Webhook } from "../../webhooks/webhook.ts";
import type { WebhookRows } from "../rows.ts";

export class WebhookMaps implements WebhookRows {
  /** In the order in which they were made. */
  readonly #webhooks = new Map<WebhookId, Webhook>();
  readonly #attempts = new Map<WebhookId, readonly PastAttempt[]>();
  #queue: QueuedEntry[] = [];
  #attemptId = 0;

  /** Rows are replaced and never changed in place, so that sharing them is a copy. */
  copyFrom(other: WebhookMaps): void {
    for (const [id, webhook] of other.#webhooks) this.#webhooks.set(id, webhook);
    for (const [id, attempts] of other.#attempts) this.#attempts.set(id, attempts);
    this.#queue = [...other.#queue];
    this.#attemptId = other.#attemptId;
  }

  all(): readonly Webhook[] {
    return [...this.#webhooks.values()];
  }

  find(id: WebhookId): Webhook | undefined {
    return this.#webhooks.get(id);
  }

  any(): boolean {
    return this.#webhooks.size > 0;
  }

  put(webhook: Webhook): void {
    this.#webhooks.set(webhook.id, webhook);
  }

  remove(id: WebhookId): void {
    this.#webhooks.delete(id);
    this.#attempts.delete(id);
  }

  queued(after: Position, limit: number): readonly QueuedEntry[] {
    return this.#queue.filter((entry) => isBefore(after, entry)).slice(0, limit);
  }

  enqueue(entry: QueuedEntry): void {
    this.#queue.push(entry);
  }

  clear(): void {
    this.#queue = [];
  }

  outdated(before: number, upTo: Position, limit: number): readonly QueuedEntry[] {
    const fresh = this.#queue.findIndex((entry) => entry.at >= before && isBefore(upTo, entry));
    return this.#queue.slice(0, Math.min(limit, fresh < 0 ? this.#queue.length : fresh));
  }

  dequeue(upTo: Position): void {
    this.#queue = this.#queue.filter((entry) => isBefore(upTo, entry));
  }

  attempts(id: WebhookId, limit: number): readonly PastAttempt[] {
    return (this.#attempts.get(id) ?? []).slice(0, limit);
  }

  addAttempt(id: WebhookId, attempt: Omit<PastAttempt, "id">): void {
    this.#attemptId += 1;
    const attempts = [{ ...attempt, id: this.#attemptId }, ...(this.#attempts.get(id) ?? [])];
    this.#attempts.set(id, attempts.slice(0, ATTEMPTS_KEPT));
  }
}

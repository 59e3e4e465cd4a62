/** The steps (steps.ts) of webhooks. */
import { draft, SYSTEM } from "../audit/event.ts";
import type { WebhookId } from "../prelude/ids.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import { type Attempt, afterAttempt } from "../webhooks/attempt.ts";
import type { WebhookDraft } from "../webhooks/store.ts";
import {
  type ChangeOutcome,
  changeWebhook,
  concerns,
  MOST_WEBHOOKS,
  QUEUE_LONGEST,
  type Webhook,
  type WebhookChange,
} from "../webhooks/webhook.ts";
import { apply } from "./apply.ts";
import type { Rows } from "./rows.ts";
import { SLICE } from "./slice.ts";

export const WEBHOOK_STEPS = {
  createWebhook(rows: Rows, now: number, wish: WebhookDraft, effects: readonly Effect[]): Webhook | "too_many" {
    if (rows.webhooks.all().length >= MOST_WEBHOOKS) return "too_many";
    const webhook: Webhook = {
      ...wish,
      createdAt: now,
      previous: null,
      cursor: rows.position(),
      state: "active",
      failures: 0,
      failingSince: null,
      nextAttemptAt: now,
      missed: 0,
    };
    rows.webhooks.put(webhook);
    apply(rows, effects, now);
    return webhook;
  },

  changeWebhook(
    rows: Rows,
    now: number,
    id: WebhookId,
    wish: WebhookChange,
    effects: readonly Effect[],
  ): ChangeOutcome {
    const webhook = rows.webhooks.find(id);
    if (webhook === undefined) return { ok: false, refusal: "not_found" };
    const outcome = changeWebhook(webhook, wish, rows.position(), now);
    if (!outcome.ok) return outcome;
    rows.webhooks.put(outcome.webhook);
    apply(rows, effects, now);
    return outcome;
  },

  deleteWebhook(rows: Rows, now: number, id: WebhookId, effects: readonly Effect[]): boolean {
    if (rows.webhooks.find(id) === undefined) return false;
    rows.webhooks.remove(id);
    // With nobody left to be told, the queue would only grow old; and a webhook made later must not find a gap in it.
    if (!rows.webhooks.any()) rows.webhooks.clear();
    apply(rows, effects, now);
    return true;
  },

  skipWebhook(rows: Rows, _now: number, id: WebhookId, from: Position, upTo: Position): void {
    const webhook = rows.webhooks.find(id);
    if (webhook === undefined || isBefore(webhook.cursor, from) || isBefore(from, webhook.cursor)) return;
    rows.webhooks.put({ ...webhook, cursor: upTo });
  },

  settleWebhook(rows: Rows, now: number, id: WebhookId, attempt: Attempt, jitter: number): void {
    const webhook = rows.webhooks.find(id);
    if (webhook === undefined) return;
    const { webhook: settled, effects } = afterAttempt(webhook, attempt, now, jitter);
    if (settled !== webhook) rows.webhooks.put(settled);
    const { message, upTo, events, outcome, status, tookMs } = attempt;
    rows.webhooks.addAttempt(id, { message, upTo, events, outcome, status, tookMs, at: now });
    apply(rows, effects, now);
  },

  /** One slice; returns how many it removed. */
  pruneWebhookQueue(rows: Rows, now: number, before: number): number {
    const { epoch, seq } = rows.position();
    const longest = { epoch: seq > QUEUE_LONGEST ? epoch : 0, seq: Math.max(0, seq - QUEUE_LONGEST) };
    const outdated = rows.webhooks.outdated(before, longest, SLICE);
    const last = outdated.at(-1);
    if (last === undefined) return 0;
    for (const webhook of rows.webhooks.all()) {
      const missed = outdated.filter((entry) => concerns(webhook, entry)).length;
      if (missed === 0) continue;
      rows.webhooks.put({ ...webhook, missed: webhook.missed + missed });
      apply(rows, [audit(draft("webhook.missed", SYSTEM, {}, { webhook: webhook.id, missed }))], now);
    }
    rows.webhooks.dequeue(last);
    return outdated.length;
  },
} as const;

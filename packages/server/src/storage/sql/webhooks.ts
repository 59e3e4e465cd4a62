/** Webhooks, their queue and their attempts in the database. */
import { asId, type WebhookId } from "../../prelude/ids.ts";
import type { EndReason, Position, RevocationKind } from "../../revocation/entry.ts";
import type { Outcome, PastAttempt } from "../../webhooks/attempt.ts";
import { ATTEMPTS_KEPT, type QueuedEntry, type Webhook } from "../../webhooks/webhook.ts";
import type { WebhookReads, WebhookRows } from "../rows.ts";
import { bytes, integer, integerOrNull, list, type Row, text, type Value } from "./columns.ts";
import type { Questions, Statements } from "./statements.ts";

const WEBHOOK = `id, url, kinds, created_at, data_key, secret, previous_key, previous_secret, previous_until, epoch, seq,
  state, failures, failing_since, next_attempt_at, missed`;
const QUEUED = "epoch, seq, kind, value, reason, at";
const ATTEMPT = "id, message, epoch, seq, events, outcome, status, took_ms, at";

function webhookOf(row: Row): Webhook {
  const until = integerOrNull(row, 8);
  return {
    id: asId("webhook", text(row, 0)),
    url: text(row, 1),
    kinds: list(row, 2) as readonly RevocationKind[],
    createdAt: integer(row, 3),
    secret: { dataKey: integer(row, 4), sealed: bytes(row, 5) },
    previous: until === null ? null : { dataKey: integer(row, 6), sealed: bytes(row, 7), until },
    cursor: { epoch: integer(row, 9), seq: integer(row, 10) },
    state: text(row, 11) as Webhook["state"],
    failures: integer(row, 12),
    failingSince: integerOrNull(row, 13),
    nextAttemptAt: integer(row, 14),
    missed: integer(row, 15),
  };
}

function webhookRow(webhook: Webhook): Value[] {
  const { secret, previous, cursor } = webhook;
  return [
    webhook.id,
    webhook.url,
    JSON.stringify(webhook.kinds),
    webhook.createdAt,
    secret.dataKey,
    secret.sealed,
    previous?.dataKey ?? null,
    previous?.sealed ?? null,
    previous?.until ?? null,
    cursor.epoch,
    cursor.seq,
    webhook.state,
    webhook.failures,
    webhook.failingSince,
    webhook.nextAttemptAt,
    webhook.missed,
  ];
}

function queuedOf(row: Row): QueuedEntry {
  return {
    epoch: integer(row, 0),
    seq: integer(row, 1),
    kind: text(row, 2) as RevocationKind,
    value: text(row, 3),
    reason: text(row, 4) as EndReason,
    at: integer(row, 5),
  };
}

function attemptOf(row: Row): PastAttempt {
  return {
    id: integer(row, 0),
    message: text(row, 1),
    upTo: { epoch: integer(row, 2), seq: integer(row, 3) },
    events: integer(row, 4),
    outcome: text(row, 5) as Outcome,
    status: integerOrNull(row, 6),
    tookMs: integer(row, 7),
    at: integer(row, 8),
  };
}

export class SqlWebhookReads<Engine extends Questions> implements WebhookReads {
  protected readonly engine: Engine;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  all(): readonly Webhook[] {
    return this.engine.all(`SELECT ${WEBHOOK} FROM webhooks ORDER BY created_at, id`, webhookOf);
  }

  find(id: WebhookId): Webhook | undefined {
    return this.engine.all(`SELECT ${WEBHOOK} FROM webhooks WHERE id = ?`, webhookOf, id)[0];
  }

  queued(after: Position, limit: number): readonly QueuedEntry[] {
    return this.engine.all(
      `SELECT ${QUEUED} FROM webhook_queue WHERE (epoch, seq) > (?, ?) ORDER BY epoch, seq LIMIT ?`,
      queuedOf,
      after.epoch,
      after.seq,
      limit,
    );
  }

  attempts(id: WebhookId, limit: number): readonly PastAttempt[] {
    return this.engine.all(
      `SELECT ${ATTEMPT} FROM webhook_attempts WHERE webhook = ? ORDER BY id DESC LIMIT ?`,
      attemptOf,
      id,
      limit,
    );
  }
}

export class SqlWebhooks extends SqlWebhookReads<Statements> implements WebhookRows {
  any(): boolean {
    return this.engine.all("SELECT 1 FROM webhooks LIMIT 1", () => true).length > 0;
  }

  put(webhook: Webhook): void {
    const row = webhookRow(webhook);
    const given = WEBHOOK.replaceAll(/\w+/g, (name) => `excluded.${name}`);
    // Not REPLACE: that deletes the row first, and its attempts with it.
    this.engine.run(
      `INSERT INTO webhooks (${WEBHOOK}) VALUES (${row.map(() => "?").join(", ")})
       ON CONFLICT (id) DO UPDATE SET (${WEBHOOK}) = (${given})`,
      ...row,
    );
  }

  remove(id: WebhookId): void {
    this.engine.run("DELETE FROM webhooks WHERE id = ?", id);
  }

  enqueue({ epoch, seq, kind, value, reason, at }: QueuedEntry): void {
    this.engine.run(
      `INSERT INTO webhook_queue (${QUEUED}) VALUES (?, ?, ?, ?, ?, ?)`,
      ...[epoch, seq, kind, value, reason, at],
    );
  }

  clear(): void {
    this.engine.run("DELETE FROM webhook_queue");
  }

  outdated(before: number, upTo: Position, limit: number): readonly QueuedEntry[] {
    const oldest = this.engine.all(
      `SELECT ${QUEUED} FROM webhook_queue ORDER BY epoch, seq LIMIT ?`,
      (row) => ({ entry: queuedOf(row), old: integer(row, 5) < before || !isAfter(row, upTo) }),
      limit,
    );
    const fresh = oldest.findIndex(({ old }) => !old);
    return oldest.slice(0, fresh < 0 ? oldest.length : fresh).map(({ entry }) => entry);
  }

  dequeue(upTo: Position): void {
    this.engine.run("DELETE FROM webhook_queue WHERE (epoch, seq) <= (?, ?)", upTo.epoch, upTo.seq);
  }

  addAttempt(id: WebhookId, { message, upTo, events, outcome, status, tookMs, at }: Omit<PastAttempt, "id">): void {
    this.engine.run(
      `INSERT INTO webhook_attempts (webhook, message, epoch, seq, events, outcome, status, took_ms, at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[id, message, upTo.epoch, upTo.seq, events, outcome, status, tookMs, at],
    );
    this.engine.run(
      `DELETE FROM webhook_attempts WHERE webhook = ? AND id <= (
         SELECT id FROM webhook_attempts WHERE webhook = ? ORDER BY id DESC LIMIT 1 OFFSET ?)`,
      id,
      id,
      ATTEMPTS_KEPT,
    );
  }
}

function isAfter(row: Row, { epoch, seq }: Position): boolean {
  return integer(row, 0) > epoch || (integer(row, 0) === epoch && integer(row, 1) > seq);
}

/** Receivers and the names of what they took in the database. */
import { asId, type ReceiverId } from "../../prelude/ids.ts";
import type { TakeEvent } from "../../revocation/effects.ts";
import type { ReceivedStream, Receiver, TransmitterFacts } from "../../ssf/receiver.ts";
import type { ReceiverReads, ReceiverRows } from "../receiver-rows.ts";
import { bytes, bytesOrNull, integer, integerOrNull, list, type Row, text, textOrNull, type Value } from "./columns.ts";
import type { Questions, Statements } from "./statements.ts";

const RECEIVER = `id, issuer, facts, stream, data_key, credential, push_hash, domains, disables, state, created_at, heard_at,
  event_at, events, asked_at, asked_hash, verified_at, stream_status, failures, failing_since, next_attempt_at,
  last_failure, rejected, unmatched`;

function receiverOf(row: Row): Receiver {
  const dataKey = integerOrNull(row, 4);
  const askedAt = integerOrNull(row, 14);
  return {
    id: asId("receiver", text(row, 0)),
    issuer: text(row, 1),
    facts: JSON.parse(text(row, 2)) as TransmitterFacts,
    stream: JSON.parse(text(row, 3)) as ReceivedStream,
    credential: dataKey === null ? null : { dataKey, sealed: bytes(row, 5) },
    pushHash: bytesOrNull(row, 6),
    domains: list(row, 7),
    disables: integer(row, 8) === 1,
    state: text(row, 9) as Receiver["state"],
    createdAt: integer(row, 10),
    heardAt: integerOrNull(row, 11),
    eventAt: integerOrNull(row, 12),
    events: integer(row, 13),
    asked: askedAt === null ? null : { at: askedAt, stateHash: bytes(row, 15) },
    verifiedAt: integerOrNull(row, 16),
    streamStatus: textOrNull(row, 17),
    failures: integer(row, 18),
    failingSince: integerOrNull(row, 19),
    nextAttemptAt: integer(row, 20),
    lastFailure: textOrNull(row, 21),
    rejected: integer(row, 22),
    unmatched: integer(row, 23),
  };
}

function receiverRow(receiver: Receiver): Value[] {
  return [
    receiver.id,
    receiver.issuer,
    JSON.stringify(receiver.facts),
    JSON.stringify(receiver.stream),
    receiver.credential?.dataKey ?? null,
    receiver.credential?.sealed ?? null,
    receiver.pushHash,
    JSON.stringify(receiver.domains),
    Number(receiver.disables),
    receiver.state,
    receiver.createdAt,
    receiver.heardAt,
    receiver.eventAt,
    receiver.events,
    receiver.asked?.at ?? null,
    receiver.asked?.stateHash ?? null,
    receiver.verifiedAt,
    receiver.streamStatus,
    receiver.failures,
    receiver.failingSince,
    receiver.nextAttemptAt,
    receiver.lastFailure,
    receiver.rejected,
    receiver.unmatched,
  ];
}

export class SqlReceiverReads<Engine extends Questions> implements ReceiverReads {
  protected readonly engine: Engine;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  all(): readonly Receiver[] {
    return this.engine.all(`SELECT ${RECEIVER} FROM receivers ORDER BY created_at, id`, receiverOf);
  }

  find(id: ReceiverId): Receiver | undefined {
    return this.engine.one(`SELECT ${RECEIVER} FROM receivers WHERE id = ?`, receiverOf, id);
  }

  hasTaken(id: ReceiverId, jti: string): boolean {
    const sql = "SELECT 1 FROM received_events WHERE receiver = ? AND jti = ?";
    return this.engine.one(sql, () => true, id, jti) ?? false;
  }
}

export class SqlReceivers extends SqlReceiverReads<Statements> implements ReceiverRows {
  put(receiver: Receiver): void {
    const row = receiverRow(receiver);
    const given = RECEIVER.replaceAll(/\w+/g, (name) => `excluded.${name}`);
    // Not REPLACE: that deletes the row first, and what it took with it.
    this.engine.run(
      `INSERT INTO receivers (${RECEIVER}) VALUES (${row.map(() => "?").join(", ")})
       ON CONFLICT (id) DO UPDATE SET (${RECEIVER}) = (${given})`,
      ...row,
    );
  }

  remove(id: ReceiverId): void {
    this.engine.run("DELETE FROM receivers WHERE id = ?", id);
  }

  take({ receiver: id, jti, as }: Omit<TakeEvent, "effect">, at: number): void {
    const taken = this.engine.changes(
      `INSERT INTO received_events (receiver, jti, at) SELECT id, ?, ? FROM receivers WHERE id = ?
       ON CONFLICT (receiver, jti) DO NOTHING`,
      ...[jti, at, id],
    );
    if (taken === 0 || as === "control") return;
    this.engine.run(
      "UPDATE receivers SET heard_at = ?, event_at = ?, events = events + 1, unmatched = unmatched + ? WHERE id = ?",
      ...[at, at, Number(as === "unmatched"), id],
    );
  }

  removeTaken(before: number, limit: number): number {
    return this.engine.changes(
      `DELETE FROM received_events WHERE (receiver, jti) IN (
         SELECT receiver, jti FROM received_events WHERE at < ? ORDER BY at LIMIT ?)`,
      before,
      limit,
    );
  }
}

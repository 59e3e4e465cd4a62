/** Event streams and their queue in the database. What writes works on the writer's connection only. */
import type { SQLInputValue, StatementSync } from "node:sqlite";
import { asId, type SessionId, type StreamId, type UserId } from "../../prelude/ids.ts";
import type { Initiator, NewSignal, Signal, SignalFacts } from "../../ssf/signal.ts";
import type { Control, Delivery, Stream } from "../../ssf/stream.ts";
import type { SsfRows } from "../ssf-rows.ts";
import { bytes, integer, integerOrNull, list, type Row, text, textOrNull } from "./columns.ts";

const STREAM = `id, client, created_at, method, url, data_key, authorization, requested, description, naming,
  default_subjects, exceptions, status, status_reason, cursor, acked, controls, control_count, active_at, verified_at,
  failures, failing_since, next_attempt_at, missed, refused`;
const SIGNAL = "seq, epoch, cause, user, session, identifier, initiator, facts, at";

function deliveryOf(row: Row): Delivery {
  if (text(row, 3) === "poll") return { method: "poll" };
  const dataKey = integerOrNull(row, 5);
  const authorization = dataKey === null ? null : { dataKey, sealed: bytes(row, 6) };
  return { method: "push", url: text(row, 4), authorization };
}

function streamOf(row: Row): Stream {
  return {
    id: asId("stream", text(row, 0)),
    client: asId("client", text(row, 1)),
    createdAt: integer(row, 2),
    delivery: deliveryOf(row),
    requested: row[7] === null ? null : list(row, 7),
    description: textOrNull(row, 8),
    naming: text(row, 9) as Stream["naming"],
    defaultSubjects: text(row, 10) as Stream["defaultSubjects"],
    exceptions: integer(row, 11),
    status: text(row, 12) as Stream["status"],
    statusReason: textOrNull(row, 13),
    cursor: integer(row, 14),
    acked: JSON.parse(text(row, 15)) as readonly number[],
    controls: JSON.parse(text(row, 16)) as readonly Control[],
    controlCount: integer(row, 17),
    activeAt: integer(row, 18),
    verifiedAt: integerOrNull(row, 19),
    failures: integer(row, 20),
    failingSince: integerOrNull(row, 21),
    nextAttemptAt: integer(row, 22),
    missed: integer(row, 23),
    refused: integer(row, 24),
  };
}

function streamRow(stream: Stream): SQLInputValue[] {
  const { delivery, requested } = stream;
  const push = delivery.method === "push" ? delivery : null;
  return [
    stream.id,
    stream.client,
    stream.createdAt,
    delivery.method,
    push?.url ?? null,
    push?.authorization?.dataKey ?? null,
    push?.authorization?.sealed ?? null,
    requested === null ? null : JSON.stringify(requested),
    stream.description,
    stream.naming,
    stream.defaultSubjects,
    stream.exceptions,
    stream.status,
    stream.statusReason,
    stream.cursor,
    JSON.stringify(stream.acked),
    JSON.stringify(stream.controls),
    stream.controlCount,
    stream.activeAt,
    stream.verifiedAt,
    stream.failures,
    stream.failingSince,
    stream.nextAttemptAt,
    stream.missed,
    stream.refused,
  ];
}

function signalOf(row: Row): Signal {
  return {
    seq: integer(row, 0),
    epoch: integer(row, 1),
    cause: integer(row, 2),
    user: textOrNull(row, 3) as UserId | null,
    session: textOrNull(row, 4) as SessionId | null,
    identifier: textOrNull(row, 5),
    initiator: text(row, 6) as Initiator,
    facts: JSON.parse(text(row, 7)) as SignalFacts,
    at: integer(row, 8),
  };
}

export class SqliteSsf implements SsfRows {
  readonly #statement: (sql: string) => StatementSync;

  /** @param statement prepares, or finds what it prepared */
  constructor(statement: (sql: string) => StatementSync) {
    this.#statement = statement;
  }

  #rows<T>(sql: string, of: (row: Row) => T, ...values: SQLInputValue[]): T[] {
    return (this.#statement(sql).all(...values) as unknown as Row[]).map((row) => of(row));
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#statement(sql).run(...values);
  }

  streams(): readonly Stream[] {
    return this.#rows(`SELECT ${STREAM} FROM streams ORDER BY created_at, id`, streamOf);
  }

  stream(id: StreamId): Stream | undefined {
    return this.#rows(`SELECT ${STREAM} FROM streams WHERE id = ?`, streamOf, id)[0];
  }

  anyStream(): boolean {
    return this.#rows("SELECT 1 FROM streams WHERE status <> 'disabled' LIMIT 1", () => true).length > 0;
  }

  putStream(stream: Stream): void {
    const row = streamRow(stream);
    const places = row.map(() => "?").join(", ");
    // Not REPLACE: that deletes the row first, and its exceptions with it.
    this.#run(
      `INSERT INTO streams (${STREAM}) VALUES (${places}) ON CONFLICT (id) DO UPDATE SET (${STREAM}) = (${places})`,
      ...row,
      ...row,
    );
  }

  removeStream(id: StreamId): void {
    this.#run("DELETE FROM streams WHERE id = ?", id);
  }

  exceptions(stream: StreamId, users: readonly UserId[]): readonly UserId[] {
    return this.#rows(
      "SELECT user FROM stream_exceptions WHERE stream = ? AND user IN (SELECT value FROM json_each(?))",
      (row) => asId("user", text(row, 0)),
      stream,
      JSON.stringify(users),
    );
  }

  addException(stream: StreamId, user: UserId): void {
    this.#run("INSERT OR IGNORE INTO stream_exceptions (stream, user) VALUES (?, ?)", stream, user);
  }

  removeException(stream: StreamId, user: UserId): void {
    this.#run("DELETE FROM stream_exceptions WHERE stream = ? AND user = ?", stream, user);
  }

  signalHead(): number {
    return this.#rows("SELECT signal_seq FROM state", (row) => integer(row, 0))[0] ?? 0;
  }

  signals(after: number, limit: number): readonly Signal[] {
    return this.#rows(`SELECT ${SIGNAL} FROM signals WHERE seq > ? ORDER BY seq LIMIT ?`, signalOf, after, limit);
  }

  enqueueSignal({ cause, user, session, identifier, initiator, facts, at }: NewSignal): void {
    this.#run("UPDATE state SET signal_seq = signal_seq + 1");
    this.#run(
      `INSERT INTO signals (${SIGNAL}) SELECT signal_seq, epoch, ?, ?, ?, ?, ?, ?, ? FROM state`,
      ...[cause, user, session, identifier, initiator, JSON.stringify(facts), at],
    );
  }

  outdatedSignals(before: number, upTo: number, limit: number): readonly Signal[] {
    const oldest = this.#rows(`SELECT ${SIGNAL} FROM signals ORDER BY seq LIMIT ?`, signalOf, limit);
    const fresh = oldest.findIndex(({ at, seq }) => at >= before && seq > upTo);
    return fresh < 0 ? oldest : oldest.slice(0, fresh);
  }

  dequeueSignals(upTo: number): void {
    this.#run("DELETE FROM signals WHERE seq <= ?", upTo);
  }
}

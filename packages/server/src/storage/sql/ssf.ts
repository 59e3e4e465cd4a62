/** Event streams and their queue in the database. */
import { asId, type SessionId, type StreamId, type UserId } from "../../prelude/ids.ts";
import type { Initiator, NewSignal, Signal, SignalFacts } from "../../ssf/signal.ts";
import type { Control, Delivery, Stream } from "../../ssf/stream.ts";
import type { SsfReads, SsfRows } from "../ssf-rows.ts";
import { bytes, integer, integerOrNull, list, type Row, text, textOrNull, type Value } from "./columns.ts";
import type { Questions, Statements } from "./statements.ts";

const STREAM = `id, client, created_at, method, url, data_key, credential, requested, description, naming,
  default_subjects, exceptions, status, status_reason, cursor, acked, controls, control_count, active_at, verified_at,
  failures, failing_since, next_attempt_at, missed, refused, last_failure`;
const SIGNAL = 'seq, epoch, cause, "user", session, identifier, initiator, facts, at';
/** Questions about several users come in so many sizes: each is a statement of its own, prepared once. */
const SIZES = [1, 10, 100, 1000];

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
    lastFailure: textOrNull(row, 25),
  };
}

function streamRow(stream: Stream): Value[] {
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
    stream.lastFailure,
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

export class SqlSsfReads<Engine extends Questions> implements SsfReads {
  protected readonly engine: Engine;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  streams(): readonly Stream[] {
    return this.engine.all(`SELECT ${STREAM} FROM streams ORDER BY created_at, id`, streamOf);
  }

  stream(id: StreamId): Stream | undefined {
    return this.engine.one(`SELECT ${STREAM} FROM streams WHERE id = ?`, streamOf, id);
  }

  exceptions(stream: StreamId, users: readonly UserId[]): readonly UserId[] {
    const size = SIZES.find((each) => each >= users.length) ?? users.length;
    // The places that are left ask for the last one again.
    const asked = Array.from({ length: size }, (_, index) => users[Math.min(index, users.length - 1)] ?? "");
    return this.engine.all(
      `SELECT "user" FROM stream_exceptions WHERE stream = ? AND "user" IN (${asked.map(() => "?").join(", ")})`,
      (row) => asId("user", text(row, 0)),
      stream,
      ...asked,
    );
  }

  signals(after: number, limit: number): readonly Signal[] {
    return this.engine.all(`SELECT ${SIGNAL} FROM signals WHERE seq > ? ORDER BY seq LIMIT ?`, signalOf, after, limit);
  }
}

export class SqlSsf extends SqlSsfReads<Statements> implements SsfRows {
  anyStream(): boolean {
    return this.engine.one("SELECT 1 FROM streams WHERE status <> 'disabled' LIMIT 1", () => true) ?? false;
  }

  putStream(stream: Stream): void {
    const row = streamRow(stream);
    const given = STREAM.replaceAll(/\w+/g, (name) => `excluded.${name}`);
    // Not REPLACE: that deletes the row first, and its exceptions with it.
    this.engine.run(
      `INSERT INTO streams (${STREAM}) VALUES (${row.map(() => "?").join(", ")})
       ON CONFLICT (id) DO UPDATE SET (${STREAM}) = (${given})`,
      ...row,
    );
  }

  removeStream(id: StreamId): void {
    this.engine.run("DELETE FROM streams WHERE id = ?", id);
  }

  addException(stream: StreamId, user: UserId): void {
    this.engine.run(
      'INSERT INTO stream_exceptions (stream, "user") VALUES (?, ?) ON CONFLICT (stream, "user") DO NOTHING',
      stream,
      user,
    );
  }

  removeException(stream: StreamId, user: UserId): void {
    this.engine.run('DELETE FROM stream_exceptions WHERE stream = ? AND "user" = ?', stream, user);
  }

  signalHead(): number {
    return this.engine.one("SELECT seq FROM signal_head", (row) => integer(row, 0)) ?? 0;
  }

  enqueueSignal({ nth, user, session, identifier, initiator, facts, at }: NewSignal): void {
    const { epoch } = this.engine.position();
    this.engine.run("UPDATE signal_head SET seq = seq + 1");
    this.engine.run(
      `INSERT INTO signals (${SIGNAL}) SELECT seq, ?, seq - ?, ?, ?, ?, ?, ?, ? FROM signal_head`,
      ...[epoch, nth, user, session, identifier, initiator, JSON.stringify(facts), at],
    );
  }

  outdatedSignals(before: number, upTo: number, limit: number): readonly Signal[] {
    const oldest = this.engine.all(`SELECT ${SIGNAL} FROM signals ORDER BY seq LIMIT ?`, signalOf, limit);
    const fresh = oldest.findIndex(({ at, seq }) => at >= before && seq > upTo);
    return fresh < 0 ? oldest : oldest.slice(0, fresh);
  }

  dequeueSignals(upTo: number): void {
    this.engine.run("DELETE FROM signals WHERE seq <= ?", upTo);
  }
}

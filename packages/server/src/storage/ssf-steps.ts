/** The steps (steps.ts) of event streams. */
import { type Cause, draft, SYSTEM } from "../audit/event.ts";
import type { ClientId, StreamId, UserId } from "../prelude/ids.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import { acknowledge, advance, dueIn, type Stretch } from "../ssf/progress.ts";
import { afterPush, type PushAttempt } from "../ssf/push-rule.ts";
import type { Signal } from "../ssf/signal.ts";
import type { Due, Receipt } from "../ssf/store.ts";
import {
  beginStream,
  type ChangedStream,
  changeStream,
  concerns,
  MOST_EXCEPTIONS,
  MOST_STREAMS,
  MOST_STREAMS_OF_CLIENT,
  QUEUE_LONGEST,
  type Stream,
  type StreamChange,
  type StreamDraft,
  WINDOW,
} from "../ssf/stream.ts";
import { apply } from "./apply.ts";
import type { Reads, Rows } from "./rows.ts";
import { SLICE } from "./slice.ts";

function stretchOf({ ssf }: Pick<Reads, "ssf">, stream: Stream, signals: readonly Signal[]): Stretch {
  const users = [...new Set(signals.flatMap(({ user }) => user ?? []))];
  const asked = stream.exceptions === 0 || users.length === 0;
  return { signals, excepted: new Set(asked ? [] : ssf.exceptions(stream.id, users)) };
}

/** What it may acknowledge: the first signals behind its cursor. */
function windowOf(reads: Pick<Reads, "ssf">, stream: Stream): Stretch {
  return stretchOf(reads, stream, reads.ssf.signals(stream.cursor, WINDOW));
}

/** What waits for a stream: a question, for the port. */
export function dueSignals(reads: Pick<Reads, "ssf">, id: StreamId, limit: number): Due | undefined {
  const stream = reads.ssf.stream(id);
  if (stream === undefined) return undefined;
  if (stream.status !== "enabled") return { stream, signals: [], more: false, behind: false };
  let { cursor } = stream;
  for (;;) {
    const stretch = stretchOf(reads, stream, reads.ssf.signals(cursor, WINDOW));
    const due = dueIn(stream, stretch);
    const last = stretch.signals.at(-1);
    if (due.length > 0 || last === undefined || stretch.signals.length < WINDOW) {
      const behind = cursor > stream.cursor;
      return { stream, signals: due.slice(0, limit), more: due.length > limit, behind };
    }
    // A long stretch of what concerns others.
    cursor = last.seq;
  }
}

function removeStream(rows: Rows, id: StreamId): void {
  rows.ssf.removeStream(id);
  // With nobody left to be told, the queue would only grow old.
  if (!rows.ssf.anyStream()) rows.ssf.dequeueSignals(rows.ssf.signalHead());
}

/** What a client was told goes with it: another that gets its id later must not inherit it. */
export function removeStreamsOf(rows: Rows, client: ClientId): void {
  for (const stream of rows.ssf.streams()) if (stream.client === client) removeStream(rows, stream.id);
}

export const SSF_STEPS = {
  createStream(rows: Rows, now: number, wish: StreamDraft, effects: readonly Effect[]): Stream | "too_many" {
    const streams = rows.ssf.streams();
    const own = streams.filter(({ client }) => client === wish.client);
    if (streams.length >= MOST_STREAMS || own.length >= MOST_STREAMS_OF_CLIENT) return "too_many";
    const stream = beginStream(wish, rows.ssf.signalHead(), now);
    rows.ssf.putStream(stream);
    apply(rows, effects, now);
    return stream;
  },

  changeStream(rows: Rows, now: number, id: StreamId, wish: StreamChange, effects: readonly Effect[]): ChangedStream {
    const stream = rows.ssf.stream(id);
    if (stream === undefined) return { ok: false, refusal: "not_found" };
    const changed = changeStream(stream, wish, rows.ssf.signalHead(), now);
    if (!changed.ok) return changed;
    rows.ssf.putStream(changed.stream);
    apply(rows, effects, now);
    return changed;
  },

  deleteStream(rows: Rows, now: number, id: StreamId, effects: readonly Effect[]): boolean {
    if (rows.ssf.stream(id) === undefined) return false;
    removeStream(rows, id);
    apply(rows, effects, now);
    return true;
  },

  tellStream(
    rows: Rows,
    now: number,
    id: StreamId,
    user: UserId,
    told: boolean,
    effects: readonly Effect[],
  ): "done" | "not_found" | "too_many" {
    const stream = rows.ssf.stream(id);
    if (stream === undefined) return "not_found";
    const heard = { ...stream, activeAt: now };
    const exception = (stream.defaultSubjects === "ALL") !== told;
    const was = rows.ssf.exceptions(id, [user]).length > 0;
    if (exception === was) {
      rows.ssf.putStream(heard);
      return "done";
    }
    if (exception && stream.exceptions >= MOST_EXCEPTIONS) return "too_many";
    if (exception) rows.ssf.addException(id, user);
    else rows.ssf.removeException(id, user);
    rows.ssf.putStream({ ...heard, exceptions: stream.exceptions + (exception ? 1 : -1) });
    apply(rows, effects, now);
    return "done";
  },

  receiveReceipt(rows: Rows, now: number, id: StreamId, receipt: Receipt, cause: Cause): void {
    const stream = rows.ssf.stream(id);
    if (stream === undefined) return;
    const names = [...receipt.acknowledged, ...receipt.refused.map(({ name }) => name)];
    const stretch = windowOf(rows, stream);
    const moved = names.length === 0 ? advance(stream, stretch) : acknowledge(stream, names, stretch);
    const refused = stream.refused + receipt.refused.length;
    rows.ssf.putStream({ ...moved, activeAt: now, refused });
    const [first] = receipt.refused;
    if (first === undefined) return;
    const detail = { stream: id, events: receipt.refused.length, error: first.error };
    apply(rows, [audit(draft("ssf.events_refused", cause, { client: stream.client }, detail))], now);
  },

  passOverSignals(rows: Rows, _now: number, id: StreamId): void {
    const stream = rows.ssf.stream(id);
    if (stream !== undefined) rows.ssf.putStream(advance(stream, windowOf(rows, stream)));
  },

  settlePush(rows: Rows, now: number, id: StreamId, attempt: PushAttempt, jitter: number): void {
    const stream = rows.ssf.stream(id);
    if (stream === undefined) return;
    const settled = afterPush(stream, attempt, windowOf(rows, stream), rows.ssf.signalHead(), now, jitter);
    rows.ssf.putStream(settled.stream);
    apply(rows, settled.effects, now);
  },

  pauseIdleStreams(rows: Rows, now: number, before: number): number {
    const idle = rows.ssf
      .streams()
      .filter(
        ({ delivery, status, activeAt }) => delivery.method === "poll" && status === "enabled" && activeAt < before,
      );
    for (const stream of idle) {
      const wish: StreamChange = { change: "status", status: "paused", reason: "inactive", asked: false };
      const changed = changeStream(stream, wish, rows.ssf.signalHead(), now);
      if (changed.ok) rows.ssf.putStream(changed.stream);
      const detail = { stream: stream.id, status: "paused", reason: "inactive" };
      apply(rows, [audit(draft("ssf.stream_changed", SYSTEM, { client: stream.client }, detail))], now);
    }
    return idle.length;
  },

  /** One slice; returns how many it removed. */
  pruneSignals(rows: Rows, now: number, before: number): number {
    const outdated = rows.ssf.outdatedSignals(before, rows.ssf.signalHead() - QUEUE_LONGEST, SLICE);
    const last = outdated.at(-1);
    if (last === undefined) return 0;
    for (const stream of rows.ssf.streams()) {
      if (stream.status === "disabled") continue;
      const { excepted } = stretchOf(rows, stream, outdated);
      const lost = outdated.filter((signal) =>
        concerns(stream, signal, signal.user !== null && excepted.has(signal.user)),
      );
      if (lost.length === 0) continue;
      rows.ssf.putStream({ ...stream, missed: stream.missed + lost.length });
      const detail = { stream: stream.id, missed: lost.length };
      apply(rows, [audit(draft("ssf.events_missed", SYSTEM, { client: stream.client }, detail))], now);
    }
    rows.ssf.dequeueSignals(last.seq);
    return outdated.length;
  },
} as const;

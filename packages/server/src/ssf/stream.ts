/**
 * An event stream (SSF 1.0 §8): what one resource server is told of what happens here, and how far it has come.
 *
 *   queue:    41  42  43  44  45  46  47
 *                 ▲       ×   ×   ▲
 *              cursor    acked    not acknowledged yet: sent again until it is
 *
 *   enabled ◄──► paused      held back, and sent later as far as the queue still has it
 *      ▲            │
 *      └─ disabled ◄┘        nothing is held; enabled again, it begins at the end of the queue
 *
 * What a stream says of itself (that it changed, that it works) waits in the stream and not in the queue, and goes out
 * also while events are held back.
 */
import { succeeding } from "../delivery/backoff.ts";
import type { ClientId, StreamId } from "../prelude/ids.ts";
import type { ControlName, EventName } from "./event.ts";
import { EVENT_TYPES } from "./event.ts";
import type { Signal } from "./signal.ts";

/** Every one looks at every signal. */
export const MOST_STREAMS = 100;
export const MOST_STREAMS_OF_CLIENT = 4;
/** Of each stream: users that are told, or left out, against its default. */
export const MOST_EXCEPTIONS = 100_000;
/** So many signals are queued at the most, however short the time in which they came. */
export const QUEUE_LONGEST = 1_000_000;
/** So far beyond the oldest signal that waits for its acknowledgement is sent, and remembered as acknowledged. */
export const WINDOW = 500;
/** Shortest time between two verifications (SSF 1.0 §8.1.1). */
export const VERIFICATION_MS = 10_000;
/** What a stream has to say of itself; older news is no news. */
const MOST_CONTROLS = 4;

export const STATUSES = ["enabled", "paused", "disabled"] as const;
export type StreamStatus = (typeof STATUSES)[number];
/** Whether all users are told of, or those that the receiver adds (SSF 1.0 §7.1). */
export const DEFAULT_SUBJECTS = ["ALL", "NONE"] as const;
export type DefaultSubjects = (typeof DEFAULT_SUBJECTS)[number];
/** How users are called: by their id here, which says nothing else of them, or by their email address. */
export const NAMINGS = ["iss_sub", "email"] as const;
export type Naming = (typeof NAMINGS)[number];

/** Bytes encrypted under a data key of the vault. */
export interface Sealed {
  readonly dataKey: number;
  readonly sealed: Buffer;
}

export type Delivery =
  | { readonly method: "poll" }
  | {
      readonly method: "push";
      readonly url: string;
      /** What the receiver wants to see as `Authorization`. */
      readonly authorization: Sealed | null;
    };

/** Something that a stream says of itself. */
export interface Control {
  readonly number: number;
  readonly name: ControlName;
  /** Unix milliseconds. */
  readonly at: number;
  readonly facts: Readonly<Record<string, string>>;
}

/** What its receiver, or an operator, decides. */
export interface StreamSettings {
  readonly delivery: Delivery;
  /** Event type URIs as they were asked for; `null`: all that there are. */
  readonly requested: readonly string[] | null;
  readonly description: string | null;
  readonly naming: Naming;
}

export interface Stream extends StreamSettings {
  readonly id: StreamId;
  /** The resource server whose it is. Its id is the audience of every event. */
  readonly client: ClientId;
  /** Unix milliseconds, all of them. */
  readonly createdAt: number;
  readonly defaultSubjects: DefaultSubjects;
  /** How many users are told, or left out, against the default. */
  readonly exceptions: number;
  readonly status: StreamStatus;
  readonly statusReason: string | null;
  /** Everything in the queue up to here is acknowledged, or does not concern it. */
  readonly cursor: number;
  /** What is acknowledged beyond the cursor, in order. */
  readonly acked: readonly number[];
  readonly controls: readonly Control[];
  /** How many there have ever been. */
  readonly controlCount: number;
  /** When its receiver was last heard of. */
  readonly activeAt: number;
  readonly verifiedAt: number | null;
  /** Attempts to push that failed since the last that did not. */
  readonly failures: number;
  readonly failingSince: number | null;
  readonly nextAttemptAt: number;
  /** How the last attempt failed; `null`: it did not. */
  readonly lastFailure: string | null;
  /** How many events were forgotten before they were acknowledged. */
  readonly missed: number;
  /** How many events its receiver refused. */
  readonly refused: number;
}

export type StreamDraft = StreamSettings & Pick<Stream, "id" | "client" | "defaultSubjects">;

/** @param head of the queue: it is told of what comes behind it */
export function beginStream(draft: StreamDraft, head: number, now: number): Stream {
  return {
    ...draft,
    createdAt: now,
    exceptions: 0,
    status: "enabled",
    statusReason: null,
    cursor: head,
    acked: [],
    controls: [],
    controlCount: 0,
    activeAt: now,
    verifiedAt: null,
    ...succeeding(now),
    lastFailure: null,
    missed: 0,
    refused: 0,
  };
}

/** The events that it is told of (`events_delivered`). */
export function deliveredEvents({ requested }: Pick<Stream, "requested">): readonly EventName[] {
  const names = Object.keys(EVENT_TYPES) as EventName[];
  return requested === null ? names : names.filter((name) => requested.includes(EVENT_TYPES[name]));
}

/**
 * Whether a stream is to be told of a signal that it has not acknowledged.
 * @param excepted whether the signal's user is an exception from the default
 */
export function concerns(stream: Stream, signal: Signal, excepted: boolean): boolean {
  if (signal.seq <= stream.cursor || stream.acked.includes(signal.seq)) return false;
  if (!deliveredEvents(stream).includes(signal.facts.event)) return false;
  // What ends everyone's sessions is about every user, and one of nobody knows whom may be about any.
  if (signal.user === null) return true;
  return (stream.defaultSubjects === "ALL") !== excepted;
}

export type StreamChange =
  | ({ readonly change: "configure" } & StreamSettings)
  | {
      readonly change: "status";
      readonly status: StreamStatus;
      readonly reason: string | null;
      /** Whether the receiver wanted it so; otherwise it has to be told (SSF 1.0 §8.1.2). */
      readonly asked: boolean;
    }
  | { readonly change: "verify"; readonly state: string | null };

export type StreamRefusal = "not_found" | "too_soon";
export type ChangedStream =
  | { readonly ok: true; readonly stream: Stream }
  | { readonly ok: false; readonly refusal: StreamRefusal };

/** @param head of the queue @param now Unix milliseconds */
export function changeStream(stream: Stream, wish: StreamChange, head: number, now: number): ChangedStream {
  switch (wish.change) {
    case "configure": {
      const { change: _, ...settings } = wish;
      // Another address, or the same one mended: no need to wait for the next attempt.
      return done({ ...stream, ...settings, ...succeeding(now), lastFailure: null });
    }
    case "status": {
      const { status, reason, asked } = wish;
      const fresh = stream.status === "disabled" && status !== "disabled" ? { cursor: head, acked: [] } : {};
      const moved = { ...stream, ...fresh, status, statusReason: reason };
      const mended = status === "enabled" ? { ...succeeding(now), lastFailure: null } : {};
      const changed: Stream = { ...moved, ...mended };
      if (asked || status === stream.status) return done(changed);
      return done(say(changed, "stream-updated", reason === null ? { status } : { status, reason }, now));
    }
    case "verify": {
      const last = stream.verifiedAt;
      if (last !== null && now - last >= 0 && now - last < VERIFICATION_MS) return { ok: false, refusal: "too_soon" };
      const facts: Record<string, string> = wish.state === null ? {} : { state: wish.state };
      return done(say({ ...stream, verifiedAt: now }, "verification", facts, now));
    }
  }
}

function done(stream: Stream): ChangedStream {
  return { ok: true, stream };
}

/** Has a stream say something of itself, before anything that is queued. */
export function say(stream: Stream, name: ControlName, facts: Control["facts"], now: number): Stream {
  const number = stream.controlCount + 1;
  const controls = [...stream.controls, { number, name, at: now, facts }].slice(-MOST_CONTROLS);
  return { ...stream, controls, controlCount: number };
}

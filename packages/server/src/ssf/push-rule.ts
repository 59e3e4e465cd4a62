/**
 * What an attempt to push an event changes (RFC 8935): the stream moves on, or the next attempt is put off.
 *
 *   202 ──► the next event
 *   400 with an error of RFC 8935 §2.4 ──► the receiver has read it and cannot take it: five times, then it is passed over
 *   anything else ──► again, later and later (delivery/backoff.ts); after a day of it, the stream is paused
 *
 * What the receiver says of everything rather than of one event (that it does not know this server) passes nothing over.
 */
import { draft, SYSTEM } from "../audit/event.ts";
import { failing, succeeding } from "../delivery/backoff.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import { acknowledge, type Stretch } from "./progress.ts";
import { changeStream, type Stream } from "./stream.ts";

/** How an attempt can end. */
export const PUSH_OUTCOMES = {
  accepted: "The receiver took the event",
  refused: "The receiver answered 400 and said what is wrong with the event",
  rejected: "The receiver answered another status; a redirect is not followed",
  timed_out: "No answer within the time",
  unreachable: "No connection, or it broke: name, network or TLS",
  refused_target: "The address is private, and no setting allows it",
} as const;
export type PushOutcome = keyof typeof PUSH_OUTCOMES;

export interface PushAttempt {
  /** The event's name. */
  readonly name: string;
  readonly outcome: PushOutcome;
  /** The HTTP status, or the error's name, where there was one. */
  readonly detail: string | null;
}

/** So often an event is offered to a receiver that cannot take it. */
const MOST_REFUSALS = 5;
/** Said of who asks, not of what is brought (RFC 8935 §2.4). */
const OF_THE_TRANSMITTER: ReadonlySet<string> = new Set(["authentication_failed", "access_denied"]);

export interface AfterPush {
  readonly stream: Stream;
  readonly effects: readonly Effect[];
}

/**
 * @param stretch the first `WINDOW` signals behind the cursor @param head of the queue
 * @param now Unix milliseconds @param jitter 0 to 1, at random
 */
export function afterPush(
  stream: Stream,
  attempt: PushAttempt,
  stretch: Stretch,
  head: number,
  now: number,
  jitter: number,
): AfterPush {
  const about = { client: stream.client };
  if (attempt.outcome === "accepted") {
    const moved = acknowledge(stream, [attempt.name], stretch);
    return { stream: { ...moved, ...succeeding(now), lastFailure: null, activeAt: now }, effects: [] };
  }
  const lastFailure = [attempt.outcome, attempt.detail].filter((part) => part !== null).join(" ");
  const { over, ...next } = failing(stream, now, jitter);
  const ofTheEvent = attempt.outcome === "refused" && !OF_THE_TRANSMITTER.has(attempt.detail ?? "");
  if (ofTheEvent && next.failures >= MOST_REFUSALS) {
    const moved = acknowledge(stream, [attempt.name], stretch);
    const detail = { stream: stream.id, events: 1, error: attempt.detail ?? "" };
    return {
      stream: { ...moved, ...succeeding(now), lastFailure, refused: stream.refused + 1 },
      effects: [audit(draft("ssf.events_refused", SYSTEM, about, detail))],
    };
  }
  const failed: Stream = { ...stream, ...next, lastFailure };
  if (stream.status !== "enabled" || !over) return { stream: failed, effects: [] };
  const wish = { change: "status", status: "paused", reason: "undeliverable", asked: false } as const;
  const paused = changeStream(failed, wish, head, now);
  const detail = { stream: stream.id, status: "paused", reason: "undeliverable", failure: lastFailure };
  return {
    stream: paused.ok ? paused.stream : failed,
    effects: [audit(draft("ssf.stream_changed", SYSTEM, about, detail))],
  };
}

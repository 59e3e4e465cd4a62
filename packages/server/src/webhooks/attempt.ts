/**
 * What an attempt to deliver changes: the cursor moves, or the next attempt is put off.
 (delivery/backoff.ts), until it is given up:
 * paused.
 */
import { draft, SYSTEM } from "../audit/event.ts";
import { failing, succeeding } from "../delivery/backoff.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import type { Webhook } from "./webhook.ts";

/** How an attempt can end, and what the operator is told of it. */
export const OUTCOMES = {
  delivered: "The receiver answered 2xx",
  rejected: "The receiver answered another status; a redirect is not followed",
  gone: "The receiver answered 410: the webhook is paused",
  timed_out: "No answer within the time",
  unreachable: "No connection, or it broke: name, network or TLS",
  refused_target: "The address is private, and no setting allows it",
} as const;
export type Outcome = keyof typeof OUTCOMES;

export interface Attempt {
  /** The id of the message, the same for every attempt at it. */
  readonly message: string;
  /** Where the cursor stood, and where it will. */
  readonly from: Position;
  readonly upTo: Position;
  /** How many revocations the message tells of, and how many it says were missed. */
  readonly events: number;
  readonly missed: number;
  readonly outcome: Outcome;
  /** The HTTP status, where there was one. */
  readonly status: number | null;
  readonly tookMs: number;
}

/** An attempt as it is remembered. */
export interface PastAttempt extends Omit<Attempt, "from" | "missed"> {
  readonly id: number;
  /** Unix milliseconds. */
  readonly at: number;
}

/** @param now Unix milliseconds @param jitter 0 to 1, at random */
export function afterAttempt(
  webhook: Webhook,
  attempt: Attempt,
  now: number,
  jitter: number,
): { readonly webhook: Webhook; readonly effects: readonly Effect[] } {
  // Meanwhile an operator sent it elsewhere: what this attempt did counts no more.
  if (isBefore(webhook.cursor, attempt.from) || isBefore(attempt.from, webhook.cursor)) return { webhook, effects: [] };
  if (attempt.outcome === "delivered") {
    const missed = Math.max(0, webhook.missed - attempt.missed);
    return { webhook: { ...webhook, ...succeeding(now), cursor: attempt.upTo, missed }, effects: [] };
  }
  const { over, ...next } = failing(webhook, now, jitter);
  const failed: Webhook = { ...webhook, ...next };
  if (webhook.state === "paused" || !(over || attempt.outcome === "gone")) return { webhook: failed, effects: [] };
  const detail = { webhook: webhook.id, outcome: attempt.outcome, failures: next.failures };
  return { webhook: { ...failed, state: "paused" }, effects: [audit(draft("webhook.paused", SYSTEM, {}, detail))] };
}

/**
 * What an attempt to deliver changes: the cursor moves, or the next attempt is put off.
 *
 *   5 s  10 s  20 s  40 s … 1 h  1 h  1 h …   each shortened by up to half at random; after 24 h of it, paused
 *
 * The randomness keeps the webhooks of one receiver that came back from all knocking at once.
 */
import { draft, SYSTEM } from "../audit/event.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import type { Webhook } from "./webhook.ts";

const FIRST_MS = 5_000;
const LONGEST_MS = 3_600_000;
/** After so long without a success, nobody is expected to come back unasked. */
export const PAUSED_AFTER_MS = 24 * 3_600_000;

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

/**
 * How long to wait after so many failures in a row, in milliseconds.
 * @param jitter 0 to 1, at random
 */
export function backoffMs(failures: number, jitter: number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 30));
  return Math.round(whole * (1 - jitter / 2));
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
    const delivered = { cursor: attempt.upTo, failures: 0, failingSince: null, nextAttemptAt: now, missed };
    return { webhook: { ...webhook, ...delivered }, effects: [] };
  }
  const failures = webhook.failures + 1;
  const failingSince = webhook.failingSince ?? now;
  const failed: Webhook = { ...webhook, failures, failingSince, nextAttemptAt: now + backoffMs(failures, jitter) };
  const over = attempt.outcome === "gone" || now - failingSince >= PAUSED_AFTER_MS;
  if (webhook.state === "paused" || !over) return { webhook: failed, effects: [] };
  const detail = { webhook: webhook.id, outcome: attempt.outcome, failures };
  return { webhook: { ...failed, state: "paused" }, effects: [audit(draft("webhook.paused", SYSTEM, {}, detail))] };
}

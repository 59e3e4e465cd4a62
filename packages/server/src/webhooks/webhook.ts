/**
 * A webhook: an address of the operator's own that is told of every revocation, in the order of the log.
 *
 *   log:      1  2  3  4  5  6  7
 *                   ▲        ▲
 *                 cursor     end of the batch under way; once the receiver has answered 2xx, the cursor stands there
 *
 *   active ── nothing but failures for a day, or 410 Gone ──► paused ── replay ──► active
 *
 * So delivery is in order and at least once. What is sent comes from a queue of its own beside the log: the log forgets
 * what no verifier needs any more, a receiver that was away for a night still wants it.
 */
import type { WebhookId } from "../prelude/ids.ts";
import { isBefore, type Position, REVOCATION_KINDS, type RevocationEntry } from "../revocation/entry.ts";

export const KINDS = Object.keys(REVOCATION_KINDS) as readonly RevocationEntry["kind"][];
/** Each is asked about every revocation. */
export const MOST_WEBHOOKS = 20;
/** Attempts that are remembered of each webhook. */
export const ATTEMPTS_KEPT = 200;
/** So many revocations are kept for webhooks at the most, however short the time in which they came. */
export const QUEUE_LONGEST = 1_000_000;

/** A revocation as the queue keeps it. */
export type QueuedEntry = Pick<RevocationEntry, "epoch" | "seq" | "kind" | "value" | "reason" | "at">;

/** A signing secret, encrypted under a data key of the vault. */
export interface SealedSecret {
  readonly dataKey: number;
  readonly sealed: Buffer;
}

export interface Webhook {
  readonly id: WebhookId;
  readonly url: string;
  /** The kinds of revocation that it is told of. */
  readonly kinds: readonly RevocationEntry["kind"][];
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly secret: SealedSecret;
  /** The secret before, with which messages are signed as well until a time (Unix milliseconds). */
  readonly previous: (SealedSecret & { readonly until: number }) | null;
  /** Everything up to here has been delivered, or is none of its kinds. */
  readonly cursor: Position;
  readonly state: "active" | "paused";
  /** Attempts that failed since the last that did not. */
  readonly failures: number;
  /** Since when there are only failures, in Unix milliseconds; `null`: the last attempt succeeded. */
  readonly failingSince: number | null;
  /** Not before this is the next attempt made, in Unix milliseconds. */
  readonly nextAttemptAt: number;
  /** How many revocations were forgotten undelivered and have not been told as such. */
  readonly missed: number;
}

/** Whether a webhook has yet to be told of an entry. */
export function concerns(webhook: Webhook, entry: QueuedEntry): boolean {
  return webhook.kinds.includes(entry.kind) && isBefore(webhook.cursor, entry);
}

/** What an operator may change of a webhook. */
export type WebhookChange =
  | { readonly change: "rotate_secret"; readonly secret: SealedSecret; readonly overlapMs: number }
  /** From behind a position; `null`: from where it stands. Resumes what is paused. */
  | { readonly change: "replay"; readonly after: Position | null };

export type ChangeOutcome =
  | { readonly ok: true; readonly webhook: Webhook }
  /** `ahead`: a position that the log has not reached. */
  | { readonly ok: false; readonly refusal: "not_found" | "ahead" };

/** @param head of the log @param now Unix milliseconds */
export function changeWebhook(webhook: Webhook, wish: WebhookChange, head: Position, now: number): ChangeOutcome {
  if (wish.change === "rotate_secret") {
    // Two at a time: where a rotation is still under way, the oldest of the three ends now.
    const previous = wish.overlapMs === 0 ? null : { ...webhook.secret, until: now + wish.overlapMs };
    return { ok: true, webhook: { ...webhook, secret: wish.secret, previous } };
  }
  const cursor = wish.after ?? webhook.cursor;
  if (isBefore(head, cursor)) return { ok: false, refusal: "ahead" };
  return {
    ok: true,
    webhook: { ...webhook, cursor, state: "active", failures: 0, failingSince: null, nextAttemptAt: now },
  };
}

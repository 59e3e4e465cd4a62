/**
 * A message: the body that tells of a batch of revocations, and the headers that prove where it comes from.
 *
 *   webhook-id         names the content: every attempt at the same message has the same
 *   webhook-timestamp  Unix seconds of this attempt; receivers refuse what is older than some minutes
 *   webhook-signature  v1,<base64 HMAC-SHA-256 over id.timestamp.body>, one for each secret, separated by spaces
 *
 * (Standard Webhooks.) The subjects are the real ids: an endpoint is the operator's own, and has the secret.
 */
import { createHmac } from "node:crypto";
import type { Secret } from "../prelude/secret.ts";
import type { Position } from "../revocation/entry.ts";
import type { QueuedEntry, Webhook } from "./webhook.ts";

export interface Message {
  readonly id: string;
  readonly from: Position;
  readonly upTo: Position;
  readonly events: number;
  readonly missed: number;
  readonly body: string;
  /** When the oldest of its revocations was committed, in Unix milliseconds. */
  readonly since: number;
}

function eventOf({ epoch, seq, kind, value, reason, at }: QueuedEntry) {
  return {
    id: `rev_${epoch}_${seq}`,
    type: `revocation.${kind}`,
    at: new Date(at).toISOString(),
    position: { epoch, seq },
    kind,
    /** The id of what was revoked: `jti`, `sid`, `gid`, `sub`, `client_id` or `kid`. */
    subject: kind === "all" ? null : value,
    reason,
  };
}

/**
 * @param entries in the order of the log, at least one
 * @param upTo where the cursor stands once they are delivered
 */
export function messageOf(webhook: Webhook, entries: readonly QueuedEntry[], upTo: Position): Message {
  const [first] = entries;
  const last = entries.at(-1);
  if (first === undefined || last === undefined) throw new RangeError("a message tells of something");
  const span = [first.epoch, first.seq, last.epoch, last.seq].join("_");
  const id = `msg_${webhook.id.replace(/^whk_/, "")}_${span}`;
  const data = entries.map(eventOf);
  const timestamp = new Date(last.at).toISOString();
  const { missed } = webhook;
  const body = JSON.stringify({ id, type: "revocations", timestamp, webhook: webhook.id, missed, data });
  return { id, from: webhook.cursor, upTo, events: data.length, missed, body, since: first.at };
}

/** @param seconds Unix time of the attempt @param secrets that are good, newest first */
export function signedHeaders(
  { id, body }: Message,
  seconds: number,
  secrets: readonly Secret<Buffer>[],
): Readonly<Record<string, string>> {
  const signature = (secret: Secret<Buffer>): string =>
    `v1,${createHmac("sha256", secret.reveal()).update(`${id}.${seconds}.${body}`).digest("base64")}`;
  return {
    "webhook-id": id,
    "webhook-timestamp": String(seconds),
    "webhook-signature": secrets.map(signature).join(" "),
  };
}

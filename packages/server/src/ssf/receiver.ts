/**
 * A receiver: what this server hears from one other provider (a transmitter of Shared Signals), and how far it trusts it.
 *
 *   added ──► active ◄──► paused          removed: the stream at the provider goes with it, where it was made from here
 *
 *   push: the provider calls /ssf/events/<id> and shows a credential that was made here
 *   poll: this server asks the provider, and acknowledges what it has committed
 */
import { type Failing, failing, succeeding } from "../delivery/backoff.ts";
import type { ReceiverId } from "../prelude/ids.ts";
import type { Sealed } from "./stream.ts";

export const MOST_RECEIVERS = 20;
/** So often a sign of life is asked for. */
export const VERIFY_EVERY_MS = 3_600_000;
/** An answer to a verification is awaited for so long. */
export const VERIFICATION_PATIENCE_MS = 5 * 60_000;

/** Where the provider has what, as it says itself (SSF 1.0 §7.1). */
export interface TransmitterFacts {
  readonly jwksUri: string;
  readonly configurationEndpoint: string | null;
  readonly verificationEndpoint: string | null;
  /** Members of complex subjects that must be understood. */
  readonly criticalMembers: readonly string[];
}

/** The stream at the provider. */
export interface ReceivedStream {
  readonly id: string;
  /** What its events are for: one of these is in every `aud`. */
  readonly audience: readonly string[];
  /** Where to poll; `null`: it is pushed. */
  readonly pollUrl: string | null;
  /** Whether it was made from here, and ends with the receiver. */
  readonly made: boolean;
}

/** What an operator decides. */
export interface ReceiverSettings {
  /** Domains of the email addresses by which the provider may name users; empty: any. */
  readonly domains: readonly string[];
  /** Whether an account that is disabled there is disabled here. */
  readonly disables: boolean;
  readonly state: "active" | "paused";
}

export interface Receiver extends ReceiverSettings, Failing {
  readonly id: ReceiverId;
  /** The provider's issuer, which stands in every event. */
  readonly issuer: string;
  readonly facts: TransmitterFacts;
  readonly stream: ReceivedStream;
  /** What is shown to the provider as `Authorization`; `null`: nothing. */
  readonly credential: Sealed | null;
  /** SHA-256 of what the provider shows as `Authorization` when it pushes; `null`: it does not. */
  readonly pushHash: Buffer | null;
  /** Unix milliseconds, all of them. */
  readonly createdAt: number;
  /** When the provider last said anything. */
  readonly heardAt: number | null;
  /** When the last event was taken, and how many. */
  readonly eventAt: number | null;
  readonly events: number;
  /** A verification that was asked for: the SHA-256 of its state. */
  readonly asked: { readonly at: number; readonly stateHash: Buffer } | null;
  readonly verifiedAt: number | null;
  /** What the provider said of its stream, where it said so. */
  readonly streamStatus: string | null;
  readonly lastFailure: string | null;
  /** Events that were no good: forged, for others, not as they should be. */
  readonly rejected: number;
  /** Events that were taken and named nobody who is known here. */
  readonly unmatched: number;
}

export type ReceiverDraft = Pick<
  Receiver,
  "id" | "issuer" | "facts" | "stream" | "credential" | "pushHash" | "domains" | "disables"
>;

export function beginReceiver(draft: ReceiverDraft, now: number): Receiver {
  return {
    ...draft,
    ...succeeding(now),
    state: "active",
    createdAt: now,
    heardAt: null,
    eventAt: null,
    events: 0,
    asked: null,
    verifiedAt: null,
    streamStatus: null,
    lastFailure: null,
    rejected: 0,
    unmatched: 0,
  };
}

/** What happens to a receiver beside the events that it takes. */
export type ReceiverNote =
  | { readonly note: "settings"; readonly settings: ReceiverSettings }
  /** The provider moved. */
  | { readonly note: "facts"; readonly facts: TransmitterFacts }
  | { readonly note: "heard" }
  /** @property failure what failed, in a few words @property jitter 0 to 1, at random */
  | { readonly note: "failed"; readonly failure: string; readonly jitter: number }
  | { readonly note: "rejected"; readonly failure: string }
  | { readonly note: "asked"; readonly stateHash: Buffer }
  | { readonly note: "verified" }
  | { readonly note: "status"; readonly status: string };

/** @param now Unix milliseconds */
export function noteOf(receiver: Receiver, note: ReceiverNote, now: number): Receiver {
  switch (note.note) {
    case "settings":
      return { ...receiver, ...note.settings, ...succeeding(now) };
    case "facts":
      return { ...receiver, facts: note.facts };
    case "heard":
      return { ...receiver, ...succeeding(now), heardAt: now, lastFailure: null };
    case "failed": {
      const { over: _, ...next } = failing(receiver, now, note.jitter);
      return { ...receiver, ...next, lastFailure: note.failure };
    }
    case "rejected":
      return { ...receiver, heardAt: now, rejected: receiver.rejected + 1, lastFailure: note.failure };
    case "asked":
      return { ...receiver, asked: { at: now, stateHash: note.stateHash } };
    case "verified":
      return { ...receiver, ...succeeding(now), heardAt: now, verifiedAt: now, asked: null, lastFailure: null };
    case "status":
      return { ...receiver, heardAt: now, streamStatus: note.status };
  }
}

/**
 * Whether a verification was asked for and has not come back in time, or none did since the one before: what is quiet may
 * be deaf.
 */
export function isSilent({ asked, verifiedAt, createdAt }: Receiver, now: number): boolean {
  const since = verifiedAt ?? createdAt;
  return asked !== null && Math.max(now - asked.at, now - since - VERIFY_EVERY_MS) > VERIFICATION_PATIENCE_MS;
}

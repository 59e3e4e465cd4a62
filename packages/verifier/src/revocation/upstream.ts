/**
 * Whom a follower listens to, and what it shows there: the issuer itself and its secret, or a relay and tickets. A relay
 * that kept entries back is passed over for a while, and the issuer asked in its place.
 */
import type { Credentials } from "./frames.ts";
import { openTickets } from "./tickets.ts";
import type { FeedWorld } from "./world.ts";

export interface UpstreamOptions {
  /** Addresses of the issuer and of the feed, without a slash at their ends. */
  readonly issuerBase: string;
  readonly base: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly acceptMs: number;
}

export interface Upstream {
  /** Somebody stands between the issuer and us. He gets no secret of ours, and is not taken at his word. */
  readonly isIndirect: boolean;
  /** `Authorization` with the secret: for the issuer. */
  readonly secret: string;
  /** Where the feed is followed now. */
  base(): string;
  /** What is shown in a hello; a promise where it has to be got. Rejects with the reason where there is nothing now. */
  credentials(): Credentials | Promise<Credentials>;
  /** `Authorization` of requests to the feed. Rejects as `credentials` does. */
  authorization(): Promise<string>;
  /** What was shown was refused. */
  renew(): void;
  distrust(): void;
  /** What the issuer's clock says now at most, in milliseconds since 1970; null where nobody knows. */
  issuerTime(): number | null;
  /** That seems not to be so any more: the issuer is asked. */
  doubtTime(): void;
  close(): void;
}

/** For how long a relay that kept entries back is passed over, in milliseconds. */
const DISTRUST_MS = 600_000;

/** RFC 6749 §2.3.1: both are form-encoded before they become Basic credentials. */
export function basicAuthorization(clientId: string, clientSecret: string): string {
  const encoded = (text: string) => new URLSearchParams({ "": text }).toString().slice(1);
  return `Basic ${btoa(`${encoded(clientId)}:${encoded(clientSecret)}`)}`;
}

/** @param got told of each new ticket */
export function createUpstream(options: UpstreamOptions, world: FeedWorld, got: (ticket: string) => void): Upstream {
  const { issuerBase, base, clientId, clientSecret, acceptMs } = options;
  const secret = basicAuthorization(clientId, clientSecret);
  const tickets = base === issuerBase ? null : openTickets({ issuerBase, authorization: secret, acceptMs, got }, world);
  let distrustedUntil = Number.NEGATIVE_INFINITY;
  return {
    isIndirect: tickets !== null,
    secret,
    base: () => (world.mono() < distrustedUntil ? issuerBase : base),
    credentials: () =>
      tickets === null ? { clientId, clientSecret } : tickets.get().then((ticket): Credentials => ({ ticket })),
    authorization: async () => (tickets === null ? secret : `Bearer ${await tickets.get()}`),
    renew: () => tickets?.drop(),
    distrust() {
      distrustedUntil = world.mono() + DISTRUST_MS;
    },
    issuerTime: () => tickets?.issuerTime() ?? null,
    doubtTime: () => tickets?.doubtTime(),
    close: () => tickets?.close(),
  };
}

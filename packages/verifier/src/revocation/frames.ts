/**
 * The frames of the feed: what verifier and server say to each other, over a WebSocket or in the answer to a poll.
 *
 *   verifier ──► hello(credentials, after) ─────────────────────────────► server       nothing is sent before it
 *            ◄── welcome(instance, position, feed key, N) ◄──             or refused, or resync
 *            ◄── rev(from, to, entries) ◄──                               contiguous: `from` is where the verifier is
 *            ──► ack(position) ──►                                        after every entry up to it is applied: with the
 *            ◄── ask(position) ◄──                                        next ping, or as soon as it is asked for
 *            ──► ping(n) ──►  …  ◄── hb(echo n, head) ◄──                 after every entry up to that head
 *            ◄── resync, drain, refused ◄──
 *
 * A relay stands on both sides: it says to its upstream what a verifier says, and to verifiers what a server does. wire.ts
 * and rev.ts write and read these; docs/revocation-wire.md is the specification.
 */
import { ENTRY_BYTES } from "./entry.ts";
import type { Position } from "./position.ts";

/** WebSocket subprotocol (RFC 6455 §1.9). */
export const SUBPROTOCOL = "mapae.revocations.v1";
/** Close code (RFC 6455 §7.4.2) of a verifier that holds no lease any more and accepts nothing by one. */
export const RELEASED_CODE = 4000;
/** Media type of the answer to a poll: one frame a line. */
export const POLL_TYPE = "application/x-ndjson";
export const FEED_PATHS = {
  poll: "/v1/revocations",
  snapshot: "/v1/revocations/snapshot",
  stream: "/v1/revocations/stream",
} as const;

/** Longest text frame in octets: a `hb` with a signed checkpoint of the largest size. */
export const TEXT_FRAME_MAX = 16 * 1024;
/** Most entries of one `rev`: what is applied in one turn without anybody noticing. */
export const REV_ENTRIES_MAX = 4096;
export const REV_HEADER_BYTES = 32;
export const REV_FRAME_MAX = REV_HEADER_BYTES + REV_ENTRIES_MAX * ENTRY_BYTES + 4;
/** Longest answer to a poll in octets. */
export const POLL_MAX = 4 * 1024 * 1024;
/** Of what a relay answers: its own id, and those of the relays between it and the issuer. */
export const RELAYS_HEADER = "mapae-relays";
export const FEED_KEY_BYTES = 32;
/** Longest ticket in characters. */
export const TICKET_MAX = 4096;
/** Most relays between a verifier and the issuer. */
export const RELAYS_MAX = 16;
/** Most ids in one acknowledgement; a relay that has more sends several. */
export const UNBOUND_MAX = 200;

export interface Welcome {
  readonly type: "welcome";
  /** The id under which this verifier process is counted; the verifier names it when it comes back. */
  readonly instance: string;
  /** N, in milliseconds. */
  readonly leaseMs: number;
  /** Where the stream goes on from: the position that was asked for. */
  readonly position: Position;
  readonly feedKey: Uint8Array;
  /** Milliseconds since 1970. */
  readonly serverTime: number;
  /** The relays between here and the issuer, whoever answers first; none at the issuer itself. */
  readonly relays?: readonly string[];
}

/** The raw entries stand in `octets`, from `REV_HEADER_BYTES` on, `count` times `ENTRY_BYTES`. */
export interface Rev {
  readonly type: "rev";
  readonly from: Position;
  readonly to: Position;
  readonly count: number;
  readonly octets: Uint8Array;
}

export interface Heartbeat {
  readonly type: "hb";
  /** The number of the ping that it answers. */
  readonly echo: number;
  /** The head of the log, read after the ping arrived. */
  readonly head: Position;
  readonly serverTime: number;
  readonly leaseMs: number;
  /** Of a relay: by how many milliseconds what it knows may be older than the ping. */
  readonly ageMs?: number;
  /** A signed position (snapshot.ts), now and then. */
  readonly checkpoint?: string;
}

/** The verifier has to load a snapshot: its position is `ahead`, of another `epoch`, `too_old`, or it was too `slow`. */
export interface Resync {
  readonly type: "resync";
  readonly reason: string;
}

/** Somebody waits for this position: acknowledge it as soon as it is applied. */
export interface Ask {
  readonly type: "ask";
  readonly position: Position;
}

/** The node is leaving: connect elsewhere within `afterMs`. */
export interface Drain {
  readonly type: "drain";
  readonly afterMs: number;
}

export const REFUSED_CODES = [
  /** Unknown client, wrong secret, or credentials that were taken back. */
  "unauthorized",
  "too_many_connections",
  /** A frame that does not decode, or comes where it must not. */
  "bad_frame",
  /** Another connection came under the same instance id. */
  "superseded",
  "unavailable",
] as const;

export interface Refused {
  readonly type: "refused";
  /** One of REFUSED_CODES, or one of a later version. */
  readonly code: string;
}

export type ServerFrame = Welcome | Rev | Heartbeat | Ask | Resync | Drain | Refused;

/** Who says hello: a resource server by its secret, or by a ticket that the issuer gave it (ticket.ts). */
export type Credentials = { readonly clientId: string; readonly clientSecret: string } | { readonly ticket: string };

/** What a hello says beside whose it is. */
export interface Greeting {
  readonly type: "hello";
  /** Everything up to here is applied. */
  readonly after: Position;
  /** The id from an earlier `welcome`; null the first time. */
  readonly instance: string | null;
  /** How long after its lease this verifier may go on accepting; 0 unless its owner chose `accept`. */
  readonly acceptMs: number;
  /** The signed position (snapshot.ts) of those it was given that lies furthest: a log that ends before it has lost its end. */
  readonly checkpoint?: string;
}

export type Hello = Greeting & Credentials;

/** The next ticket of a connection that was opened with one. */
export interface Renewal {
  readonly type: "ticket";
  readonly ticket: string;
}

export interface Ping {
  readonly type: "ping";
  readonly n: number;
}

export interface Ack {
  readonly type: "ack";
  readonly position: Position;
  /** Of a relay: for whom it speaks. */
  readonly behind?: Behind;
}

/** The verifiers behind a relay, as of a position that it acknowledges. Told to people; nothing is decided by the numbers. */
export interface Behind {
  /** How many have applied everything up to it. */
  readonly verifiers: number;
  /** How many have not, and hold no lease any more. */
  readonly silent: number;
  /** Those among the first that may accept without a lease, by the id in their tickets. */
  readonly unbound: readonly string[];
}

export type ClientFrame = Hello | Renewal | Ping | Ack;

/** Every text frame but `rev`, which is binary. */
export type ServerTextFrame = Exclude<ServerFrame, Rev>;

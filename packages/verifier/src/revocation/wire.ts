/**
 * The frames of the feed: what verifier and server say to each other, over a WebSocket or in the answer to a poll.
 *
 *   verifier ──► hello(credentials, after) ─────────────────────────────► server       nothing is sent before it
 *            ◄── welcome(instance, position, feed key, N) ◄──             or refused, or resync
 *            ◄── rev(from, to, entries) ◄──                               contiguous: `from` is where the verifier is
 *            ──► ack(position) ──►                                        after every entry up to it is applied
 *            ──► ping(n) ──►  …  ◄── hb(echo n, head) ◄──                 after every entry up to that head
 *            ◄── resync, drain, refused ◄──
 *
 * `rev` is binary; everything else is JSON text whose last member is `crc`, the CRC-32 of all octets before it. What does
 * not decode is null: the receiver closes the connection, and what it knew stays as it was. docs/revocation-wire.md is the
 * specification of this file.
 */
import { decodeBase64url, encodeBase64url } from "../jose/base64url.ts";
import { type JsonObject, parseJsonObject } from "../jose/json.ts";
import { crc32 } from "./crc32.ts";
import {
  ENTRY_BYTES,
  encodeEntries,
  entriesInOrder,
  type FeedEntry,
  readNumber,
  readPosition,
  writeNumber,
  writePosition,
} from "./entry.ts";
import { comparePositions, formatPosition, isCount, type Position, parsePosition } from "./position.ts";

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
export const FEED_KEY_BYTES = 32;

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
  /** A signed position (snapshot.ts), now and then. */
  readonly checkpoint?: string;
}

/** The verifier has to load a snapshot: its position is `ahead`, of another `epoch`, `too_old`, or it was too `slow`. */
export interface Resync {
  readonly type: "resync";
  readonly reason: string;
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

export type ServerFrame = Welcome | Rev | Heartbeat | Resync | Drain | Refused;

export interface Hello {
  readonly type: "hello";
  readonly clientId: string;
  readonly clientSecret: string;
  /** Everything up to here is applied. */
  readonly after: Position;
  /** The id from an earlier `welcome`; null the first time. */
  readonly instance: string | null;
  /** How long after its lease this verifier may go on accepting; 0 unless its owner chose `accept`. */
  readonly acceptMs: number;
  /** The signed position (snapshot.ts) of those it was given that lies furthest: a log that ends before it has lost its end. */
  readonly checkpoint?: string;
}

export interface Ping {
  readonly type: "ping";
  readonly n: number;
}

export interface Ack {
  readonly type: "ack";
  readonly position: Position;
}

export type ClientFrame = Hello | Ping | Ack;

/** Every text frame but `rev`, which is binary. */
export type ServerTextFrame = Exclude<ServerFrame, Rev>;

const utf8 = new TextEncoder();

export function encodeServerFrame(frame: ServerTextFrame): string {
  switch (frame.type) {
    case "welcome": {
      const { instance, leaseMs, position, feedKey, serverTime } = frame;
      const feed_key = encodeBase64url(feedKey);
      return seal({ type: "welcome", instance, lease_ms: leaseMs, ...position, feed_key, server_time: serverTime });
    }
    case "hb": {
      const { echo, head, serverTime, leaseMs, checkpoint } = frame;
      const signed = checkpoint === undefined ? {} : { checkpoint };
      return seal({ type: "hb", echo, ...head, server_time: serverTime, lease_ms: leaseMs, ...signed });
    }
    case "resync":
      return seal({ type: "resync", reason: frame.reason });
    case "drain":
      return seal({ type: "drain", after_ms: frame.afterMs });
    case "refused":
      return seal({ type: "refused", code: frame.code });
  }
}

export function encodeClientFrame(frame: ClientFrame): string {
  switch (frame.type) {
    case "hello": {
      const { clientId, clientSecret, after, instance, acceptMs, checkpoint } = frame;
      const known = instance === null ? {} : { instance };
      const credentials = { client_id: clientId, client_secret: clientSecret };
      const signed = checkpoint === undefined ? {} : { checkpoint };
      const place = { after: formatPosition(after), ...known, accept_ms: acceptMs };
      return seal({ type: "hello", ...credentials, ...place, ...signed });
    }
    case "ping":
      return seal({ type: "ping", n: frame.n });
    case "ack":
      return seal({ type: "ack", ...frame.position });
  }
}

/** The frame of a server's message, text or binary; null for what is none. Takes anything, never throws. */
export function decodeServerFrame(data: unknown): ServerFrame | null {
  if (data instanceof Uint8Array) return decodeRev(data);
  const it = unseal(data, TEXT_FRAME_MAX);
  return it === null ? null : serverFrame(it);
}

/** The frame of a verifier's message; null for what is none. Takes anything, never throws. */
export function decodeClientFrame(data: unknown): ClientFrame | null {
  const it = unseal(data, TEXT_FRAME_MAX);
  if (it === null) return null;
  switch (it.type) {
    case "hello": {
      const after = parsePosition(it.after);
      const { client_id: clientId, client_secret: clientSecret, instance = null, accept_ms: acceptMs = 0 } = it;
      if (after === null || !isWord(clientId) || !isWord(clientSecret) || !isCount(acceptMs)) return null;
      if (instance !== null && !isWord(instance)) return null;
      const { checkpoint } = it;
      if (checkpoint !== undefined && typeof checkpoint !== "string") return null;
      const signed = checkpoint === undefined ? {} : { checkpoint };
      return { type: "hello", clientId, clientSecret, after, instance, acceptMs, ...signed };
    }
    case "ping":
      return isCount(it.n) ? { type: "ping", n: it.n } : null;
    case "ack": {
      const position = positionOf(it);
      return position === null ? null : { type: "ack", position };
    }
    default:
      return null;
  }
}

function serverFrame(it: JsonObject): ServerTextFrame | null {
  const position = positionOf(it);
  const { server_time: serverTime, lease_ms: leaseMs } = it;
  switch (it.type) {
    case "welcome": {
      const { instance, feed_key: feedKeyText } = it;
      const feedKey = typeof feedKeyText === "string" ? decodeBase64url(feedKeyText) : null;
      if (position === null || !isWord(instance) || !isCount(leaseMs) || !isCount(serverTime)) return null;
      if (feedKey === null || feedKey.length !== FEED_KEY_BYTES) return null;
      return { type: "welcome", instance, leaseMs, position, feedKey: Uint8Array.from(feedKey), serverTime };
    }
    case "hb": {
      const { echo, checkpoint } = it;
      if (position === null || !isCount(echo) || !isCount(leaseMs) || !isCount(serverTime)) return null;
      if (checkpoint !== undefined && typeof checkpoint !== "string") return null;
      const signed = checkpoint === undefined ? {} : { checkpoint };
      return { type: "hb", echo, head: position, serverTime, leaseMs, ...signed };
    }
    case "resync":
      return isWord(it.reason) ? { type: "resync", reason: it.reason } : null;
    case "drain":
      return isCount(it.after_ms) ? { type: "drain", afterMs: it.after_ms } : null;
    case "refused":
      return isWord(it.code) ? { type: "refused", code: it.code } : null;
    default:
      return null;
  }
}

function positionOf({ epoch, seq }: JsonObject): Position | null {
  return isCount(epoch) && isCount(seq) ? { epoch, seq } : null;
}

const WORD_MAX = 512;

function isWord(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= WORD_MAX;
}

/** `,"crc":"` + 8 hexadecimal digits + `"}` */
const SEAL_BYTES = 18;

/** JSON whose last member is the checksum of every octet before that member's comma. */
function seal(members: JsonObject): string {
  const body = JSON.stringify(members).slice(0, -1);
  return `${body},"crc":"${crcText(crc32(utf8.encode(body)))}"}`;
}

function unseal(data: unknown, most: number): JsonObject | null {
  if (typeof data !== "string" || data.length > most) return null;
  const octets = utf8.encode(data);
  const end = octets.length - SEAL_BYTES;
  if (end < 1 || octets.length > most) return null;
  if (data.slice(-SEAL_BYTES) !== `,"crc":"${crcText(crc32(octets, 0, end))}"}`) return null;
  return parseJsonObject(octets);
}

function crcText(sum: number): string {
  return sum.toString(16).padStart(8, "0");
}

/** "MRF1" */
const REV_MAGIC = 0x4d524631;

/**
 *   0      4                16               28      32                                n
 *   ┌──────┬────────────────┬────────────────┬───────┬─────────────────────────────────┬──────┐
 *   │"MRF1"│ from u48 u48   │ to u48 u48     │ count │ entries, 40 octets each, rising │ crc  │
 *   └──────┴────────────────┴────────────────┴───────┴─────────────────────────────────┴──────┘
 *
 * @param entries as values, or as the octets that they have on the wire already
 * @throws TypeError for entries that are not in order between `from` and `to`, within one epoch: the caller's mistake
 */
export function encodeRev(
  from: Position,
  to: Position,
  entries: readonly FeedEntry[] | Uint8Array,
): Uint8Array<ArrayBuffer> {
  const raw = entries instanceof Uint8Array ? entries : encodeEntries(entries);
  const count = raw.length / ENTRY_BYTES;
  if (count > REV_ENTRIES_MAX) throw new TypeError(`A rev has at most ${REV_ENTRIES_MAX} entries.`);
  const end = REV_HEADER_BYTES + raw.length;
  const octets = new Uint8Array(end + 4);
  writeNumber(octets, 0, 4, REV_MAGIC);
  writePosition(octets, 4, from);
  writePosition(octets, 16, to);
  writeNumber(octets, 28, 4, count);
  octets.set(raw, REV_HEADER_BYTES);
  writeNumber(octets, end, 4, crc32(octets, 0, end));
  if (decodeRev(octets) === null) throw new TypeError("The entries of a rev rise from above `from` to `to`.");
  return octets;
}

/** Null for what is no `rev`, whole and in order. Entries are checked here, and are read in place later. */
export function decodeRev(octets: Uint8Array): Rev | null {
  if (octets.length < REV_HEADER_BYTES + 4 || readNumber(octets, 0, 4) !== REV_MAGIC) return null;
  const count = readNumber(octets, 28, 4);
  const end = REV_HEADER_BYTES + count * ENTRY_BYTES;
  if (count > REV_ENTRIES_MAX || octets.length !== end + 4) return null;
  if (readNumber(octets, end, 4) !== crc32(octets, 0, end)) return null;
  const from = readPosition(octets, 4);
  const to = readPosition(octets, 16);
  // A new epoch begins with a snapshot, never in the middle of a stream.
  if (from.epoch !== to.epoch || comparePositions(from, to) >= 0) return null;
  if (!entriesInOrder(octets, REV_HEADER_BYTES, count, from, to)) return null;
  return { type: "rev", from, to, count, octets };
}

/** A frame as one line of a poll's answer: text frames as they are, a `rev` (octets) in base64url. */
export function encodePollLine(frame: ServerTextFrame | Uint8Array): string {
  return frame instanceof Uint8Array ? seal({ type: "rev", frame: encodeBase64url(frame) }) : encodeServerFrame(frame);
}

/** The frames of a poll's answer; null where one of its lines is none. */
export function decodePoll(text: string): ServerFrame[] | null {
  const frames: ServerFrame[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const it = unseal(line, POLL_MAX);
    const frame = it === null ? null : it.type === "rev" ? revOfLine(it.frame) : serverFrame(it);
    if (frame === null) return null;
    frames.push(frame);
  }
  return frames;
}

function revOfLine(text: unknown): Rev | null {
  const octets = typeof text === "string" ? decodeBase64url(text) : null;
  return octets === null ? null : decodeRev(new Uint8Array(octets.buffer, octets.byteOffset, octets.length));
}

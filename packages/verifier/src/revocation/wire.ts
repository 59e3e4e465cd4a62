/**
 * Text frames as they travel: JSON whose last member is `crc`, the CRC-32 of all octets before it; and the lines of a poll's
 * answer. What does not decode is null: the receiver closes the connection, and what it knew stays as it was. frames.ts says
 * what the frames mean, rev.ts has the binary one, docs/revocation-wire.md the specification.
 */
import { decodeBase64url, encodeBase64url } from "../jose/base64url.ts";
import { type JsonObject, parseJsonObject } from "../jose/json.ts";
import { crc32 } from "./crc32.ts";
import {
  type Behind,
  type ClientFrame,
  type Credentials,
  FEED_KEY_BYTES,
  POLL_MAX,
  RELAYS_MAX,
  type Rev,
  type ServerFrame,
  type ServerTextFrame,
  TEXT_FRAME_MAX,
  TICKET_MAX,
  UNBOUND_MAX,
} from "./frames.ts";
import { formatPosition, isCount, type Position, parsePosition } from "./position.ts";
import { decodeRev } from "./rev.ts";

const utf8 = new TextEncoder();

export function encodeServerFrame(frame: ServerTextFrame): string {
  switch (frame.type) {
    case "welcome": {
      const { instance, leaseMs, position, feedKey, serverTime } = frame;
      const feed_key = encodeBase64url(feedKey);
      const relays = frame.relays === undefined ? {} : { relays: [...frame.relays] };
      const told = { instance, lease_ms: leaseMs, ...position, feed_key, server_time: serverTime };
      return seal({ type: "welcome", ...told, ...relays });
    }
    case "hb": {
      const { echo, head, serverTime, leaseMs, ageMs, checkpoint } = frame;
      const aged = ageMs === undefined ? {} : { age_ms: ageMs };
      const signed = checkpoint === undefined ? {} : { checkpoint };
      return seal({ type: "hb", echo, ...head, server_time: serverTime, lease_ms: leaseMs, ...aged, ...signed });
    }
    case "ask":
      return seal({ type: "ask", ...frame.position });
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
      const { after, instance, acceptMs, checkpoint } = frame;
      const known = instance === null ? {} : { instance };
      const credentials =
        "ticket" in frame ? { ticket: frame.ticket } : { client_id: frame.clientId, client_secret: frame.clientSecret };
      const signed = checkpoint === undefined ? {} : { checkpoint };
      const place = { after: formatPosition(after), ...known, accept_ms: acceptMs };
      return seal({ type: "hello", ...credentials, ...place, ...signed });
    }
    case "ticket":
      return seal({ type: "ticket", ticket: frame.ticket });
    case "ping":
      return seal({ type: "ping", n: frame.n });
    case "ack":
      return seal({ type: "ack", ...frame.position, ...behindMembers(frame.behind) });
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
      const { instance = null, accept_ms: acceptMs = 0 } = it;
      const credentials = credentialsOf(it);
      if (after === null || credentials === null || !isCount(acceptMs)) return null;
      if (instance !== null && !isWord(instance)) return null;
      const { checkpoint } = it;
      if (checkpoint !== undefined && typeof checkpoint !== "string") return null;
      const signed = checkpoint === undefined ? {} : { checkpoint };
      return { type: "hello", ...credentials, after, instance, acceptMs, ...signed };
    }
    case "ticket":
      return isTicket(it.ticket) ? { type: "ticket", ticket: it.ticket } : null;
    case "ping":
      return isCount(it.n) ? { type: "ping", n: it.n } : null;
    case "ack": {
      const position = positionOf(it);
      const behind = behindOf(it);
      if (position === null || behind === null) return null;
      return { type: "ack", position, ...(behind === undefined ? {} : { behind }) };
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
      const { instance, feed_key: feedKeyText, relays } = it;
      const feedKey = typeof feedKeyText === "string" ? decodeBase64url(feedKeyText) : null;
      if (position === null || !isWord(instance) || !isCount(leaseMs) || !isCount(serverTime)) return null;
      if (feedKey === null || feedKey.length !== FEED_KEY_BYTES) return null;
      if (relays !== undefined && !isWords(relays, RELAYS_MAX)) return null;
      const told = { instance, leaseMs, position, feedKey: Uint8Array.from(feedKey), serverTime };
      return { type: "welcome", ...told, ...(relays === undefined ? {} : { relays }) };
    }
    case "hb": {
      const { echo, age_ms: ageMs, checkpoint } = it;
      if (position === null || !isCount(echo) || !isCount(leaseMs) || !isCount(serverTime)) return null;
      if (ageMs !== undefined && !isCount(ageMs)) return null;
      if (checkpoint !== undefined && typeof checkpoint !== "string") return null;
      const aged = ageMs === undefined ? {} : { ageMs };
      const signed = checkpoint === undefined ? {} : { checkpoint };
      return { type: "hb", echo, head: position, serverTime, leaseMs, ...aged, ...signed };
    }
    case "ask":
      return position === null ? null : { type: "ask", position };
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

/** Who authenticates, and by what; null for neither, and for both at once. */
function credentialsOf({ client_id: clientId, client_secret: clientSecret, ticket }: JsonObject): Credentials | null {
  if (ticket !== undefined) {
    return isTicket(ticket) && clientId === undefined && clientSecret === undefined ? { ticket } : null;
  }
  return isWord(clientId) && isWord(clientSecret) ? { clientId, clientSecret } : null;
}

function behindMembers(behind: Behind | undefined): JsonObject {
  if (behind === undefined) return {};
  const { verifiers, silent, unbound } = behind;
  return { verifiers, silent, ...(unbound.length === 0 ? {} : { unbound: [...unbound] }) };
}

/** undefined for a verifier's own acknowledgement, null for what is none. */
function behindOf({ verifiers, silent = 0, unbound = [] }: JsonObject): Behind | null | undefined {
  if (verifiers === undefined) return undefined;
  return isCount(verifiers) && isCount(silent) && isWords(unbound, UNBOUND_MAX) ? { verifiers, silent, unbound } : null;
}

const WORD_MAX = 512;

function isWord(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= WORD_MAX;
}

function isWords(value: unknown, most: number): value is string[] {
  return Array.isArray(value) && value.length <= most && value.every(isWord);
}

function isTicket(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= TICKET_MAX;
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

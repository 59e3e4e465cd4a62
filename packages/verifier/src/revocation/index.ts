/**
 * `@mapae/verifier/revocation`: the feed's wire format, for both of its ends, and the verifier's follower of it.
 * docs/revocation-wire.md is the specification.
 */

export { type IssuerKeys, openIssuerKeys } from "../issuer-keys.ts";
export {
  CHECKPOINT_TYP,
  type Checkpoint,
  checkpointClaims,
  digestOf,
  readCheckpoint,
  WINDOW_MAX,
  windowOctets,
} from "./checkpoint.ts";
export {
  ENTRY_AT,
  ENTRY_BYTES,
  encodeEntries,
  type FeedEntry,
  KEY_BYTES,
  REVOCATION_KINDS,
  REVOCATION_REASONS,
  type RevocationKind,
  type RevocationReason,
  readEntry,
  readNumber,
  readPosition,
  SECONDS_MAX,
  writeEntry,
} from "./entry.ts";
export { entryKeyLater, entryKeys } from "./entry-key.ts";
export { type Feed, type FeedOptions, followFeed } from "./feed.ts";
export { step } from "./follower.ts";
export {
  CHECKPOINT_EVERY_MS,
  type Follower,
  type FollowerAction,
  type FollowerEvent,
  type FollowerSettings,
  type LoadedCopy,
  newFollower,
  type Phase,
  type Step,
  wakeAt,
} from "./follower-state.ts";
export { FORGET_LATE_MS } from "./follower-trust.ts";
export {
  type Ack,
  type Behind,
  type ClientFrame,
  type Credentials,
  type Drain,
  FEED_KEY_BYTES,
  FEED_PATHS,
  type Heartbeat,
  type Hello,
  type Ping,
  POLL_MAX,
  POLL_TYPE,
  REFUSED_CODES,
  RELAYS_HEADER,
  RELEASED_CODE,
  REV_ENTRIES_MAX,
  REV_FRAME_MAX,
  REV_HEADER_BYTES,
  type Refused,
  type Renewal,
  type Resync,
  type Rev,
  type ServerFrame,
  type ServerTextFrame,
  SUBPROTOCOL,
  TEXT_FRAME_MAX,
  UNBOUND_MAX,
  type Welcome,
} from "./frames.ts";
export { clocksAgree, elapsed, holds, type Lease, leaseLeft, type Moment, SKEW_MARGIN_MS } from "./lease.ts";
export type { Believed, EntrySink, KeptSnapshot, NotHad, ReadSigned } from "./load.ts";
export { COUNT_MAX, comparePositions, formatPosition, ORIGIN, type Position, parsePosition } from "./position.ts";
export { decodeRev, encodeRev } from "./rev.ts";
export {
  CHECKPOINT_HEADER,
  decodeSnapshot,
  encodeSnapshot,
  SNAPSHOT_HEADER_BYTES,
  SNAPSHOT_TYPE,
  type Snapshot,
  type SnapshotFacts,
} from "./snapshot.ts";
export { readTicket, TICKET_PATH, TICKET_TYP, type Ticket, ticketClaims } from "./ticket.ts";
export {
  decodeClientFrame,
  decodePoll,
  decodeServerFrame,
  encodeClientFrame,
  encodePollLine,
  encodeServerFrame,
} from "./wire.ts";
export { type FeedSocket, type FeedWorld, platformWorld } from "./world.ts";

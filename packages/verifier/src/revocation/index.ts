/**
 * `@mapae/verifier/revocation`: the feed's wire format, for both of its ends, and the verifier's follower of it.
 * docs/revocation-wire.md is the specification.
 */
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
export { step } from "./follower.ts";
export {
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
export { clocksAgree, elapsed, holds, type Lease, leaseLeft, type Moment, SKEW_MARGIN_MS } from "./lease.ts";
export { COUNT_MAX, comparePositions, formatPosition, ORIGIN, type Position, parsePosition } from "./position.ts";
export {
  CHECKPOINT_HEADER,
  CHECKPOINT_TYP,
  type Checkpoint,
  checkpointClaims,
  decodeSnapshot,
  encodeSnapshot,
  readCheckpoint,
  SNAPSHOT_HEADER_BYTES,
  SNAPSHOT_TYPE,
  type Snapshot,
  type SnapshotFacts,
  snapshotDigest,
} from "./snapshot.ts";
export {
  type Ack,
  type ClientFrame,
  type Drain,
  decodeClientFrame,
  decodePoll,
  decodeRev,
  decodeServerFrame,
  encodeClientFrame,
  encodePollLine,
  encodeRev,
  encodeServerFrame,
  FEED_KEY_BYTES,
  FEED_PATHS,
  type Heartbeat,
  type Hello,
  type Ping,
  POLL_MAX,
  POLL_TYPE,
  REFUSED_CODES,
  RELEASED_CODE,
  REV_ENTRIES_MAX,
  REV_FRAME_MAX,
  REV_HEADER_BYTES,
  type Refused,
  type Resync,
  type Rev,
  type ServerFrame,
  type ServerTextFrame,
  SUBPROTOCOL,
  TEXT_FRAME_MAX,
  type Welcome,
} from "./wire.ts";

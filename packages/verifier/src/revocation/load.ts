/**
 * Gets a snapshot, and believes it only as far as it is signed:
 *
 *   octets ──► header ──► checkpoint: the issuer's signature, this position, this many entries, this SHA-256 ──► entries
 *
 * The entries go into the copy a part at a time, so that a million of them hold nobody up.
 */
import { exchange } from "../exchange.ts";
import { encodeBase64url } from "../jose/base64url.ts";
import type { JsonObject } from "../jose/json.ts";
import { nodeCrypto } from "../jose/runtime.ts";
import { type Checkpoint, digestOf, readCheckpoint } from "./checkpoint.ts";
import { ENTRY_BYTES, entriesInOrder, readPosition } from "./entry.ts";
import { CIRCLE, type LoadedCopy } from "./follower-state.ts";
import { FEED_PATHS, RELAYS_HEADER, RELAYS_MAX } from "./frames.ts";
import { comparePositions, ORIGIN, type Position } from "./position.ts";
import type { RecentEntries } from "./recent.ts";
import { CHECKPOINT_HEADER, decodeSnapshot, SNAPSHOT_HEADER_BYTES, SNAPSHOT_TYPE, type Snapshot } from "./snapshot.ts";
import type { FeedWorld } from "./world.ts";

/** What a signed text says: its payload, or whose fault it is that nobody can say. */
export type ReadSigned = (jws: string) => Promise<JsonObject | "forged" | "keys_unavailable">;

export interface KeptSnapshot {
  readonly snapshot: Uint8Array<ArrayBuffer>;
  readonly checkpoint: string;
}

/** What entries go into: a verifier's copy, or the log that a relay hands on. */
export interface EntrySink {
  /** A snapshot begins, and what follows was made with this feed key. @throws RangeError where that cannot be */
  use(feedKey: Uint8Array, expected?: number): void;
  /** Takes in `count` entries that stand one after the other. @returns false when it is full and some are missing */
  add(octets: Uint8Array, offset: number, count: number): boolean;
  /** The snapshot is in, all of it. */
  whole?(kept: KeptSnapshot, signed: Checkpoint): void;
  /** Drops a part of what ended before a time of the server. @param seconds since 1970 */
  forget(seconds: number): void;
}

/** A snapshot that the issuer signed. */
export interface Believed {
  readonly ok: true;
  readonly kept: KeptSnapshot;
  readonly snapshot: Snapshot;
  readonly signed: Checkpoint;
}

export interface NotHad {
  readonly ok: false;
  readonly why: "failed";
  readonly reason: string;
}

export type LoadOutcome =
  | { readonly ok: true; readonly copy: LoadedCopy; readonly kept: KeptSnapshot; readonly audience: string }
  | NotHad
  | { readonly ok: false; readonly why: "full" };

export interface SnapshotPlace {
  /** Address of the feed, without a slash at its end. */
  readonly base: () => string;
  /** Rejects with the reason where there are no credentials now. */
  readonly authorization: () => Promise<string>;
  /** Told that what was shown was refused. */
  readonly refused: () => void;
  readonly issuer: string;
  /** What the owner's tokens may name; null for whatever it is. */
  readonly audiences: readonly string[] | null;
  readonly most: number;
  readonly readSigned: ReadSigned;
  /** Of a relay: its id. */
  readonly relay: string | null;
  /** Told which relays stand between the issuer and whoever answered. */
  readonly above: (relays: readonly string[]) => void;
}

export interface LoadOptions extends SnapshotPlace {
  readonly copy: EntrySink;
  readonly recent: RecentEntries;
  /** What the issuer's clock says now at most, in milliseconds since 1970; null where nobody knows. */
  readonly issuerTime: () => number | null;
}

const TIMEOUT_MS = 60_000;
/** A server that vanished says nothing. Without this, the next attempt would wait for the whole of the other. */
const SILENCE_MS = 10_000;
/** Entries that are taken in before others have their turn: some two milliseconds. */
const PART = 2_048;

/** Gets a snapshot and checks whose it is. */
export async function fetchSnapshot(
  place: SnapshotPlace,
  world: FeedWorld,
  stop: AbortSignal,
): Promise<Believed | NotHad> {
  const hash = nodeCrypto?.createHash("sha256");
  let authorization: string;
  try {
    authorization = await place.authorization();
  } catch (error) {
    return failed(error instanceof Error ? error.message : "there are no credentials");
  }
  const answer = await exchange(
    {
      url: place.base() + FEED_PATHS.snapshot,
      headers: { accept: SNAPSHOT_TYPE, authorization },
      most: SNAPSHOT_HEADER_BYTES + place.most * ENTRY_BYTES,
      timeout: TIMEOUT_MS,
      silence: SILENCE_MS,
      ...(hash === undefined ? {} : { onPiece: (piece) => hash.update(piece) }),
    },
    world,
    stop,
  );
  const relays = relaysOf(answer.headers);
  place.above(relays);
  if (place.relay !== null && relays.includes(place.relay)) return failed(CIRCLE);
  if (!answer.ok) {
    if (answer.status === 401) {
      place.refused();
      return failed("the server refused the credentials");
    }
    return failed(`the snapshot could not be had: ${answer.reason}`);
  }
  const checkpoint = answer.headers.get(CHECKPOINT_HEADER);
  if (checkpoint === null) return failed("the snapshot came without its signature");
  const digest = hash === undefined ? await digestOf(answer.octets) : encodeBase64url(hash.digest());
  return believeSnapshot({ snapshot: answer.octets, checkpoint }, digest, place);
}

function relaysOf(headers: Headers | undefined): readonly string[] {
  const ids = (headers?.get(RELAYS_HEADER) ?? "").split(",").flatMap((id) => (id.trim() === "" ? [] : [id.trim()]));
  return ids.slice(0, RELAYS_MAX);
}

/** Checks a snapshot that is at hand. */
async function believeSnapshot(
  kept: KeptSnapshot,
  digest: string,
  { issuer, audiences, readSigned }: SnapshotPlace,
): Promise<Believed | NotHad> {
  const snapshot = decodeSnapshot(kept.snapshot);
  if (snapshot === null) return failed("the snapshot could not be read");
  const payload = await readSigned(kept.checkpoint);
  if (payload === "keys_unavailable") return failed("the snapshot's signature could not be checked");
  const signed = payload === "forged" ? null : readCheckpoint(payload);
  const { position, count } = snapshot;
  if (
    signed === null ||
    signed.iss !== issuer ||
    signed.since !== null ||
    comparePositions(signed.position, position) !== 0 ||
    signed.count !== count ||
    signed.sha256 !== digest
  ) {
    return failed("the snapshot is not the issuer's");
  }
  const unheard = audiences?.find((audience) => audience !== signed.aud);
  if (unheard !== undefined) {
    // What is revoked of single tokens of another audience is not told here: they would be accepted all the same.
    return failed(`this resource server hears of tokens for ${signed.aud}, and is to accept tokens for ${unheard}`);
  }
  return { ok: true, kept, snapshot, signed };
}

export async function loadSnapshot(options: LoadOptions, world: FeedWorld, stop: AbortSignal): Promise<LoadOutcome> {
  const believed = await fetchSnapshot(options, world, stop);
  return believed.ok ? takeIn(believed, options, world, stop) : believed;
}

/** Checks a snapshot that was kept, and takes its entries in. */
export async function takeSnapshot(
  kept: KeptSnapshot,
  options: LoadOptions,
  world: FeedWorld,
  stop: AbortSignal,
): Promise<LoadOutcome> {
  const believed = await believeSnapshot(kept, await digestOf(kept.snapshot), options);
  return believed.ok ? takeIn(believed, options, world, stop) : believed;
}

async function takeIn(
  { kept, snapshot, signed }: Believed,
  { copy, recent, issuerTime }: LoadOptions,
  world: FeedWorld,
  stop: AbortSignal,
): Promise<LoadOutcome> {
  const { position, count, feedKey, leaseMs } = snapshot;
  try {
    copy.use(feedKey, count);
  } catch {
    return { ok: false, why: "full" };
  }
  const taken = await takeEntries(snapshot, copy, world, stop);
  if (taken === "full") return { ok: false, why: "full" };
  if (taken === "bad") return failed("the snapshot has entries that cannot be understood");
  if (taken === "stopped") return failed("the verifier was closed");
  copy.whole?.(kept, signed);
  recent.begin(snapshot.octets, SNAPSHOT_HEADER_BYTES, count);
  const now = issuerTime();
  // Signed by a node whose clock is ahead of the one that told us the time: it vouches from now on, and not from later.
  const age = now === null ? Number.POSITIVE_INFINITY : Math.max(0, now - signed.iat * 1000);
  return {
    ok: true,
    copy: { position, feedKey, leaseMs, age, checkpoint: kept.checkpoint },
    kept,
    audience: signed.aud,
  };
}

async function takeEntries(
  { octets, count, position }: Snapshot,
  copy: EntrySink,
  world: FeedWorld,
  stop: AbortSignal,
): Promise<"all" | "full" | "bad" | "stopped"> {
  let after: Position = ORIGIN;
  for (let done = 0; done < count; done += PART) {
    const offset = SNAPSHOT_HEADER_BYTES + done * ENTRY_BYTES;
    const part = Math.min(PART, count - done);
    if (!entriesInOrder(octets, offset, part, after, position)) return "bad";
    if (!copy.add(octets, offset, part)) return "full";
    after = readPosition(octets, offset + (part - 1) * ENTRY_BYTES + 2);
    await world.turn();
    if (stop.aborted) return "stopped";
  }
  return "all";
}

function failed(reason: string): NotHad {
  return { ok: false, why: "failed", reason };
}

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
import type { Copy } from "./copy.ts";
import { ENTRY_BYTES, entriesInOrder, readPosition } from "./entry.ts";
import type { LoadedCopy } from "./follower-state.ts";
import { comparePositions, ORIGIN, type Position } from "./position.ts";
import {
  CHECKPOINT_HEADER,
  decodeSnapshot,
  readCheckpoint,
  SNAPSHOT_HEADER_BYTES,
  SNAPSHOT_TYPE,
  type Snapshot,
  snapshotDigest,
} from "./snapshot.ts";
import { FEED_PATHS } from "./wire.ts";
import type { FeedWorld } from "./world.ts";

/** What a signed text says: its payload, or whose fault it is that nobody can say. */
export type ReadSigned = (jws: string) => Promise<JsonObject | "forged" | "keys_unavailable">;

export interface KeptSnapshot {
  readonly snapshot: Uint8Array<ArrayBuffer>;
  readonly checkpoint: string;
}

export type LoadOutcome =
  | { readonly ok: true; readonly copy: LoadedCopy; readonly kept: KeptSnapshot }
  | { readonly ok: false; readonly why: "failed"; readonly reason: string }
  | { readonly ok: false; readonly why: "full" };

export interface LoadOptions {
  /** Address of the feed, without a slash at its end. */
  readonly base: string;
  readonly issuer: string;
  readonly authorization: string;
  readonly most: number;
  readonly copy: Copy;
  readonly readSigned: ReadSigned;
}

const TIMEOUT_MS = 60_000;
/** A server that vanished says nothing. Without this, the next attempt would wait for the whole of the other. */
const SILENCE_MS = 10_000;
/** Entries that are taken in before others have their turn: some two milliseconds. */
const PART = 2_048;

export async function loadSnapshot(options: LoadOptions, world: FeedWorld, stop: AbortSignal): Promise<LoadOutcome> {
  const { base, authorization, most } = options;
  const hash = nodeCrypto?.createHash("sha256");
  const answer = await exchange(
    {
      url: base + FEED_PATHS.snapshot,
      headers: { accept: SNAPSHOT_TYPE, authorization },
      most: SNAPSHOT_HEADER_BYTES + most * ENTRY_BYTES,
      timeout: TIMEOUT_MS,
      silence: SILENCE_MS,
      ...(hash === undefined ? {} : { onPiece: (piece) => hash.update(piece) }),
    },
    world,
    stop,
  );
  if (!answer.ok) {
    if (answer.status === 401) return failed("the server refused the credentials");
    return failed(`the snapshot could not be had: ${answer.reason}`);
  }
  const checkpoint = answer.headers.get(CHECKPOINT_HEADER);
  if (checkpoint === null) return failed("the snapshot came without its signature");
  const digest = hash === undefined ? await snapshotDigest(answer.octets) : encodeBase64url(hash.digest());
  return takeSnapshot({ snapshot: answer.octets, checkpoint }, digest, options, world, stop);
}

/** Checks a snapshot that is at hand and takes its entries in. */
export async function takeSnapshot(
  kept: KeptSnapshot,
  digest: string,
  options: LoadOptions,
  world: FeedWorld,
  stop: AbortSignal,
): Promise<LoadOutcome> {
  const { issuer, readSigned, copy } = options;
  const snapshot = decodeSnapshot(kept.snapshot);
  if (snapshot === null) return failed("the snapshot could not be read");
  const payload = await readSigned(kept.checkpoint);
  if (payload === "keys_unavailable") return failed("the snapshot's signature could not be checked");
  const signed = payload === "forged" ? null : readCheckpoint(payload);
  const { position, count, feedKey, leaseMs } = snapshot;
  if (
    signed === null ||
    signed.iss !== issuer ||
    comparePositions(signed.position, position) !== 0 ||
    signed.count !== count ||
    signed.sha256 !== digest
  ) {
    return failed("the snapshot is not the issuer's");
  }
  try {
    copy.use(feedKey, count);
  } catch {
    return { ok: false, why: "full" };
  }
  const taken = await takeEntries(snapshot, copy, world, stop);
  if (taken === "full") return { ok: false, why: "full" };
  if (taken === "bad") return failed("the snapshot has entries that cannot be understood");
  if (taken === "stopped") return failed("the verifier was closed");
  return { ok: true, copy: { position, feedKey, leaseMs, checkpoint: kept.checkpoint }, kept };
}

async function takeEntries(
  { octets, count, position }: Snapshot,
  copy: Copy,
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

function failed(reason: string): LoadOutcome {
  return { ok: false, why: "failed", reason };
}

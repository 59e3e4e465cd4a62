/** Reads the checkpoints that come in heartbeats, and compares them with what came before them. */
import { readCheckpoint } from "./checkpoint.ts";
import type { Found } from "./follower-state.ts";
import type { ReadSigned } from "./load.ts";
import { comparePositions, type Position } from "./position.ts";
import type { RecentEntries } from "./recent.ts";

export interface VouchingParts {
  readonly issuer: string;
  /** Whose single tokens we hear of, as the last snapshot said. */
  readonly audience: () => string | null;
  /** Everything up to here has come. */
  readonly received: () => Position | null;
  readonly recent: RecentEntries;
  readonly readSigned: ReadSigned;
  readonly issuerTime: () => number | null;
}

/** What a checkpoint comes to; null where nobody can tell at the moment. */
export async function readVouching(jws: string, parts: VouchingParts): Promise<Found | null> {
  const { issuer, audience, received, recent, readSigned, issuerTime } = parts;
  const payload = await readSigned(jws).catch((): "keys_unavailable" => "keys_unavailable");
  if (payload === "keys_unavailable") return null;
  const signed = payload === "forged" ? null : readCheckpoint(payload);
  // One of a snapshot or for another audience says nothing of this stream, though the issuer signed it.
  if (signed === null || signed.iss !== issuer || signed.since === null || signed.aud !== audience()) {
    return { is: "forged" };
  }
  const { position, since, iat, count, sha256 } = signed;
  const now = issuerTime();
  const age = now === null ? Number.POSITIVE_INFINITY : Math.max(0, now - iat * 1000);
  const until = received();
  const hasCome = until !== null && comparePositions(position, until) <= 0;
  const window = hasCome ? await recent.window(since, position, iat) : null;
  if (window === null) return { is: "signed", position, since, entries: "gone", age };
  const isSame = window.count === count && window.sha256 === sha256;
  return { is: "signed", position, since, entries: isSame ? "same" : "other", age };
}

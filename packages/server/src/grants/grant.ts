/**
 * A grant: what one client holds under a session, and the generation of its refresh token. It is the one row that a
 * refresh changes; there is no table of spent tokens.
 */
import type { ClientId, GrantId, SessionId } from "../prelude/ids.ts";
import type { EndReason, Position } from "../revocation/entry.ts";
import type { Session } from "../sessions/session.ts";
import type { Slot } from "../status/slot.ts";
import type { Account } from "../users/user.ts";

/** What a client kind means for its grants; copied onto the row so that a refresh reads one. */
export interface GrantPolicy {
  /** Public clients rotate their refresh tokens, confidential ones do not (FAPI 2.0). */
  readonly rotates: boolean;
  /** What a replay ends. */
  readonly replayEnds: "session" | "grant";
}

export interface Grant {
  /** The 128 random bits that stand inside the refresh token and nowhere else. */
  readonly secretId: Buffer;
  readonly id: GrantId;
  readonly session: SessionId;
  readonly client: ClientId;
  readonly scope: readonly string[];
  readonly policy: GrantPolicy;
  readonly generation: number;
  /** The MAC key of the current generation's refresh token, so that it can be answered again to the letter. */
  readonly macKey: number;
  /** When the current generation began: Unix milliseconds. */
  readonly rotatedAt: number;
  /** SHA-256 of the `Idempotency-Key` that the last rotation came with. */
  readonly proof: Buffer | null;
  readonly usedAt: number;
  readonly idleExpiresAt: number;
  readonly createdAt: number;
  readonly ended: { readonly at: number; readonly reason: EndReason } | null;
}

/** What a token is issued from: the grant with the session and user it hangs under, and the log's position before. */
export interface Standing<Who extends Account = Account> {
  readonly grant: Grant;
  readonly session: Session;
  readonly user: Who;
  /** Read in the same transaction as the state, never after it (`rsq`). */
  readonly position: Position;
  /** The bit that stands for its tokens in a status list; `null` where they name none. */
  readonly slot: Slot | null;
}

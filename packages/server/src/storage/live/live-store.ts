/**
 * A live store: sessions and grants, kept beside a storage that holds all the rest (compose.ts puts the two together). It
 * may lose its tail in a failover, or everything, and it never decides alone whether something is over:
 *
 *   born        the log's position, read before the state was read that a session began on. An entry after it that
 *               concerns the session has ended it, whatever this store says
 *   account     a copy of what of the user goes into tokens, good until the log names the user again
 *   revision    counts a grant's changes: what was decided on an older one is not written
 *
 * Every answer comes with the store's clock, by which what it holds is judged.
 */
import type { Grant } from "../../grants/grant.ts";
import type { PresentedRefresh, RefreshSettings } from "../../grants/refresh-rule.ts";
import type { GrantId, SessionId, UserId } from "../../prelude/ids.ts";
import type { Position, RevocationEntry } from "../../revocation/entry.ts";
import type { Session } from "../../sessions/session.ts";
import type { After, Ended } from "../rows.ts";

/** What of a user decides and goes into tokens, as it was at a position of the log. He was active then. */
export interface AccountCopy {
  readonly roles: readonly string[];
  /** Read before the user was. */
  readonly at: Position;
}

export interface LiveSession {
  /** With the last use of its grants. */
  readonly session: Session;
  readonly born: Position;
  /** The credential version that the log-in verified. */
  readonly credentialVersion: number;
  readonly account: AccountCopy;
}

/** A grant with the session that it hangs under. */
export interface LiveGrant extends LiveSession {
  readonly grant: Grant;
  readonly grantBorn: Position;
  readonly revision: number;
}

/** An answer, and the store's clock when it was given: Unix milliseconds. */
export interface At<T> {
  readonly now: number;
  readonly found: T;
}

export interface Used extends At<LiveGrant | undefined> {
  readonly before: Grant | null;
}

export interface LiveStore {
  grant(secretId: Buffer): Promise<At<LiveGrant | undefined>>;
  grantById(id: GrantId): Promise<At<LiveGrant | undefined>>;
  session(id: SessionId): Promise<At<LiveSession | undefined>>;
  /** The user's sessions that nothing has ended here, newest first, those not confirmed yet included. */
  unended(user: UserId): Promise<At<readonly LiveSession[]>>;
  /** Newest first, then by id downwards; `null`: everyone's. Fewer than `limit` only where there are no more. */
  list(user: UserId | null, after: After | null, limit: number): Promise<At<readonly LiveSession[]>>;
  countUnended(): Promise<number>;

  /**
   * Adds a session with its first grant, for a minute: it is gone after it unless confirmed. `false`, and nothing, where the
   * user's unended sessions are not those that were decided on (`among`; `null`: whatever they are).
   */
  begin(begun: Omit<LiveGrant, "revision">, among: readonly SessionId[] | null): Promise<boolean>;
  /** The session stays; `false` where it is gone. Resolves once it is as durable as the store is set up to make it. */
  confirm(session: SessionId): Promise<boolean>;
  /** Takes back what was begun. */
  discard(session: SessionId): Promise<void>;

  /**
   * The usual refresh in one step: where the rule (grants/refresh-rule.ts) says `rotated` or `unrotated`, by the store's own
   * clock and without asking for a role, it is done; `before` is the grant as it was. Else nothing is, and `before` is `null`.
   */
  use(presented: PresentedRefresh, settings: RefreshSettings): Promise<Used>;
  /** Writes what a refresh changes of a grant, and the copy of the user; `false` where the revision is another by now. */
  write(held: LiveGrant): Promise<boolean>;

  /** The last entry of the log that was carried out here; `null` where the store is new or was emptied. */
  position(): Promise<Position | null>;
  /**
   * Carries out entries that follow a position: marks what they end as ended, as of the entry's time. Returns the position
   * reached. A store that is not as far as `after` yet does nothing and returns where it is; one at `null` believes `after`.
   */
  settle(after: Position, entries: readonly RevocationEntry[]): Promise<Position>;
  /** Marks sessions as ended that are not. */
  end(sessions: readonly { readonly id: SessionId; readonly ended: Ended }[]): Promise<void>;
  /** Unended sessions whose time has run out, at most so many; not those that another node was given a moment ago. */
  due(limit: number): Promise<At<readonly LiveSession[]>>;
  /** Removes sessions that ended before a time, with their grants; at most so many. Returns how many. */
  forget(endedBefore: number, limit: number): Promise<number>;

  /** Throws `Unavailable` where the store does not answer. */
  check(): Promise<void>;
  /** Told each time the store answers again after it was away: perhaps as another server, that knows less. */
  onReturn(listener: () => void): void;
  close(): Promise<void>;
}

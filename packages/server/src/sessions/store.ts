/** What sessions ask of storage. A session begins with its first grant: see grants/store.ts. */
import type { Cause } from "../audit/event.ts";
import type { SessionId, UserId } from "../prelude/ids.ts";
import type { Page, PageRequest } from "../prelude/page.ts";
import type { EndReason } from "../revocation/entry.ts";
import type { Session } from "./session.ts";

export interface SessionFilter {
  readonly user?: UserId;
  /** Only live ones. */
  readonly live?: boolean;
}

/**
 * Which sessions to end. With `owner`, a session of another user counts as not there. `shown`: a token of the session was
 * shown, so that it is the owner's for certain, also where no store can be asked.
 */
export type EndTarget =
  | { readonly session: SessionId; readonly owner?: UserId; readonly shown?: boolean }
  | { readonly user: UserId; readonly except?: SessionId }
  | { readonly everyone: true };

export interface SessionStore {
  /** Also ended ones, for as long as they are kept. */
  find(id: SessionId): Promise<Session | undefined>;
  /** The user's live sessions, newest first. */
  listLive(user: UserId): Promise<readonly Session[]>;
  /** Newest first. */
  list(filter: SessionFilter, page: PageRequest): Promise<Page<Session>>;
  /** Ends what is live of the target and writes entries and audit: one atomic step. Returns how many ended. */
  end(target: EndTarget, reason: EndReason, cause: Cause): Promise<number>;
  /** Marks sessions whose time ran out as ended, and forgets those that ended before a time (Unix ms). Returns how many were forgotten. */
  sweep(forgetBefore: number): Promise<number>;
}

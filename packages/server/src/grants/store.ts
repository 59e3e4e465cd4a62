/** What grants ask of storage: the two steps that issue tokens. */
import type { Cause } from "../audit/event.ts";
import type { ClientId, GrantId, SessionId, UserId } from "../prelude/ids.ts";
import type { EndReason } from "../revocation/entry.ts";
import type { SessionLimit } from "../sessions/limit.ts";
import type { Session } from "../sessions/session.ts";
import type { User } from "../users/user.ts";
import type { Grant, Standing } from "./grant.ts";
import type { PresentedRefresh, RefreshDecision, RefreshRefusal, RefreshSettings } from "./refresh-rule.ts";

export interface LogIn {
  readonly session: Session;
  readonly grant: Grant;
  /** The credential version that was verified: a change in between wins. */
  readonly credentialVersion: number;
  readonly limit: SessionLimit;
  /** The session that the user chose to end for this one. */
  readonly chosen: SessionId | null;
  /** For a status list that may have to be opened (status/slot.ts); `null`: the grant's tokens name none. */
  readonly listSeed: Buffer | null;
  readonly cause: Cause;
}

export type LogInOutcome =
  | { readonly kind: "opened"; readonly standing: Standing<User>; readonly evicted: readonly SessionId[] }
  | { readonly kind: "session_limit"; readonly sessions: readonly Session[] }
  /** The password changed, the user was disabled or deleted, or the client is gone, between the check and now. */
  | { readonly kind: "stale_credential" };

export type UseOutcome =
  | {
      readonly allow: true;
      readonly how: (RefreshDecision & { allow: true })["how"];
      readonly standing: Standing;
    }
  | { readonly allow: false; readonly refusal: RefreshRefusal };

/** Which grant to end: by its refresh token's secret, for the client that shows it; or by its public id. */
export type GrantTarget =
  | { readonly secretId: Buffer; readonly client: ClientId }
  /** With `owner`, another user's grant counts as not there. */
  | { readonly id: GrantId; readonly owner?: UserId };

export interface GrantStore {
  /** A log-in: locks the user, applies the session limit, writes session, grant and effects (open-rule.ts): one atomic step. */
  open(logIn: LogIn): Promise<LogInOutcome>;
  /** A refresh: reads the row, decides (refresh-rule.ts), writes it and the effects: one atomic step. */
  use(presented: PresentedRefresh, settings: RefreshSettings, cause: Cause): Promise<UseOutcome>;
  /** The grant of a refresh token, with what it hangs under and the log's position; ended ones too, while they are kept. */
  find(secretId: Buffer): Promise<Standing | undefined>;
  /** Ends a grant, or the session that it is all of, with entries and audit (end-rule.ts): one atomic step. */
  end(target: GrantTarget, reason: EndReason, cause: Cause): Promise<void>;
}

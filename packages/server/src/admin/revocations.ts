/**
 * Taking something back by its id: what the revocation route and the command line share.
 *
 *   who asks           may take back
 *   administrator      anything; what is wide (a client, a key, everyone) only with a second confirmation
 *   user               the token he shows, and sessions and grants of his own
 *
 * What does not exist, is over, or belongs to somebody else is answered like what was taken back: it tells nothing.
 */
import { type Cause, draft } from "../audit/event.ts";
import type { ClientStore } from "../clients/store.ts";
import type { GrantStore } from "../grants/store.ts";
import type { Keyring } from "../keys/keyring.ts";
import { asId, type GrantId, type UserId } from "../prelude/ids.ts";
import { audit } from "../revocation/effects.ts";
import type { EndReason, RevocationKind } from "../revocation/entry.ts";
import type { RevocationStore } from "../revocation/store.ts";
import type { SessionStore } from "../sessions/store.ts";
import type { UserStore } from "../users/store.ts";

export interface Wish {
  readonly kind: RevocationKind;
  /** Empty for `all`. */
  readonly id: string;
  readonly reason: EndReason | null;
}

/** A user with the access token that he showed, if it was one; `null`: an administrator, or the operator of the machine. */
export interface Owner {
  readonly user: UserId;
  readonly token: { readonly jti: string; readonly grant: GrantId; readonly audience: string | null } | null;
}

/** `forbidden`: a kind that the owner may not take back. Nothing else is told. */
export type RevocationAction = (wish: Wish, owner: Owner | null, cause: Cause) => Promise<"done" | "forbidden">;

/** Kinds that concern many at once: a mistake is an outage. */
export const WIDE: Partial<Record<RevocationKind, true>> = { client: true, key: true, all: true };
const OWN: Partial<Record<RevocationKind, true>> = { token: true, session: true, grant: true };

export function createRevocationAction(services: {
  readonly revocation: RevocationStore;
  readonly sessions: SessionStore;
  readonly grants: GrantStore;
  readonly users: UserStore;
  readonly clients: ClientStore;
  readonly keyring: Keyring;
}): RevocationAction {
  const { revocation, sessions, grants, users, clients, keyring } = services;
  return async ({ kind, id, reason: asked }, owner, cause) => {
    if (owner !== null && OWN[kind] !== true) return "forbidden";
    const reason = asked ?? (owner === null ? "admin" : "logout");
    const mine = owner === null ? {} : { owner: owner.user };
    const told = (about: { user?: string; client?: string }) =>
      audit(draft("revocation.requested", cause, about, { kind, id, reason }));
    switch (kind) {
      case "token":
        if (owner === null) {
          await revocation.apply([{ effect: "revoke", kind, value: id, reason }, told({})]);
        } else if (owner.token?.jti === id) {
          await revocation.apply([{ effect: "revoke_token", ...owner.token, reason }, told({ user: owner.user })]);
        }
        return "done";
      case "session":
        await sessions.end({ session: asId("session", id), ...mine }, reason, cause);
        return "done";
      case "grant":
        await grants.end({ id: asId("grant", id), ...mine }, reason, cause);
        return "done";
      case "user":
        if ((await users.find(asId("user", id))) !== undefined) {
          await sessions.end({ user: asId("user", id) }, reason, cause);
        }
        return "done";
      case "client":
        await clients.endGrants(asId("client", id), reason, [
          { effect: "revoke", kind, value: id, reason },
          told({ client: id }),
        ]);
        return "done";
      case "key":
        await keyring.revoke(id, cause);
        return "done";
      case "all":
        await sessions.end({ everyone: true }, reason, cause);
        return "done";
    }
  };
}

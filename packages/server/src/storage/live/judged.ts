/** What the live store says, corrected by what the log says: the one place where the two are put together. */
import type { Grant } from "../../grants/grant.ts";
import type { EndedSet } from "../../revocation/ended-set.ts";
import { endOf, type Session } from "../../sessions/session.ts";
import type { LiveGrant, LiveSession } from "./live-store.ts";

/** The session, ended where the log has ended it; one whose time had run out before ended for that reason. */
export function judgedSession({ session, born }: LiveSession, ended: EndedSet): Session {
  if (session.ended !== null) return session;
  const cut = ended.ofSession(session.id, session.user, born);
  if (cut === null) return session;
  return { ...session, ended: { at: cut.at, reason: endOf(session, cut.at) ?? cut.reason } };
}

export function judgedGrant(held: LiveGrant, ended: EndedSet): { readonly grant: Grant; readonly session: Session } {
  const { grant, grantBorn } = held;
  const cut = grant.ended === null ? ended.ofGrant(grant.id, grant.client, grantBorn) : null;
  return {
    grant: cut === null ? grant : { ...grant, ended: { at: cut.at, reason: cut.reason } },
    session: judgedSession(held, ended),
  };
}

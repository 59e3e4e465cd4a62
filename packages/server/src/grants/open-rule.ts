/**
 * The rule of a log-in, after the password was right: is the credential that was checked still the user's, is there
 * room under the session limit, and who has to go. Pure; every driver applies it while it holds the user.
 */
import { draft } from "../audit/event.ts";
import type { SessionId } from "../prelude/ids.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import { decideLimit } from "../sessions/limit.ts";
import type { Session } from "../sessions/session.ts";
import type { User } from "../users/user.ts";
import type { LogIn } from "./store.ts";

export type OpenDecision =
  | { readonly kind: "open"; readonly evicted: readonly SessionId[]; readonly effects: readonly Effect[] }
  | { readonly kind: "session_limit"; readonly sessions: readonly Session[]; readonly effects: readonly Effect[] }
  | { readonly kind: "stale_credential"; readonly effects: readonly [] };

/**
 * @param client whether the client still is: one that was deleted in between takes its grants along, this one too
 * @param live the user's live sessions at this moment
 */
export function decideOpen(
  user: User | undefined,
  client: boolean,
  live: readonly Session[],
  logIn: LogIn,
): OpenDecision {
  if (user?.state !== "active" || user.credentialVersion !== logIn.credentialVersion || !client) {
    return { kind: "stale_credential", effects: [] };
  }
  const { session, cause } = logIn;
  const decision = decideLimit(live, session, logIn.limit, logIn.chosen);
  const about = { user: user.id, session: session.id, client: session.client };
  if (!decision.allow) {
    const refused = audit(draft("login.limited", cause, { user: user.id, client: session.client }));
    return { kind: "session_limit", sessions: decision.sessions, effects: [refused] };
  }
  const evictions = decision.end.flatMap((id): Effect[] => [
    { effect: "end_session", session: id, reason: "evicted" },
    audit(draft("session.ended", cause, { user: user.id, session: id }, { reason: "evicted" })),
  ]);
  const began = audit(draft("login.succeeded", cause, about, { device: session.device.name }));
  return { kind: "open", evicted: decision.end, effects: [...evictions, began] };
}

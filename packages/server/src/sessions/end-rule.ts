/**
 * The rule of ending sessions on request: from what is to end to the effects. A session whose time ran out but which
 * nobody marked yet is ended too, so that a clock that goes back cannot revive what someone ended.
 */
import { type Cause, draft } from "../audit/event.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import type { EndReason } from "../revocation/entry.ts";
import type { Session } from "./session.ts";
import type { EndTarget } from "./store.ts";

/** @param named the session that the target names, where it names one and it exists */
export function decideEnd(
  target: EndTarget,
  named: Session | undefined,
  reason: EndReason,
  cause: Cause,
): readonly Effect[] {
  if ("session" in target) {
    const theirs = named !== undefined && (target.owner === undefined || named.user === target.owner);
    if (!theirs || named.ended !== null) return [];
    const about = { user: named.user, session: named.id, client: named.client };
    return [
      { effect: "end_session", session: named.id, reason },
      audit(draft("session.ended", cause, about, { reason })),
    ];
  }
  if ("user" in target) {
    const except = target.except ?? null;
    return [
      { effect: "end_sessions_of_user", user: target.user, except, reason },
      audit(draft("sessions.ended", cause, { user: target.user, session: except }, { reason })),
    ];
  }
  return [
    { effect: "end_all_sessions", reason },
    audit(draft("sessions.ended", cause, {}, { reason, everyone: true })),
  ];
}

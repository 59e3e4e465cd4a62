/**
 * The rule of ending one grant on request. A first-party client's grant is all that its session is for: without it the
 * session would stand in the list of devices and open nothing, so the session ends (as a replay of its token would end it).
 */
import { type Cause, draft } from "../audit/event.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import type { EndReason } from "../revocation/entry.ts";
import type { Session } from "../sessions/session.ts";
import type { Grant } from "./grant.ts";
import type { GrantTarget } from "./store.ts";

/** @param found the grant that the target names, where there is one, and its session */
export function decideGrantEnd(
  target: GrantTarget,
  found: { readonly grant: Grant; readonly session: Session } | undefined,
  reason: EndReason,
  cause: Cause,
): readonly Effect[] {
  if (found === undefined) return [];
  const { grant, session } = found;
  const theirs =
    "client" in target ? grant.client === target.client : target.owner === undefined || session.user === target.owner;
  if (!theirs || grant.ended !== null || session.ended !== null) return [];
  const about = { user: session.user, session: session.id, client: grant.client };
  const told = (name: "session.ended" | "revocation.requested", detail: Record<string, string>) =>
    audit(draft(name, cause, about, detail));
  if (grant.policy.replayEnds === "session") {
    return [{ effect: "end_session", session: session.id, reason }, told("session.ended", { reason })];
  }
  return [
    { effect: "end_grant", grant: grant.id, reason },
    told("revocation.requested", { kind: "grant", reason, id: grant.id }),
  ];
}

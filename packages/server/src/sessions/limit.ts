/**
 * The session limit: how many sessions one user may have at a time, counted per user, per device class or per client,
 * and what happens to a log-in above it.
 *
 *   evict    the oldest make room, and are told why
 *   refuse   the log-in is refused, with the list of devices
 *   ask      the same, and the log-in may name in `end_session` which one ends (where the limit was lowered and one
 *            is not enough, the oldest go with it: else nobody above the new limit could log in)
 *
 * Decided under the user's row lock (or in the store's one writer), so that it holds under concurrent log-ins.
 */
import type { SessionId } from "../prelude/ids.ts";
import type { Session } from "./session.ts";

export const LIMIT_ACTIONS = ["evict", "refuse", "ask"] as const;
export const LIMIT_SCOPES = ["user", "device_class", "client"] as const;

export interface SessionLimit {
  /** 0: none. */
  readonly max: number;
  readonly action: (typeof LIMIT_ACTIONS)[number];
  readonly per: (typeof LIMIT_SCOPES)[number];
}

export type LimitDecision =
  | { readonly allow: true; readonly end: readonly SessionId[] }
  | { readonly allow: false; readonly sessions: readonly Session[] };

const SAME: Record<SessionLimit["per"], (a: Session, b: Session) => boolean> = {
  user: () => true,
  device_class: (a, b) => a.device.class === b.device.class,
  client: (a, b) => a.client === b.client,
};

/**
 * Decides whether `arriving` may begin beside the user's `live` sessions, and which of them end for it.
 * @param chosen the session that the user chose to end in the same request
 */
export function decideLimit(
  live: readonly Session[],
  arriving: Session,
  limit: SessionLimit,
  chosen: SessionId | null,
): LimitDecision {
  if (limit.max === 0) return { allow: true, end: [] };
  const peers = live
    .filter((session) => SAME[limit.per](session, arriving))
    .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  const excess = peers.length + 1 - limit.max;
  if (excess <= 0) return { allow: true, end: [] };
  if (limit.action === "evict") return { allow: true, end: peers.slice(0, excess).map(({ id }) => id) };
  const picked = peers.filter(({ id }) => limit.action === "ask" && id === chosen);
  if (picked.length === 0) return { allow: false, sessions: peers };
  const others = peers.filter((session) => !picked.includes(session)).slice(0, excess - 1);
  return { allow: true, end: [...picked, ...others].map(({ id }) => id) };
}

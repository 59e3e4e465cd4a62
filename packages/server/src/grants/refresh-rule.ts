/**
 * The refresh rule: one pure decision over one row.
 *
 *   presented generation        decision
 *   ────────────────────        ──────────────────────────────────────────────────────────────────────────
 *   current                     rotate: the next generation
 *   current − 1, in the grace   the same successor again, nothing changes: retries and parallel tabs converge
 *   current − 1, with proof     the same successor again: it was never used, so a reply was lost on the way
 *   current − 1, or older       replay: thief and victim both hold copies; end the session (or the grant)
 *   above current               the store lost its tail in a failover: fast-forward, never call it replay
 *
 * Ended, expired or another client's: refused, with the reason. RFC 9700 §4.14.2 asks for rotation with detection of
 * reuse; the middle rows are what keeps an honest client logged in.
 */
import { type Cause, draft } from "../audit/event.ts";
import type { ClientId, DeviceId } from "../prelude/ids.ts";
import { sameBytes } from "../prelude/secret.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import type { EndReason } from "../revocation/entry.ts";
import { endOf, type Session } from "../sessions/session.ts";
import type { Account } from "../users/user.ts";
import type { Grant } from "./grant.ts";

/** A refresh token that passed its MAC, and what came with it. */
export interface PresentedRefresh {
  readonly secretId: Buffer;
  readonly generation: number;
  readonly client: ClientId;
  /** SHA-256 of the request's `Idempotency-Key`. */
  readonly proof: Buffer | null;
  /** The device whose token or cookie came along. */
  readonly device: DeviceId | null;
  /** The MAC key for a successor made now. */
  readonly macKey: number;
  /** A role that the user must have for what is asked (a token of the admin API); `null` where none. */
  readonly requiredRole: string | null;
  /** For a status list that may have to be opened (status/slot.ts); `null`: the token names none. */
  readonly listSeed: Buffer | null;
}

export interface RefreshSettings {
  readonly graceMs: number;
  readonly idleMs: number;
}

export type RefreshRefusal =
  | { readonly code: "invalid_refresh_token" }
  | { readonly code: "refresh_token_replayed" }
  | { readonly code: "forbidden" }
  | { readonly code: "session_ended"; readonly reason: EndReason };

export type RefreshDecision =
  | {
      readonly allow: true;
      readonly how: "rotated" | "repeated" | "recovered" | "fast_forwarded" | "unrotated";
      /** The row after the step; the same object where nothing changes. */
      readonly grant: Grant;
      readonly effects: readonly Effect[];
    }
  | { readonly allow: false; readonly refusal: RefreshRefusal; readonly effects: readonly Effect[] };

/** Decides a refresh at the store's time `now` (Unix milliseconds). */
export function decideRefresh(
  held: { readonly grant: Grant; readonly session: Session; readonly user: Account },
  presented: PresentedRefresh,
  settings: RefreshSettings,
  cause: Cause,
  now: number,
): RefreshDecision {
  const { grant, session, user } = held;
  const about = { user: user.id, session: session.id, client: grant.client };
  const refuse = (refusal: RefreshRefusal, ...effects: readonly Effect[]): RefreshDecision => ({
    allow: false,
    refusal,
    effects,
  });

  // A token bound to one client is no token in another's hands (RFC 6749 §6).
  if (grant.client !== presented.client) return refuse({ code: "invalid_refresh_token" });
  const ended = grant.ended?.reason ?? endOf(session, now) ?? (now >= grant.idleExpiresAt ? "expired" : null);
  if (ended !== null) {
    const lapsed = ended === "expired" && session.ended === null && endOf(session, now) !== null;
    return refuse(
      { code: "session_ended", reason: ended },
      ...(lapsed ? [{ effect: "end_session", session: session.id, reason: "expired" } as const] : []),
    );
  }
  if (user.state !== "active") return refuse({ code: "session_ended", reason: "user_disabled" });

  if (presented.requiredRole !== null && !user.roles.includes(presented.requiredRole))
    return refuse({ code: "forbidden" });

  const rotate = (from: number): Grant => ({
    ...grant,
    generation: from + 1,
    macKey: presented.macKey,
    rotatedAt: now,
    proof: presented.proof,
    usedAt: now,
    idleExpiresAt: now + settings.idleMs,
  });

  if (!grant.policy.rotates) {
    if (presented.generation !== grant.generation) return refuse({ code: "invalid_refresh_token" });
    return {
      allow: true,
      how: "unrotated",
      grant: { ...grant, usedAt: now, idleExpiresAt: now + settings.idleMs },
      effects: [],
    };
  }
  if (presented.generation === grant.generation) {
    return { allow: true, how: "rotated", grant: rotate(grant.generation), effects: [] };
  }
  if (presented.generation > grant.generation) {
    const detail = { stored: grant.generation, presented: presented.generation };
    return {
      allow: true,
      how: "fast_forwarded",
      grant: rotate(presented.generation),
      effects: [audit(draft("refresh.fast_forwarded", cause, about, detail))],
    };
  }
  if (presented.generation === grant.generation - 1) {
    // A clock that went back is inside the grace, not before it: time that did not pass cannot prove a theft.
    if (now - grant.rotatedAt <= settings.graceMs) return { allow: true, how: "repeated", grant, effects: [] };
    if (provesSameClient(grant, session, presented)) {
      return { allow: true, how: "recovered", grant, effects: [audit(draft("refresh.recovered", cause, about))] };
    }
  }
  const replayed = audit(draft("refresh.replayed", cause, about, { generation: presented.generation }));
  return refuse(
    { code: "refresh_token_replayed" },
    grant.policy.replayEnds === "session"
      ? { effect: "end_session", session: session.id, reason: "replayed" }
      : { effect: "end_grant", grant: grant.id, reason: "replayed" },
    replayed,
  );
}

/** The `Idempotency-Key` it persisted before the lost request, or the device that the session began on. */
function provesSameClient(grant: Grant, session: Session, presented: PresentedRefresh): boolean {
  if (grant.proof !== null && presented.proof !== null && sameBytes(grant.proof, presented.proof)) return true;
  return presented.device !== null && presented.device === session.device.id;
}

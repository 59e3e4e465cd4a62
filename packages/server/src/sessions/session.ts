/**
 * A session: one log-in on one device or browser, and the one kill unit. Everything that came from the log-in hangs
 * under it and dies with it.
 *
 *   live ──► ended(reason)         a session is live while it has not ended, its absolute expiry lies ahead,
 *                                  and one of its grants was used within the idle time
 */
import type { ClientId, DeviceId, SessionId, UserId } from "../prelude/ids.ts";
import type { EndReason } from "../revocation/entry.ts";

export const DEVICE_CLASSES = ["desktop", "mobile", "tablet", "other"] as const;
export type DeviceClass = (typeof DEVICE_CLASSES)[number];

export interface Device {
  /** Which browser or installation: known again by its device token. */
  readonly id: DeviceId;
  /** What the user calls it, or what the user agent says: "Chrome on macOS". */
  readonly name: string;
  readonly class: DeviceClass;
}

export interface Session {
  readonly id: SessionId;
  readonly user: UserId;
  /** The client that the user logged in with. */
  readonly client: ClientId;
  readonly device: Device;
  /** The address of the log-in. */
  readonly address: string | null;
  /** How it authenticated (RFC 8176), e.g. `["pwd"]`. */
  readonly amr: readonly string[];
  /** Unix milliseconds, all of them. */
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly idleExpiresAt: number;
  readonly expiresAt: number;
  readonly ended: { readonly at: number; readonly reason: EndReason } | null;
}

/** Whether the session is live at a time (Unix milliseconds). */
export function isLive(session: Session, now: number): boolean {
  return session.ended === null && now < session.expiresAt && now < session.idleExpiresAt;
}

/** Why it is not live; `null` where it is. */
export function endOf(session: Session, now: number): EndReason | null {
  if (session.ended !== null) return session.ended.reason;
  return isLive(session, now) ? null : "expired";
}

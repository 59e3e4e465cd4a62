/** How rows look on the wire: one function and one schema each. Times are RFC 3339 in UTC. */
import { z } from "zod";
import type { Session } from "../../sessions/session.ts";
import type { IssuedTokens } from "../../signin/issue.ts";
import type { User } from "../../users/user.ts";

export function time(ms: number): string {
  return new Date(ms).toISOString();
}

const when = z.iso.datetime();

export const userSchema = z.object({
  id: z.string(),
  identifier: z.string().nullable(),
  name: z.string().nullable(),
  roles: z.array(z.string()),
  state: z.enum(["active", "disabled", "deleted"]),
  created_at: when,
});

export function userView(user: User): z.infer<typeof userSchema> {
  const { id, identifier, name, roles, state } = user;
  return { id, identifier, name, roles: [...roles], state, created_at: time(user.createdAt) };
}

export const sessionSchema = z.object({
  id: z.string(),
  device: z.object({ name: z.string(), class: z.enum(["desktop", "mobile", "tablet", "other"]) }),
  created_at: when,
  last_seen_at: when,
  expires_at: when,
  ip: z.string().nullable(),
  client_id: z.string(),
  current: z.boolean(),
});

/** @param current the session of the one who asks */
export function sessionView(session: Session, current: string | null): z.infer<typeof sessionSchema> {
  return {
    id: session.id,
    device: { name: session.device.name, class: session.device.class },
    created_at: time(session.createdAt),
    last_seen_at: time(session.lastSeenAt),
    expires_at: time(session.expiresAt),
    ip: session.address,
    client_id: session.client,
    current: session.id === current,
  };
}

export const tokenSchema = z.object({
  access_token: z.string(),
  token_type: z.literal("Bearer"),
  expires_in: z.number().int().describe("seconds"),
  scope: z.string().optional(),
  refresh_token: z.string().optional().describe("absent where a cookie does its work"),
});

/** RFC 6749 §5.1. @param whole with the refresh token, which otherwise a cookie holds */
export function tokenView(tokens: IssuedTokens, whole: boolean): z.infer<typeof tokenSchema> {
  return {
    access_token: tokens.accessToken,
    token_type: "Bearer",
    expires_in: tokens.expiresIn,
    ...(tokens.scope.length > 0 ? { scope: tokens.scope.join(" ") } : {}),
    ...(whole ? { refresh_token: tokens.refreshToken } : {}),
  };
}

/**
 * The shelf: the access tokens of the present session, in memory and nowhere else, one per audience ("" is the server's
 * default). What others offer is taken only where it is for this session, lives longer than what is here, and has not
 * just been refused.
 */
import { type AccessToken, type Freshness, freshness, remainingMs } from "./lifetime.ts";
import type { SharedToken } from "./tabs.ts";
import { type Clock, instant } from "./world.ts";

export interface Shelf {
  get(audience: string): { readonly token: string; readonly state: Freshness } | null;
  /** Whether it was taken. */
  put(audience: string, token: AccessToken): boolean;
  /** The token under way to another tab; `null` where there is none that is worth the way. */
  share(audience: string): SharedToken | null;
  /** Drops a token that a resource server refused, for good. */
  refuse(token: string): void;
  /** A session begins or ends (`null`): the tokens of the one before are returned to say goodbye with. */
  become(session: string | null): AccessToken | null;
}

export function emptyShelf(clock: Clock): Shelf {
  const tokens = new Map<string, AccessToken>();
  let session: string | null = null;
  let refused = "";

  return {
    get: (audience) => {
      const token = tokens.get(audience);
      return token === undefined ? null : { token: token.token, state: freshness(token, clock) };
    },
    put: (audience, token) => {
      if (token.session !== session || token.token === refused) return false;
      const present = tokens.get(audience);
      if (present !== undefined && remainingMs(present, clock) >= remainingMs(token, clock)) return false;
      tokens.set(audience, token);
      return true;
    },
    share: (audience) => {
      const token = tokens.get(audience);
      if (token === undefined || freshness(token, clock) !== "fresh") return null;
      const { sentAt: _, ...rest } = token;
      return { ...rest, remainingMs: remainingMs(token, clock), wall: clock.now() };
    },
    refuse: (token) => {
      refused = token;
      for (const [audience, held] of tokens) if (held.token === token) tokens.delete(audience);
    },
    become: (next) => {
      const last = tokens.get("") ?? null;
      tokens.clear();
      session = next;
      return last;
    },
  };
}

/** A token from another tab. One that was frozen reads its letters late: what was left then is not what is left now. */
export function received(
  { token, session, lifetimeMs, remainingMs: left, wall }: SharedToken,
  clock: Clock,
): AccessToken {
  const now = instant(clock);
  const spentMs = lifetimeMs - left + Math.max(0, now.wall - wall);
  return { token, session, lifetimeMs, sentAt: { wall: now.wall - spentMs, monotonic: now.monotonic - spentMs } };
}

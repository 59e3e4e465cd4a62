/**
 * A request by a session token: the session is looked up where sessions live, and used, so that it does not go idle.
 *
 *   token ──MAC──► grant, session, user ──► ended? idle? disabled? ──► who is calling
 *                                               └ used longer than a while ago: written down
 */
import type { Grant, Standing } from "../grants/grant.ts";
import type { GrantStore, UseOutcome } from "../grants/store.ts";
import { Unavailable } from "../prelude/fault.ts";
import type { Clock } from "../prelude/world.ts";
import type { EndReason } from "../revocation/entry.ts";
import { endOf } from "../sessions/session.ts";
import { learnMacKey } from "../tokens/mac-key.ts";
import { parseSessionToken } from "../tokens/session-token.ts";
import type { Vault } from "../vault/vault.ts";

export type PresentedSession =
  | { readonly ok: true; readonly standing: Standing }
  | { readonly ok: false; readonly code: "invalid_session_token" }
  | { readonly ok: false; readonly code: "session_ended"; readonly reason: EndReason };

export type ReadSession = (token: string) => Promise<PresentedSession>;

/** A grant's only generation where its client holds a session token: it never rotates. */
export const SESSION_GENERATION = 1;
/** A use is no event. */
const NOBODY = { actor: { kind: "anyone" }, address: null, requestId: null } as const;
/** A use is written down when the last one written lies this long ago, or this share of the idle time: not at each request. */
const TOUCH_MS = 60_000;
const TOUCH_SHARE = 20;

export function createReadSession(
  services: { readonly grants: GrantStore; readonly vault: Vault; readonly clock: Clock },
  settings: { readonly idleMs: number; readonly graceMs: number },
): ReadSession {
  const { grants, vault, clock } = services;
  const touchAfter = Math.min(TOUCH_MS, settings.idleMs / TOUCH_SHARE);

  /** `null`: not possible now. */
  const use = async (grant: Grant): Promise<UseOutcome | null> => {
    try {
      return await grants.use(presented(grant), settings, NOBODY);
    } catch (error) {
      if (error instanceof Unavailable) return null;
      throw error;
    }
  };

  return async (token) => {
    await learnMacKey(token, vault);
    const secretId = parseSessionToken(token, vault);
    const standing = secretId && (await grants.find(secretId));
    // What was forgotten after its end cannot be told from what never was.
    if (standing === undefined) return { ok: false, code: "invalid_session_token" };
    const reason = endOfStanding(standing, clock.now());
    if (reason !== null) return { ok: false, code: "session_ended", reason };
    if (clock.now() - standing.grant.usedAt < touchAfter) return { ok: true, standing };
    const used = await use(standing.grant);
    // That it was used is told with one of the next requests: the session is good, as was just read.
    if (used === null) return { ok: true, standing };
    if (used.allow) return { ok: true, standing: used.standing };
    return used.refusal.code === "session_ended"
      ? { ok: false, code: "session_ended", reason: used.refusal.reason }
      : { ok: false, code: "invalid_session_token" };
  };
}

/** Using a grant that does not rotate, as its own client. */
function presented({ secretId, client, macKey, generation }: Grant) {
  return { secretId, generation, client, proof: null, device: null, macKey, requiredRole: null, listSeed: null };
}

function endOfStanding({ grant, session, user }: Standing, now: number): EndReason | null {
  const lapsed = now >= grant.idleExpiresAt ? "expired" : null;
  const reason = grant.ended?.reason ?? endOf(session, now) ?? lapsed;
  return reason ?? (user.state === "active" ? null : "user_disabled");
}

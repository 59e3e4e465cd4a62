/**
 * What this server makes of an access token: the rules that every verifier applies, and then what an offline verifier
 * cannot know at once: is it revoked.
 *
 *   text ──► signature ──► claims ──► revocation, in memory ──► (shared secret: mark of issue, the session's row) ──► claims
 */
import { type AccessTokenClaims, type ClaimRules, checkClaims, type RefusalCode } from "@mapae/verifier";
import { checkSignature, parseJws } from "@mapae/verifier/jose";
import type { Keyring } from "../keys/keyring.ts";
import { asId } from "../prelude/ids.ts";
import type { Clock } from "../prelude/world.ts";
import type { EndReason } from "../revocation/entry.ts";
import type { LiveSet } from "../revocation/live-set.ts";
import { isLive } from "../sessions/session.ts";
import type { SessionStore } from "../sessions/store.ts";
import { bearsMark } from "../tokens/issue-mark.ts";
import type { Vault } from "../vault/vault.ts";

export type Judgement =
  | { readonly ok: true; readonly claims: AccessTokenClaims }
  /** `code` is the verifier's, `reason` why it was taken back; both for us, and not for whoever sent it. */
  | { readonly ok: false; readonly code: RefusalCode | "not_ours"; readonly reason: EndReason | null };

export type Judge = (token: string, rules: ClaimRules) => Promise<Judgement>;

export interface JudgeServices {
  readonly keyring: Keyring;
  readonly vault: Vault;
  readonly live: LiveSet;
  readonly sessions: SessionStore;
  readonly clock: Clock;
}

/** @param sharedSecret with HS* every verifier can sign: no token is believed without its mark of issue and its row */
export function createJudge(services: JudgeServices, sharedSecret: boolean): Judge {
  const { keyring, vault, live, sessions, clock } = services;
  const no = (code: (Judgement & { ok: false })["code"], reason: EndReason | null = null): Judgement => ({
    ok: false,
    code,
    reason,
  });
  return async (token, rules) => {
    const jws = parseJws(token);
    if (!jws.ok) return no(jws.code);
    const key = keyring.find(jws.header.kid);
    if (key === undefined) return no("unknown_key");
    const forged = checkSignature(jws, key);
    if (forged !== null) return no(forged.code);
    const checked = checkClaims(jws, rules, clock.now() / 1000);
    if (!checked.ok) return no(checked.code);
    const { claims } = checked;
    const reason = live.reasonFor(claims, jws.header.kid);
    if (reason !== null) return no("token_revoked", reason);
    if (sharedSecret) {
      if (claims.sid === undefined || !bearsMark(claims, vault)) return no("not_ours");
      const row = await sessions.find(asId("session", claims.sid));
      if (row === undefined || row.user !== claims.sub || !isLive(row, clock.now())) return no("not_ours");
    }
    return { ok: true, claims };
  };
}

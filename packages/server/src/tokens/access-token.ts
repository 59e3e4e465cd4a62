/**
 * The access token (RFC 9068): made here, and believed here by the same rules that every verifier applies.
 */

import type { AccessTokenClaims } from "@mapae/verifier";
import { signJws } from "@mapae/verifier/jose";
import type { PublishedKeys } from "../clients/published-keys.ts";
import type { Keyring } from "../keys/keyring.ts";
import type { World } from "../prelude/world.ts";
import type { Position } from "../revocation/entry.ts";
import { jtiWith, listUri, type Slot } from "../status/slot.ts";
import type { Vault } from "../vault/vault.ts";
import type { Encrypt } from "./encryption.ts";
import { markedId } from "./issue-mark.ts";

export interface AccessTokenSubject {
  readonly sub: string;
  readonly client: string;
  readonly session: string;
  /** The grant's public id. */
  readonly grant: string;
  readonly audience: string;
  /** The resource server's published keys, for which the token is encrypted; `null`: it is signed only. */
  readonly recipient: PublishedKeys | null;
  readonly scope: readonly string[];
  readonly roles: readonly string[];
  /** Unix milliseconds of the log-in. */
  readonly authenticatedAt: number;
  readonly amr: readonly string[];
  /** The log's position when the state was read, in the same transaction. */
  readonly position: Position;
  /** Unix milliseconds after which no token of the session may be alive. */
  readonly notAfter: number;
  /** The bit that stands for it in a status list; `null` where it names none. */
  readonly slot: Slot | null;
}

export interface IssuedToken {
  readonly token: string;
  readonly jti: string;
  /** Seconds. */
  readonly expiresIn: number;
}

export interface AccessTokens {
  /**
   * Makes room under the signing key's stored mark for tokens issued now. To be called before the step that a token comes
   * from: what revokes the token may be written before it is signed, and is kept only as long as the mark says.
   */
  reserve(): Promise<void>;
  issue(subject: AccessTokenSubject): Promise<IssuedToken>;
}

/** RFC 9068 §2.1. */
export const ACCESS_TOKEN_TYPE = "at+jwt";

export function createAccessTokens(
  keyring: Keyring,
  settings: {
    readonly issuer: string;
    readonly ttlMs: number;
    /** Marks tokens as ours beyond their signature (issue-mark.ts); `null` where only we can sign. */
    readonly mark: Vault | null;
    readonly encrypt: Encrypt;
  },
  world: World,
): AccessTokens {
  return {
    reserve: async () => {
      const signer = keyring.signer(Math.ceil((world.clock.now() + settings.ttlMs) / 1000));
      if (signer instanceof Promise) await signer;
    },
    issue: async (subject) => {
      const now = Math.floor(world.clock.now() / 1000);
      // A token does not outlive its session: the last ones are short.
      const lasts = Math.min(settings.ttlMs / 1000, Math.floor(subject.notAfter / 1000) - now);
      const exp = now + Math.max(1, Math.floor(lasts));
      const unnamed = {
        iss: settings.issuer,
        sub: subject.sub,
        aud: subject.audience,
        exp,
        iat: now,
        client_id: subject.client,
        sid: subject.session,
        gid: subject.grant,
        rsq: [subject.position.epoch, subject.position.seq] as const,
        auth_time: Math.floor(subject.authenticatedAt / 1000),
        amr: [...subject.amr],
        ...(subject.scope.length > 0 ? { scope: subject.scope.join(" ") } : {}),
        ...(subject.roles.length > 0 ? { roles: [...subject.roles] } : {}),
      };
      const { mark } = settings;
      const { slot } = subject;
      const plain = () => (slot === null ? world.random.bytes(16).toString("base64url") : jtiWith(slot, world.random));
      const jti = mark === null ? plain() : markedId(unnamed, mark, world.random);
      // draft-ietf-oauth-status-list-21 §6.2
      const status = slot && { status: { status_list: { idx: slot.idx, uri: listUri(settings.issuer, slot.list) } } };
      const claims: AccessTokenClaims = { ...unnamed, jti, ...status };
      const signer = keyring.signer(exp);
      const key = signer instanceof Promise ? await signer : signer;
      const signed = signJws({ typ: ACCESS_TOKEN_TYPE }, claims, key);
      return { token: await settings.encrypt(signed, subject.recipient), jti, expiresIn: exp - now };
    },
  };
}

/**
 * The mark of issue. With HS* every verifier holds the secret that signs, so a signature does not say who issued a token.
 * There the `jti` is a MAC as well, under a key that never leaves the vault, over everything in the token that opens a
 * door here. A resource server that turns its secret into a token for somebody else's session, or into one for the admin
 * API, cannot make it; and telling so costs no store access.
 *
 *   jti = base64url( random 16 ‖ MAC-key id 4 ‖ first 16 bytes of HMAC-SHA-256 over the claims below )
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { AccessTokenClaims } from "@mapae/verifier";
import type { Random } from "../prelude/world.ts";
import type { Vault } from "../vault/vault.ts";

const NONCE = 16;
const MAC_AT = 20;
const LENGTH = 36;
const TEXT = /^[A-Za-z0-9_-]{48}$/;
/** The purpose is MACed too, so that no refresh token under the same key could ever be taken for this. */
const DOMAIN = "mapae access token";

/** Every claim that the server's own API reads, and what says whose token it is. */
const COVERED = [
  "iss",
  "sub",
  "aud",
  "exp",
  "iat",
  "client_id",
  "sid",
  "gid",
  "rsq",
  "scope",
  "roles",
  "auth_time",
  "amr",
] as const;
export type MarkedClaims = Pick<AccessTokenClaims, (typeof COVERED)[number]>;

function mac(key: Buffer, head: Buffer, claims: MarkedClaims): Buffer {
  const text = JSON.stringify(COVERED.map((name) => claims[name]));
  const whole = createHmac("sha256", key).update(DOMAIN).update(head).update(text).digest();
  return whole.subarray(0, LENGTH - MAC_AT);
}

/** A `jti` for these claims that `bearsMark` knows again. */
export function markedId(claims: MarkedClaims, vault: Vault, random: Random): string {
  const key = vault.current("refresh-mac");
  const id = Buffer.alloc(LENGTH);
  random.bytes(NONCE).copy(id);
  id.writeUInt32BE(key.id, NONCE);
  mac(key.key, id.subarray(0, MAC_AT), claims).copy(id, MAC_AT);
  return id.toString("base64url");
}

/** Whether this server issued a token with these claims. */
export function bearsMark(claims: AccessTokenClaims, vault: Vault): boolean {
  if (!TEXT.test(claims.jti)) return false;
  const id = Buffer.from(claims.jti, "base64url");
  const key = vault.find("refresh-mac", id.readUInt32BE(NONCE));
  return key !== undefined && timingSafeEqual(mac(key.key, id.subarray(0, MAC_AT), claims), id.subarray(MAC_AT));
}

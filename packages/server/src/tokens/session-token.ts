/**
 * The session token: what a browser carries in a cookie where it carries no access and refresh tokens. It says nothing by
 * itself and is looked up at every request; it stays the same as long as its session.
 *
 *   version 1 ‖ MAC-key id 4 ‖ the grant's secret id 16 ‖ HMAC-SHA-256 over all before it 32       base64url, 71 characters
 *
 * As with the refresh token, a leaked database mints none, and a forged one costs an HMAC and no look-up.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Vault } from "../vault/vault.ts";

const VERSION = 1;
const BODY = 21;
const LENGTH = BODY + 32;
const TEXT = /^[A-Za-z0-9_-]{71}$/;
const DOMAIN = "mapae session token";

function mac(key: Buffer, body: Buffer): Buffer {
  return createHmac("sha256", key).update(DOMAIN).update(body).digest();
}

/** The token of a grant: the same text every time. Throws where the vault lacks the MAC key. */
export function formatSessionToken(
  grant: { readonly secretId: Buffer; readonly macKey: number },
  vault: Vault,
): string {
  const key = vault.find("refresh-mac", grant.macKey);
  if (key === undefined) throw new Error("the MAC key of a grant is gone from the vault");
  const token = Buffer.alloc(LENGTH);
  token.writeUInt8(VERSION, 0);
  token.writeUInt32BE(grant.macKey, 1);
  grant.secretId.copy(token, 5);
  mac(key.key, token.subarray(0, BODY)).copy(token, BODY);
  return token.toString("base64url");
}

/** The secret id of the grant; `undefined` for anything that this server did not make, told apart by nothing. */
export function parseSessionToken(text: string, vault: Vault): Buffer | undefined {
  if (!TEXT.test(text)) return undefined;
  const token = Buffer.from(text, "base64url");
  if (token.length !== LENGTH || token[0] !== VERSION) return undefined;
  // 71 letters hold two bits more than the token: they must be zero, so that it has one spelling (RFC 4648 §3.5).
  if (token.toString("base64url") !== text) return undefined;
  const key = vault.find("refresh-mac", token.readUInt32BE(1));
  if (key === undefined || !timingSafeEqual(mac(key.key, token.subarray(0, BODY)), token.subarray(BODY))) {
    return undefined;
  }
  return token.subarray(5, BODY);
}

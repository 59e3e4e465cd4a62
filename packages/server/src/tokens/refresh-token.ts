/**
 * The refresh token: which grant, which generation, and a MAC, so that there is no table of tokens to keep or to leak.
 *
 *   ┌─────────┬────────────┬──────────┬────────────┬─────────────────────────┐
 *   │ version │ MAC-key id │ grant id │ generation │ HMAC-SHA-256 of the rest│   base64url, 76 characters
 *   │ 1 byte  │ 4          │ 16       │ 4          │ 32                      │
 *   └─────────┴────────────┴──────────┴────────────┴─────────────────────────┘
 *
 * The MAC key lies in the database only wrapped: a leaked database mints nothing. A forged token costs one HMAC and no
 * database access.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Vault } from "../vault/vault.ts";

const VERSION = 1;
const BODY = 25;
const LENGTH = 57;
const TEXT = /^[A-Za-z0-9_-]{76}$/;
/** The purpose is MACed too, so that no other token under the same key could ever be taken for this one. */
const DOMAIN = "mapae refresh token";

export interface RefreshTokenParts {
  readonly secretId: Buffer;
  readonly generation: number;
  /** The MAC key's id. */
  readonly macKey: number;
}

function mac(key: Buffer, body: Buffer): Buffer {
  return createHmac("sha256", key).update(DOMAIN).update(body).digest();
}

/** The token of a generation: the same text every time. Throws where the vault lacks the MAC key. */
export function formatRefreshToken(parts: RefreshTokenParts, vault: Vault): string {
  const key = vault.find("refresh-mac", parts.macKey);
  if (key === undefined) throw new Error("the MAC key of a grant is gone from the vault");
  const token = Buffer.alloc(LENGTH);
  token.writeUInt8(VERSION, 0);
  token.writeUInt32BE(parts.macKey, 1);
  parts.secretId.copy(token, 5);
  token.writeUInt32BE(parts.generation, 21);
  mac(key.key, token.subarray(0, BODY)).copy(token, BODY);
  return token.toString("base64url");
}

/** Reads a token back; `undefined` for anything that this server did not make, told apart by nothing. */
export function parseRefreshToken(text: string, vault: Vault): RefreshTokenParts | undefined {
  if (!TEXT.test(text)) return undefined;
  const token = Buffer.from(text, "base64url");
  if (token.length !== LENGTH || token[0] !== VERSION) return undefined;
  const macKey = token.readUInt32BE(1);
  const key = vault.find("refresh-mac", macKey);
  if (key === undefined || !timingSafeEqual(mac(key.key, token.subarray(0, BODY)), token.subarray(BODY))) {
    return undefined;
  }
  return { macKey, secretId: token.subarray(5, 21), generation: token.readUInt32BE(21) };
}

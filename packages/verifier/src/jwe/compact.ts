/**
 * JWE in compact serialisation (RFC 7516), strict where a foreign text is read, with the cryptography of the library `jose`.
 *
 *   shape and size  ──►  header  ──►  the key's one algorithm  ──►  content key, content
 *   parseJwe                          openJwe
 *
 * A JWE alone says nothing about who made it: anyone can encrypt with a public key. Whoever opens one goes on to a signature,
 * inside (tokens) or around it (sealed documents).
 *
 * Refused by design: every `alg` and `enc` but those of algorithms.ts, `zip` (what is compressed tells its content by its
 * length, and unpacks to gigabytes), `crit`, keys that it brings along, JSON serialisation. Whatever fails while a JWE is
 * opened fails alike, with null: neither the padding nor the tag nor the key may be told apart (RFC 7516 §11.5, RFC 8725 §2.4).
 */
import { CompactEncrypt, compactDecrypt } from "jose";
import { decodeBase64url } from "../jose/base64url.ts";
import { type JsonObject, parseJsonObject } from "../jose/json.ts";
import { checkEc, checkOkp } from "../jose/key-material.ts";
import { type Jwk, KeyRefused } from "../jose/keys.ts";
import { HEADER_TEXT_MAX } from "../jose/limits.ts";
import { CONTENT_ENCRYPTION } from "./algorithms.ts";
import type { DecryptionKey, EncryptionKey } from "./keys.ts";

/** A JWE whose header is read and whose content nobody has opened yet. */
export interface ParsedJwe {
  /** As it was written; members beyond `alg`, `enc` and `epk` are those that the caller allowed. */
  readonly header: JsonObject;
  readonly text: string;
}

const ALWAYS = ["alg", "enc", "epk"];
/** Base64url of a nonce of 12 octets and of a tag of 16. */
const NONCE_TEXT = 16;
const TAG_TEXT = 22;

/**
 * Splits a JWE and reads its header. Takes anything, never throws; null for what is none.
 * @param most longest text in characters
 * @param allowed header parameters beside `alg`, `enc` and `epk`
 */
export function parseJwe(text: unknown, most: number, allowed: readonly string[]): ParsedJwe | null {
  if (typeof text !== "string" || text.length > most) return null;
  const parts = text.split(".", 6);
  const [header = "", , nonce = "", , tag = ""] = parts;
  if (parts.length !== 5 || header.length > HEADER_TEXT_MAX) return null;
  if (nonce.length !== NONCE_TEXT || tag.length !== TAG_TEXT) return null;
  const octets = decodeBase64url(header);
  const fields = octets === null ? null : parseJsonObject(octets);
  if (fields === null) return null;
  if (!Object.keys(fields).every((name) => ALWAYS.includes(name) || allowed.includes(name))) return null;
  return { header: fields, text };
}

/** The content, or null for whatever reason. The key says which algorithm; the JWE only agrees. */
export async function openJwe({ header, text }: ParsedJwe, key: DecryptionKey): Promise<Uint8Array | null> {
  const { name, curve } = key.management;
  if (header.alg !== name || header.enc !== CONTENT_ENCRYPTION) return null;
  if (curve === null ? header.epk !== undefined : !isEphemeral(header.epk, curve)) return null;
  const [, encryptedKey = "", ...rest] = text.split(".");
  // ECDH-ES agrees on the content key itself, so there is no other (RFC 7518 §4.6).
  if ((encryptedKey === "") !== (curve !== null)) return null;
  if ([encryptedKey, ...rest].some((part) => decodeBase64url(part) === null)) return null;
  try {
    const { plaintext } = await compactDecrypt(text, key.key, {
      keyManagementAlgorithms: [name],
      contentEncryptionAlgorithms: [CONTENT_ENCRYPTION],
    });
    return plaintext;
  } catch {
    return null;
  }
}

/** Is it a public key on the curve with nothing else in it, whose agreement means something? */
function isEphemeral(epk: unknown, curve: "P-256" | "X25519"): boolean {
  if (typeof epk !== "object" || epk === null || Array.isArray(epk)) return false;
  const members = curve === "P-256" ? "crv,kty,x,y" : "crv,kty,x";
  if (Object.keys(epk).sort().join() !== members) return false;
  const jwk: Jwk = epk;
  if (jwk.crv !== curve || jwk.kty !== (curve === "P-256" ? "EC" : "OKP")) return false;
  try {
    if (curve === "P-256") checkEc(jwk, curve);
    else checkOkp(jwk, curve);
    return true;
  } catch (error) {
    if (error instanceof KeyRefused) return false;
    throw error;
  }
}

/**
 * Encrypts octets for the owner of a key.
 * @param header parameters beside `alg`, `enc` and `epk`, protected like those
 */
export function makeJwe(header: JsonObject, content: Uint8Array, key: EncryptionKey): Promise<string> {
  return new CompactEncrypt(content)
    .setProtectedHeader({ ...header, alg: key.management.name, enc: CONTENT_ENCRYPTION })
    .encrypt(key.key);
}

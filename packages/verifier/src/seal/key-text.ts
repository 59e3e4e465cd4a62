/**
 * The text of a file of keys, as JWKs: PEM, one JWK, a JWK set (RFC 7517), or a JWK set under a passphrase.
 *
 * Under a passphrase, a JWK set is a JWE as in RFC 7517 §7 and Appendix C (PBES2-HS512+A256KW, A256GCM). How often the
 * passphrase is hashed stands in the file, so there is a limit on it: a count of 2^31 would keep the reader busy for an hour.
 */
import { CompactEncrypt, compactDecrypt } from "jose";
import { decodeBase64url } from "../jose/base64url.ts";
import { type JsonObject, parseJsonObject } from "../jose/json.ts";
import type { Jwk } from "../jose/keys.ts";
import { KeysRefused } from "./key-refusals.ts";
import { jwksOfPem } from "./pem.ts";

/** Largest text that is read as keys, in characters. */
export const KEY_TEXT_MAX = 256 * 1024;

const PROTECTION = "PBES2-HS512+A256KW";
/** OWASP's advice for PBKDF2 with SHA-512 is 210,000 (2023); a key file is opened rarely. */
const ROUNDS = 600_000;
const ROUNDS_MAX = 2_000_000;

/**
 * Reads keys out of a text.
 * @param passphrase where the text is protected by one; a text that is not needs none
 * @throws KeysRefused
 */
export async function readKeyText(text: string, passphrase?: string): Promise<readonly Jwk[]> {
  if (text.length > KEY_TEXT_MAX) throw new KeysRefused("keys_malformed");
  if (text.includes("-----BEGIN ")) return jwksOfPem(text, passphrase);
  const trimmed = text.trim();
  if (trimmed.startsWith("{")) return jwksOf(parseJsonObject(new TextEncoder().encode(trimmed)));
  if (/^[\w-]+(?:\.[\w-]+){4}$/.test(trimmed)) return unlocked(trimmed, passphrase);
  throw new KeysRefused("keys_malformed");
}

/** Writes a JWK set that only the passphrase opens. */
export function protectKeys(jwks: readonly Jwk[], passphrase: string): Promise<string> {
  const text = JSON.stringify({ keys: jwks });
  return new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: PROTECTION, enc: "A256GCM", cty: "jwk-set+json" })
    .setKeyManagementParameters({ p2c: ROUNDS })
    .encrypt(new TextEncoder().encode(passphrase));
}

async function unlocked(text: string, passphrase: string | undefined): Promise<readonly Jwk[]> {
  const octets = decodeBase64url(text.slice(0, text.indexOf(".")));
  const header = octets === null ? null : parseJsonObject(octets);
  if (header === null || header.alg !== PROTECTION) throw new KeysRefused("keys_malformed");
  if (typeof header.p2c !== "number" || header.p2c > ROUNDS_MAX) throw new KeysRefused("passphrase_costly");
  if (passphrase === undefined) throw new KeysRefused("passphrase_needed");
  let content: Uint8Array;
  try {
    const { plaintext } = await compactDecrypt(text, new TextEncoder().encode(passphrase), {
      keyManagementAlgorithms: [PROTECTION],
      contentEncryptionAlgorithms: ["A256GCM"],
      maxPBES2Count: ROUNDS_MAX,
      maxDecompressedLength: 0,
    });
    content = plaintext;
  } catch {
    throw new KeysRefused("passphrase_wrong");
  }
  return jwksOf(parseJsonObject(content));
}

function jwksOf(value: JsonObject | null): readonly Jwk[] {
  if (value === null) throw new KeysRefused("keys_malformed");
  if (!("keys" in value)) return [checked(value)];
  if (!Array.isArray(value.keys)) throw new KeysRefused("keys_malformed");
  return value.keys.map(checked);
}

/** Its members are looked at when it is bound. */
function checked(value: unknown): Jwk {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new KeysRefused("keys_malformed");
  const jwk: Jwk = value;
  if (typeof jwk.kty !== "string") throw new KeysRefused("keys_malformed");
  return jwk;
}

/**
 * Nested JWTs (RFC 7519 §11.2): signed, then encrypted. For access tokens whose resource server registered a key, and the
 * same for ID tokens and userinfo responses.
 *
 *   JWE   alg enc [epk] [kid] [typ] cty=JWT       for the resource server alone
 *    └─ JWS   the token, exactly as without encryption
 *
 * Encryption proves nothing: anyone can encrypt with a public key. So what comes out here is only ever a JWS, which is then
 * judged as if it had come as it is; a JWE around bare claims is refused, as is whatever does not say `cty` "JWT".
 */

import { TOKEN_MAX } from "../jose/limits.ts";
import { decodeUtf8 } from "../jose/utf8.ts";
import { makeJwe, openJwe, parseJwe } from "./compact.ts";
import type { DecryptionKey, EncryptionKey } from "./keys.ts";

/** Longest encrypted token in characters: one of the largest that is signed only, encrypted for the largest RSA key. */
export const ENCRYPTED_TOKEN_MAX = 16_384;

/** A JWS in compact serialisation, by its looks. */
const SIGNED = /^[\w-]+\.[\w-]+\.[\w-]*$/;
const PARAMETERS = ["kid", "typ", "cty"];

/** Encrypts a signed JWT for the owner of a key. `kid` names the key, where it has a name. */
export function nestJwt(jws: string, key: EncryptionKey): Promise<string> {
  const kid = key.kid === undefined ? {} : { kid: key.kid };
  return makeJwe({ ...kid, cty: "JWT" }, new TextEncoder().encode(jws), key);
}

/**
 * The signed JWT inside of an encrypted one, or null for whatever reason. Takes anything, never throws.
 * @param keys the recipient's own; with a `kid` in the header only a key of that name counts, or one without a name
 */
export async function openNestedJwt(text: unknown, keys: readonly DecryptionKey[]): Promise<string | null> {
  const jwe = parseJwe(text, ENCRYPTED_TOKEN_MAX, PARAMETERS);
  // RFC 7519 §5.2: required where tokens are nested; "JWT" in upper case, or as a media type.
  if (jwe === null || !isNested(jwe.header.cty)) return null;
  const { kid, typ } = jwe.header;
  if ((kid !== undefined && typeof kid !== "string") || (typ !== undefined && typeof typ !== "string")) return null;
  for (const key of keys) {
    if (kid !== undefined && key.kid !== undefined && key.kid !== kid) continue;
    const content = await openJwe(jwe, key);
    if (content === null) continue;
    const inner = content.length > TOKEN_MAX ? null : decodeUtf8(content);
    return inner !== null && SIGNED.test(inner) ? inner : null;
  }
  return null;
}

function isNested(cty: unknown): boolean {
  return typeof cty === "string" && /^(?:application\/)?jwt$/i.test(cty);
}

/**
 * Keys for encrypting to somebody and for opening it: the policy, and the binding to WebCrypto, which every runtime has.
 *
 *   JWK ──► one row of the table (algorithms.ts) ──► policy ──► EncryptionKey   encrypts for its owner
 *                                                          ──► DecryptionKey   opens, and never leaves the runtime's keeping
 *
 * A key that says that it is for signatures encrypts nothing, and the other way round (RFC 7517 §4.2 and §4.3).
 */

import { type CleanJwk, checkEc, checkOkp, checkRsa, type Half, halfOf } from "../jose/key-material.ts";
import { type Jwk, KeyRefused } from "../jose/keys.ts";
import { KEY_MANAGEMENT, type KeyManagement } from "./algorithms.ts";

/** A public key to encrypt with. */
export interface EncryptionKey {
  readonly kid: string | undefined;
  readonly management: KeyManagement;
  readonly half: "public";
  readonly key: CryptoKey;
}

/** A private key to open with. */
export interface DecryptionKey {
  readonly kid: string | undefined;
  readonly management: KeyManagement;
  readonly half: "private";
  readonly key: CryptoKey;
}

/** @throws KeyRefused with a stable `code` */
export async function bindEncryptionKey(jwk: Jwk): Promise<EncryptionKey> {
  return { ...(await bind(jwk, "public")), half: "public" };
}

/** @throws KeyRefused with a stable `code` */
export async function bindDecryptionKey(jwk: Jwk): Promise<DecryptionKey> {
  return { ...(await bind(jwk, "private")), half: "private" };
}

async function bind(jwk: Jwk, half: Half): Promise<Omit<EncryptionKey, "half">> {
  if (typeof jwk !== "object" || jwk === null) throw new KeyRefused("key_malformed");
  const management = managementOf(jwk);
  if (jwk.kid !== undefined && typeof jwk.kid !== "string") throw new KeyRefused("key_malformed");
  refuseOtherUse(jwk, management, half);
  CHECKS[management.kty](jwk, management);
  const clean = halfOf(jwk, management.kty, half);
  return { kid: jwk.kid, management, key: await imported(clean, management, half) };
}

/** The row that the key's type and curve name. Where the key names its algorithm, it has to be the row's. */
function managementOf(jwk: Jwk): KeyManagement {
  const { kty, crv, alg } = jwk;
  const ofType = KEY_MANAGEMENT.filter((row) => row.kty === kty);
  if (ofType.length === 0) throw new KeyRefused("key_type_mismatch");
  const row = ofType.find(({ curve }) => curve === null || curve === crv);
  if (row === undefined) throw new KeyRefused("key_curve_mismatch");
  if (alg !== undefined && alg !== row.name) throw new KeyRefused("key_algorithm_mismatch");
  return row;
}

/** RFC 7517 §4.3: what a key's owner calls the two things that are done with it here. */
const OPERATIONS = {
  RSA: { public: ["encrypt", "wrapKey"], private: ["decrypt", "unwrapKey"] },
  EC: { public: ["deriveKey", "deriveBits"], private: ["deriveKey", "deriveBits"] },
  OKP: { public: ["deriveKey", "deriveBits"], private: ["deriveKey", "deriveBits"] },
} as const;

function refuseOtherUse(jwk: Jwk, { kty }: KeyManagement, half: Half): void {
  if (jwk.use !== undefined && jwk.use !== "enc") throw new KeyRefused("key_use_forbidden");
  const operations: unknown = jwk.key_ops;
  if (operations === undefined) return;
  // WebCrypto exports the public half of a key agreement with an empty list.
  if (Array.isArray(operations) && operations.length === 0 && half === "public" && kty !== "RSA") return;
  const allowed: readonly string[] = OPERATIONS[kty][half];
  if (!Array.isArray(operations) || !operations.some((operation) => allowed.includes(operation))) {
    throw new KeyRefused("key_use_forbidden");
  }
}

const CHECKS: Readonly<Record<KeyManagement["kty"], (jwk: Jwk, management: KeyManagement) => void>> = {
  RSA: (jwk, { minimumKeyBits }) => checkRsa(jwk, minimumKeyBits ?? 0),
  EC: (jwk, { curve }) => checkEc(jwk, curve ?? ""),
  OKP: (jwk, { curve }) => checkOkp(jwk, curve ?? ""),
};

/** What WebCrypto cannot read (a point off its curve) is a refused key; what it does not know is a runtime that is too old. */
async function imported(jwk: CleanJwk, { web }: KeyManagement, half: Half): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey("jwk", jwk, web.key, false, [...web[half]]);
  } catch (error) {
    const unknown = error instanceof Error && error.name === "NotSupportedError";
    throw new KeyRefused(unknown ? "key_algorithm_unavailable" : "key_malformed");
  }
}

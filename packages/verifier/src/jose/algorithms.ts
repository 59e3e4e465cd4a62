/**
 * Everything known about a signature algorithm, in one table.
 *
 * A key is bound to exactly one row (jwk.ts), from configuration and never from a token; the code below receives the row
 * and never asks for a name. A token whose `alg` is not the name of its key's row is refused.
 *
 * `EdDSA` and `Ed25519` name one operation (RFC 9864 §2.2 deprecates the first in favour of the second). They are two rows:
 * a key says which of the names its tokens carry, so that there is still only one spelling per key.
 *
 * Sources: RFC 7518 §3 (HS, RS, PS, ES), RFC 8037 §3.1 (EdDSA), RFC 9864 §2.2 (Ed25519), RFC 9964 (ML-DSA).
 */

export type KeyType = "oct" | "RSA" | "EC" | "OKP" | "AKP";

export interface Algorithm {
  /** The value of `alg`, compared exactly: names are case-sensitive (RFC 7515 §4.1.1). */
  readonly name: string;
  readonly kty: KeyType;
  /** The one `crv` that a key of this algorithm may have; null where the key type has none. */
  readonly curve: string | null;
  /** True where a key without `alg` can mean nothing else. An RSA key or a secret must say. */
  readonly impliedByKey: boolean;
  /** Bytes of a signature; null where it is as long as the key's modulus. */
  readonly signatureBytes: number | null;
  /** Smallest modulus, or smallest secret: RFC 7518 §3.2, §3.3, §3.5. Null where the curve decides. */
  readonly minimumKeyBits: number | null;
  readonly node: NodeParameters;
  readonly web: WebParameters;
}

/** What node:crypto's `sign`, `verify` and `createHmac` are told. `hash` is null where the scheme has its own. */
export interface NodeParameters {
  readonly hash: "sha256" | "sha384" | "sha512" | null;
  readonly options: {
    readonly padding?: number;
    readonly saltLength?: number;
    readonly dsaEncoding?: "ieee-p1363";
  };
}

/** What WebCrypto's `importKey` and its `sign` and `verify` are told. */
export interface WebParameters {
  readonly key: { readonly name: string; readonly hash?: string; readonly namedCurve?: string };
  readonly use: { readonly name: string; readonly hash?: string; readonly saltLength?: number };
}

type HashBits = 256 | 384 | 512;

// Values of OpenSSL's constants: they are part of its ABI, and node:crypto may be absent when this module loads.
const RSA_PKCS1_PADDING = 1;
const RSA_PKCS1_PSS_PADDING = 6;

function hmac(name: string, bits: HashBits): Algorithm {
  const web = { name: "HMAC", hash: `SHA-${bits}` };
  return {
    name,
    kty: "oct",
    curve: null,
    impliedByKey: false,
    signatureBytes: bits / 8,
    minimumKeyBits: bits,
    node: { hash: `sha${bits}`, options: {} },
    web: { key: web, use: web },
  };
}

function rsa(name: string, bits: HashBits, scheme: "pkcs1" | "pss"): Algorithm {
  const pss = scheme === "pss";
  const webName = pss ? "RSA-PSS" : "RSASSA-PKCS1-v1_5";
  // RFC 7518 §3.5: the salt is as long as the hash.
  const saltLength = bits / 8;
  return {
    name,
    kty: "RSA",
    curve: null,
    impliedByKey: false,
    signatureBytes: null,
    minimumKeyBits: 2048,
    node: {
      hash: `sha${bits}`,
      options: pss ? { padding: RSA_PKCS1_PSS_PADDING, saltLength } : { padding: RSA_PKCS1_PADDING },
    },
    web: {
      key: { name: webName, hash: `SHA-${bits}` },
      use: pss ? { name: webName, saltLength } : { name: webName },
    },
  };
}

function ecdsa(name: string, bits: HashBits, curve: string, coordinateBytes: number): Algorithm {
  return {
    name,
    kty: "EC",
    curve,
    impliedByKey: true,
    signatureBytes: 2 * coordinateBytes,
    minimumKeyBits: null,
    // RFC 7518 §3.4: r ‖ s, each as long as a coordinate, and never DER.
    node: { hash: `sha${bits}`, options: { dsaEncoding: "ieee-p1363" } },
    web: { key: { name: "ECDSA", namedCurve: curve }, use: { name: "ECDSA", hash: `SHA-${bits}` } },
  };
}

function ed25519(name: string, impliedByKey: boolean): Algorithm {
  return {
    name,
    kty: "OKP",
    curve: "Ed25519",
    impliedByKey,
    signatureBytes: 64,
    minimumKeyBits: null,
    node: { hash: null, options: {} },
    web: { key: { name: "Ed25519" }, use: { name: "Ed25519" } },
  };
}

function mldsa(name: string, signatureBytes: number): Algorithm {
  return {
    name,
    kty: "AKP",
    curve: null,
    impliedByKey: false,
    signatureBytes,
    minimumKeyBits: null,
    node: { hash: null, options: {} },
    web: { key: { name }, use: { name } },
  };
}

export const ALGORITHMS = {
  HS256: hmac("HS256", 256),
  HS384: hmac("HS384", 384),
  HS512: hmac("HS512", 512),
  RS256: rsa("RS256", 256, "pkcs1"),
  RS384: rsa("RS384", 384, "pkcs1"),
  RS512: rsa("RS512", 512, "pkcs1"),
  PS256: rsa("PS256", 256, "pss"),
  PS384: rsa("PS384", 384, "pss"),
  PS512: rsa("PS512", 512, "pss"),
  ES256: ecdsa("ES256", 256, "P-256", 32),
  ES384: ecdsa("ES384", 384, "P-384", 48),
  ES512: ecdsa("ES512", 512, "P-521", 66),
  EdDSA: ed25519("EdDSA", true),
  Ed25519: ed25519("Ed25519", false),
  "ML-DSA-44": mldsa("ML-DSA-44", 2420),
  "ML-DSA-65": mldsa("ML-DSA-65", 3309),
} as const satisfies Record<string, Algorithm>;

/** A value of `alg` that this package knows. */
export type AlgorithmName = keyof typeof ALGORITHMS;

export function isAlgorithmName(name: unknown): name is AlgorithmName {
  return typeof name === "string" && Object.hasOwn(ALGORITHMS, name);
}

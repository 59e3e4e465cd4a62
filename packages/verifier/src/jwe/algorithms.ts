/**
 * Everything known about encrypting for somebody, in one table: how the content key reaches its recipient. What the content
 * is encrypted with is no choice: A256GCM.
 *
 * A key is bound to exactly one row (keys.ts), from configuration and never from what is to be opened. Left out by
 * design: RSA1_5 (padding oracles), RSA-OAEP over SHA-1, everything symmetric (`dir`, `A…KW`, `PBES2-…`), because whoever
 * could read could also have written, and PBES2 lets the sender choose how long the recipient works (RFC 8725 §2.4).
 *
 * Sources: RFC 7518 §4.3 (RSA-OAEP-256), §4.6 (ECDH-ES), §5.3 (A256GCM), RFC 8037 §3.2 (X25519).
 */

export interface KeyManagement {
  /** The value of `alg`. */
  readonly name: KeyManagementName;
  readonly kty: "RSA" | "EC" | "OKP";
  readonly curve: "P-256" | "X25519" | null;
  /** Smallest modulus; null where the curve decides. */
  readonly minimumKeyBits: number | null;
  readonly web: WebKeyParameters;
}

/** What WebCrypto's `importKey` is told, and what each half may then do. */
export interface WebKeyParameters {
  readonly key: { readonly name: string; readonly hash?: string; readonly namedCurve?: string };
  readonly public: readonly KeyUsage[];
  readonly private: readonly KeyUsage[];
}

export const KEY_MANAGEMENT = [
  {
    name: "RSA-OAEP-256",
    kty: "RSA",
    curve: null,
    minimumKeyBits: 2048,
    web: { key: { name: "RSA-OAEP", hash: "SHA-256" }, public: ["encrypt"], private: ["decrypt"] },
  },
  {
    name: "ECDH-ES",
    kty: "EC",
    curve: "P-256",
    minimumKeyBits: null,
    web: { key: { name: "ECDH", namedCurve: "P-256" }, public: [], private: ["deriveBits"] },
  },
  {
    name: "ECDH-ES",
    kty: "OKP",
    curve: "X25519",
    minimumKeyBits: null,
    web: { key: { name: "X25519" }, public: [], private: ["deriveBits"] },
  },
] as const satisfies readonly KeyManagement[];

/** A value of a JWE's `alg` that this package knows. */
export type KeyManagementName = "RSA-OAEP-256" | "ECDH-ES";

/** The one value of a JWE's `enc`. */
export const CONTENT_ENCRYPTION = "A256GCM";

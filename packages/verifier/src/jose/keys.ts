/**
 * What a key is, once it has been accepted: bound to one algorithm for good, and able to do one thing.
 *
 *   JWK, PEM, KeyObject, secret  ──►  key policy (key-policy.ts)  ──►  BoundKey       verifies, node:crypto   (jwk.ts)
 *                                                                 ──►  AsyncBoundKey  verifies, WebCrypto     (webcrypto.ts)
 *                                                                 ──►  SigningKey     signs, node:crypto      (jwk.ts)
 *                                                                 ──►  AsyncSigningKey  signs, WebCrypto      (webcrypto.ts)
 */
import type { Algorithm, AlgorithmName } from "./algorithms.ts";

/** A JSON Web Key (RFC 7517) with the members that are read here. Others are ignored. */
export interface Jwk {
  readonly kty?: string | undefined;
  readonly kid?: string | undefined;
  readonly alg?: string | undefined;
  readonly use?: string | undefined;
  readonly key_ops?: readonly string[] | undefined;
  readonly crv?: string | undefined;
  readonly x?: string | undefined;
  readonly y?: string | undefined;
  readonly d?: string | undefined;
  readonly n?: string | undefined;
  readonly e?: string | undefined;
  readonly p?: string | undefined;
  readonly q?: string | undefined;
  readonly dp?: string | undefined;
  readonly dq?: string | undefined;
  readonly qi?: string | undefined;
  readonly k?: string | undefined;
  readonly pub?: string | undefined;
  readonly priv?: string | undefined;
}

export interface BindOptions {
  /** The algorithm; needed where the key does not say or imply it, and must agree where it does. */
  readonly alg?: AlgorithmName | undefined;
  /** Overrides the key's own `kid`. */
  readonly kid?: string | undefined;
}

/** A key that verifies signatures of one algorithm. */
export interface BoundKey {
  readonly kid: string | undefined;
  readonly algorithm: Algorithm;
  /** Is this the signature over the ASCII text? Never throws; a signature of the wrong size is just false. */
  verify(signingInput: string, signature: Uint8Array): boolean;
}

/** A BoundKey on a runtime whose cryptography is asynchronous. */
export interface AsyncBoundKey {
  readonly kid: string | undefined;
  readonly algorithm: Algorithm;
  verify(signingInput: string, signature: Uint8Array): Promise<boolean>;
}

/** A key that signs with one algorithm. */
export interface SigningKey {
  readonly kid: string | undefined;
  readonly algorithm: Algorithm;
  /** The signature over an ASCII text, in the form that JWS wants. */
  sign(signingInput: string): Uint8Array;
}

/** A SigningKey on a runtime whose cryptography is asynchronous. */
export interface AsyncSigningKey {
  readonly kid: string | undefined;
  readonly algorithm: Algorithm;
  sign(signingInput: string): Promise<Uint8Array>;
}

/** Why a key is refused. The sentence never carries key material. */
export const KEY_REFUSALS = {
  key_malformed: "The key is not one that can be read: expected a JWK, PEM, KeyObject or secret.",
  key_private: "A private key was given where a public key is expected.",
  key_not_private: "A public key was given where a private key is expected.",
  key_algorithm_missing: "The key does not say which algorithm it is for; pass alg.",
  key_algorithm_unsupported: "The key's algorithm is not one that is supported.",
  key_algorithm_mismatch: "The key's alg is not the one that was asked for.",
  key_algorithm_unavailable: "This runtime has no implementation of the key's algorithm.",
  key_type_mismatch: "The key's type does not fit the algorithm.",
  key_curve_mismatch: "The key's curve does not fit the algorithm.",
  key_use_forbidden: "The key's use or key_ops forbid this use.",
  key_too_small: "The key is smaller than the algorithm demands.",
  key_too_large: "The key is larger than is sensible (16384 bits of modulus, 8 octets of exponent, 1 KiB of secret).",
  key_exponent_unsafe: "The RSA key's exponent is even or not above 65536.",
  key_weak: "The key belongs to a family that is known to be weak.",
  key_leaked: "The secret is on the list of leaked secrets; generate a new one.",
  key_engine_missing: "This runtime has no node:crypto; bind the key with the asynchronous function instead.",
} as const;

export type KeyRefusalCode = keyof typeof KEY_REFUSALS;

/** A key that must not be used: a mistake of configuration, so it is thrown. `code` is stable. */
export class KeyRefused extends TypeError {
  override readonly name = "KeyRefused";
  readonly code: KeyRefusalCode;

  constructor(code: KeyRefusalCode) {
    super(KEY_REFUSALS[code]);
    this.code = code;
  }
}

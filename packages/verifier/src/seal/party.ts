/**
 * A party's keys, bound for what sealing asks of them. A key is known by its name, which is its thumbprint (RFC 7638): that is
 * what an envelope names, so that nobody can put another key under a name.
 *
 *   public keys   verify what their owner signed, encrypt for their owner
 *   private keys  sign, open
 *
 * One key may do both where it does not say otherwise and its kind can (RSA, P-256); two are better, and what `use` or `alg`
 * says is respected. Among several of a set, the first that fits signs and is encrypted for; all of them verify and open.
 */
import { calculateJwkThumbprint } from "jose";
import type { AlgorithmName } from "../jose/algorithms.ts";
import { type AsyncBoundKey, type AsyncSigningKey, type Jwk, type KeyRefusalCode, KeyRefused } from "../jose/keys.ts";
import { bindKeyAsync, bindSigningKeyAsync } from "../jose/webcrypto.ts";
import { bindDecryptionKey, bindEncryptionKey, type DecryptionKey, type EncryptionKey } from "../jwe/keys.ts";
import { KeysRefused } from "./key-refusals.ts";

/** A key and its name: the RFC 7638 thumbprint, SHA-256 in base64url. */
export interface Named<Key> {
  readonly name: string;
  readonly key: Key;
}

/** What a party has published. */
export interface PublicKeys {
  readonly verifying: readonly Named<AsyncBoundKey>[];
  readonly encrypting: readonly Named<EncryptionKey>[];
}

/** What only the party itself has. */
export interface PrivateKeys {
  readonly signing: readonly Named<AsyncSigningKey>[];
  readonly opening: readonly Named<DecryptionKey>[];
}

/** The algorithms of sealed documents. An RSA key that names none signs with PS256. */
const SIGNING: readonly (AlgorithmName | undefined)[] = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];
const KEYS_MAX = 100;

/** @throws KeysRefused where there is a private key among them, or none that can be used */
export async function bindPublicKeys(jwks: readonly Jwk[]): Promise<PublicKeys> {
  refuseCount(jwks);
  // Whoever published it by mistake has to know, and here it would only work by luck.
  if (jwks.some(isPrivate)) throw new KeysRefused("keys_private");
  const refusals: KeyRefusalCode[] = [];
  const verifying = await each(jwks, refusals, (jwk) => bindKeyAsync(jwk, signingAlgorithm(jwk)));
  const encrypting = await each(jwks, refusals, bindEncryptionKey);
  if (verifying.length + encrypting.length === 0) throw new KeysRefused("keys_unusable", refusals);
  return { verifying, encrypting };
}

/** @throws KeysRefused where there is none that can be used */
export async function bindPrivateKeys(jwks: readonly Jwk[]): Promise<PrivateKeys> {
  refuseCount(jwks);
  const own = jwks.filter(isPrivate);
  if (own.length === 0) throw new KeysRefused("keys_not_private");
  const refusals: KeyRefusalCode[] = [];
  const signing = await each(own, refusals, (jwk) => bindSigningKeyAsync(jwk, signingAlgorithm(jwk)));
  const opening = await each(own, refusals, bindDecryptionKey);
  if (signing.length + opening.length === 0) throw new KeysRefused("keys_unusable", refusals);
  return { signing, opening };
}

/** The public halves of keys, to be published. */
export function publicHalves(jwks: readonly Jwk[]): readonly Jwk[] {
  return jwks.map(({ d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, priv: _priv, key_ops: _ops, ...half }) => half);
}

function refuseCount(jwks: readonly Jwk[]): void {
  if (jwks.length === 0) throw new KeysRefused("keys_none");
  if (jwks.length > KEYS_MAX) throw new KeysRefused("keys_malformed");
}

function isPrivate(jwk: Jwk): boolean {
  return jwk.d !== undefined || jwk.priv !== undefined || jwk.p !== undefined;
}

function signingAlgorithm(jwk: Jwk): { alg?: AlgorithmName } {
  return jwk.kty === "RSA" && jwk.alg === undefined ? { alg: "PS256" } : {};
}

/** Binds what can be bound, and notes why the rest cannot. */
async function each<Key extends AsyncBoundKey | AsyncSigningKey | EncryptionKey | DecryptionKey>(
  jwks: readonly Jwk[],
  refusals: KeyRefusalCode[],
  bind: (jwk: Jwk) => Promise<Key>,
): Promise<readonly Named<Key>[]> {
  const bound: Named<Key>[] = [];
  for (const jwk of jwks) {
    try {
      const key = await bind(jwk);
      if ("algorithm" in key && !SIGNING.some((name) => name === key.algorithm.name)) {
        throw new KeyRefused("key_algorithm_unsupported");
      }
      bound.push({ name: await nameOf(jwk), key });
    } catch (error) {
      if (!(error instanceof KeyRefused)) throw error;
      refusals.push(error.code);
    }
  }
  return bound;
}

/** RFC 7638 §3: of the public members only. The key has been bound, so they are there. */
function nameOf({ kty = "", crv, x, y, n, e }: Jwk): Promise<string> {
  const of = { crv, x, y, n, e };
  const present = Object.entries(of).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  return calculateJwkThumbprint({ kty, ...Object.fromEntries(present) });
}

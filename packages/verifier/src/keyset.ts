/**
 * The keys that count at one moment, immutable: a refreshed JWKS makes a new set.
 *
 *   JWKS document ──► candidates (which key, under which algorithm) ──► bound, or skipped with the reason ──► KeySet
 *                                                                  └──► taken over from the last set, where unchanged
 *
 * A key of a JWKS that cannot be used (an encryption key, an unknown type, a weak one) is skipped: an issuer that adds one
 * must not stop everyone. A key that is taken over stays the same object, so what was verified with it stays cached.
 */
import { ALGORITHMS, type Algorithm, type AlgorithmName, isAlgorithmName } from "./jose/algorithms.ts";
import { type BindOptions, type Jwk, type KeyRefusalCode, KeyRefused } from "./jose/keys.ts";

/** What a set needs to know of a key; both engines' keys have it. */
export interface KeyFacts {
  readonly kid: string | undefined;
  readonly algorithm: Algorithm;
}

export interface SkippedKey {
  readonly kid: string | undefined;
  readonly why: KeyRefusalCode | "key_secret_in_jwks" | "algorithm_not_allowed";
}

export interface KeySet<Key extends KeyFacts> {
  readonly size: number;
  readonly skipped: readonly SkippedKey[];
  /** The key that a token's header names. Its algorithm may differ from the header's: the signature check refuses that. */
  select(header: { readonly alg: string; readonly kid: string | undefined }): Key | undefined;
  holds(key: Key): boolean;
  /** The key bound from the same JWK under the same algorithm, if the set has it. */
  sameAs(candidate: Candidate): Key | undefined;
}

/** One JWK under one algorithm, before any cryptography has seen it. */
export interface Candidate {
  readonly jwk: Jwk;
  readonly options: BindOptions;
  /** Equal for equal key material, `kid` and algorithm. */
  readonly identity: string;
}

export interface KeyPlan {
  readonly candidates: readonly Candidate[];
  readonly skipped: readonly SkippedKey[];
}

/** More keys than any issuer has: a bound on the work that one document can cause. */
const KEYS_MAX = 100;

/**
 * The members of a JWKS (RFC 7517 §5) that may become keys.
 * @param allowed algorithms that count; empty for every one that a key names or implies
 * @returns null where the value is no JWKS
 */
export function planKeys(jwks: { readonly keys?: unknown }, allowed: readonly AlgorithmName[]): KeyPlan | null {
  const { keys } = jwks;
  if (!Array.isArray(keys) || keys.length > KEYS_MAX) return null;
  const candidates: Candidate[] = [];
  const skipped: SkippedKey[] = [];
  for (const entry of keys) {
    // RFC 7517 §5: what is not understood is ignored.
    if (!isJwk(entry)) {
      skipped.push({ kid: undefined, why: "key_malformed" });
      continue;
    }
    const kid = typeof entry.kid === "string" ? entry.kid : undefined;
    // A published secret is none; and a set that mixes both kinds is how RS/HS confusion begins (RFC 8725 §2.1).
    if (entry.kty === "oct") {
      skipped.push({ kid, why: "key_secret_in_jwks" });
      continue;
    }
    const named = algorithmsFor(entry, allowed);
    if (named.length === 0) skipped.push({ kid, why: "algorithm_not_allowed" });
    for (const alg of named) {
      candidates.push({ jwk: entry, options: { alg }, identity: identityOf(entry, alg) });
    }
  }
  return { candidates, skipped };
}

function isJwk(value: unknown): value is Jwk {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Under which algorithms a key counts: the one it names, if that is allowed; without a name, every allowed one of its
 * type; where nothing is said at all, what the key implies (`undefined`: binding finds out, or refuses).
 */
function algorithmsFor(jwk: Jwk, allowed: readonly AlgorithmName[]): readonly (AlgorithmName | undefined)[] {
  if (jwk.alg !== undefined || allowed.length === 0) {
    const { alg } = jwk;
    return allowed.length === 0 || (isAlgorithmName(alg) && allowed.includes(alg)) ? [undefined] : [];
  }
  return allowed.filter((name) => {
    const { kty, curve } = ALGORITHMS[name];
    return kty === jwk.kty && (curve === null || curve === jwk.crv);
  });
}

function identityOf(jwk: Jwk, alg: AlgorithmName | undefined): string {
  const { kty, kid, use, key_ops, crv, n, e, x, y, pub } = jwk;
  return JSON.stringify([alg ?? jwk.alg, kty, kid, use, key_ops, crv, n, e, x, y, pub]);
}

export function bindPlan<Key extends KeyFacts>(
  plan: KeyPlan,
  bind: (jwk: Jwk, options: BindOptions) => Key,
  last: KeySet<Key> | null,
): KeySet<Key> {
  const outcomes = plan.candidates.map((candidate) => {
    try {
      return last?.sameAs(candidate) ?? bind(candidate.jwk, candidate.options);
    } catch (error) {
      return refusalOf(error);
    }
  });
  return assemble(plan, outcomes);
}

export async function bindPlanAsync<Key extends KeyFacts>(
  plan: KeyPlan,
  bind: (jwk: Jwk, options: BindOptions) => Promise<Key>,
  last: KeySet<Key> | null,
): Promise<KeySet<Key>> {
  const outcomes = plan.candidates.map(
    async (candidate) => last?.sameAs(candidate) ?? (await bind(candidate.jwk, candidate.options).catch(refusalOf)),
  );
  return assemble(plan, await Promise.all(outcomes));
}

/** Why binding failed, where that is the key's fault. @throws what was no refusal of a key */
function refusalOf(error: unknown): KeyRefusalCode {
  if (error instanceof KeyRefused) return error.code;
  throw error;
}

function assemble<Key extends KeyFacts>(plan: KeyPlan, outcomes: readonly (Key | KeyRefusalCode)[]): KeySet<Key> {
  const bound = new Map<string, Key>();
  const skipped = [...plan.skipped];
  for (const [index, candidate] of plan.candidates.entries()) {
    const outcome = outcomes[index];
    if (outcome === undefined) continue;
    if (typeof outcome === "string") skipped.push({ kid: candidate.jwk.kid, why: outcome });
    else bound.set(candidate.identity, outcome);
  }
  return keySet(bound, skipped);
}

function keySet<Key extends KeyFacts>(bound: ReadonlyMap<string, Key>, skipped: readonly SkippedKey[]): KeySet<Key> {
  const keys = [...bound.values()];
  const objects = new Set(keys);
  const byKid = new Map<string | undefined, Key[]>();
  for (const key of keys) byKid.set(key.kid, [...(byKid.get(key.kid) ?? []), key]);
  return {
    size: keys.length,
    skipped,
    select({ alg, kid }) {
      // RFC 7515 §4.1.4: kid is a hint. With one, only that key counts; without one, there must be no choice to make.
      const named = kid === undefined ? keys : (byKid.get(kid) ?? []);
      const fitting = named.filter((key) => key.algorithm.name === alg);
      if (kid !== undefined) return fitting[0] ?? named[0];
      if (fitting.length === 1) return fitting[0];
      return fitting.length === 0 && named.length === 1 ? named[0] : undefined;
    },
    holds: (key) => objects.has(key),
    sameAs: (candidate) => bound.get(candidate.identity),
  };
}

/**
 * A set of the one key that was configured. Without a `kid` of its own it takes every token's.
 * @throws TypeError where the key's algorithm is not allowed
 */
export function loneKey<Key extends KeyFacts>(key: Key, allowed: readonly AlgorithmName[]): KeySet<Key> {
  if (allowed.length > 0 && !allowed.some((name) => name === key.algorithm.name)) {
    throw new TypeError("The key's algorithm is not in algorithms.");
  }
  return {
    size: 1,
    skipped: [],
    select: ({ kid }) => (key.kid === undefined || kid === undefined || kid === key.kid ? key : undefined),
    holds: (other) => other === key,
    sameAs: () => undefined,
  };
}

/** True where both sets hold the very same keys. */
export function sameKeys<Key extends KeyFacts>(one: KeySet<Key>, other: KeySet<Key>, plan: KeyPlan): boolean {
  if (one.size !== other.size) return false;
  return plan.candidates.every((candidate) => one.sameAs(candidate) === other.sameAs(candidate));
}

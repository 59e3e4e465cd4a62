/**
 * The two engines behind one verifier: node:crypto answers at once, WebCrypto only by promise. Rules and refusals are the
 * same; what an engine changes is whether `verify()` can answer or leaves it to `check()`.
 */
import type { AlgorithmName } from "./jose/algorithms.ts";
import { bindKey, type KeySource } from "./jose/jwk.ts";
import { checkSignature, checkSignatureAsync, type ParsedJws } from "./jose/jws.ts";
import type { AsyncBoundKey, BindOptions, BoundKey } from "./jose/keys.ts";
import { bindKeyAsync } from "./jose/webcrypto.ts";
import { bindPlan, bindPlanAsync, type KeyFacts, type KeyPlan, type KeySet, loneKey } from "./keyset.ts";
import type { Refusal } from "./refusals.ts";

export interface Engine<Key extends KeyFacts> {
  /** Binds a planned JWKS, taking over from `last` what has not changed. */
  bindSet(plan: KeyPlan, last: KeySet<Key> | null): KeySet<Key> | Promise<KeySet<Key>>;
  /** Binds the one key or secret that was configured. @throws KeyRefused, or rejects with it */
  bindOne(
    source: KeySource,
    options: BindOptions,
    allowed: readonly AlgorithmName[],
  ): KeySet<Key> | Promise<KeySet<Key>>;
  /** Checks a signature at once; null where the engine cannot. */
  readonly checkNow: ((jws: ParsedJws, key: Key) => Refusal | null) | null;
  check(jws: ParsedJws, key: Key): Promise<Refusal | null>;
}

export const nodeEngine: Engine<BoundKey> = {
  bindSet: (plan, last) => bindPlan(plan, bindKey, last),
  bindOne: (source, options, allowed) => loneKey(bindKey(source, options), allowed),
  checkNow: checkSignature,
  check: async (jws, key) => checkSignature(jws, key),
};

export const webEngine: Engine<AsyncBoundKey> = {
  bindSet: (plan, last) => bindPlanAsync(plan, bindKeyAsync, last),
  bindOne: async (source, options, allowed) => {
    if (typeof source === "object" && !(source instanceof Uint8Array) && "export" in source) {
      throw new TypeError("This runtime has no KeyObject; give the key as a JWK or as PEM with alg.");
    }
    return loneKey(await bindKeyAsync(source, options), allowed);
  },
  checkNow: null,
  check: checkSignatureAsync,
};

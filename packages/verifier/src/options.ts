/**
 * The options of a verifier, checked once and completely. A mistake here is a programmer's: it throws a TypeError with a
 * sentence, and so does a name that is no option, because a misspelt limit is a limit that does not exist.
 */
import type { KeyObject } from "node:crypto";
import { addressFault } from "./address.ts";
import { bindClaimRules, type ClaimRules } from "./claims.ts";
import type { DecryptionKeys } from "./encrypted.ts";
import { type AlgorithmName, isAlgorithmName } from "./jose/algorithms.ts";
import type { Jwk } from "./jose/keys.ts";
import type { KeyPlace, RemoteLimits } from "./jwks.ts";
import { record, refuseOthers, seconds } from "./option-checks.ts";
import {
  type FeedCredentials,
  type ResolvedRevocation,
  type RevocationOptions,
  resolveRevocation,
} from "./revocation/stale-policy.ts";

/** Where the keys come from: one of four ways. Left out, they are discovered from the issuer's metadata. */
export type KeysOption =
  | {
      readonly jwksUri: string;
      /** Longest use of a fetched set, in seconds (600); a shorter `Cache-Control: max-age` is respected down to 30. */
      readonly maxAge?: number;
      /** Shortest time between two fetches for unknown keys, in seconds (10). */
      readonly cooldown?: number;
      /** For each request, in seconds (5). */
      readonly timeout?: number;
    }
  | { readonly jwks: { readonly keys: readonly Jwk[] } }
  | { readonly secret: Uint8Array; readonly alg: AlgorithmName; readonly kid?: string }
  | { readonly publicKey: KeyObject | Jwk | string; readonly alg?: AlgorithmName; readonly kid?: string };

export interface VerifierOptions {
  /** `iss` of every token, compared character by character. */
  readonly issuer: string;
  /** What this resource server is called; a token must name at least one of these in `aud`. */
  readonly audience: string | readonly string[];
  readonly keys?: KeysOption;
  /** Allow-list. Left out: whatever algorithm each key is bound to. */
  readonly algorithms?: readonly AlgorithmName[];
  /**
   * The private half of what this resource server registered with the issuer: opens encrypted tokens. Signed ones are judged
   * as ever; an encrypted one is answered by `check` only.
   */
  readonly decryptionKeys?: DecryptionKeys;
  /** Seconds by which the issuer's clock may differ (0). */
  readonly clockTolerance?: number;
  /** Longest accepted life of a token in seconds. */
  readonly maxTokenLifetime?: number;
  /** Milliseconds since 1970 (`Date.now`). */
  readonly clock?: () => number;
  /** Verified tokens to remember (5,000), or false for none. */
  readonly cache?: false | { readonly entries: number };
  /** This resource server at the issuer, for the feed. */
  readonly credentials?: FeedCredentials;
  /** How revocations are learnt. `"none"`: a token lives until it expires or its key is gone. */
  readonly revocation?: "none" | RevocationOptions;
  /** Takes what an operator should know, once each (a warning of the process, or the console). */
  readonly warn?: (message: string) => void;
}

export type ResolvedKeys =
  | { readonly from: "place"; readonly place: KeyPlace; readonly limits: RemoteLimits }
  | { readonly from: "jwks"; readonly jwks: { readonly keys: readonly Jwk[] } }
  | {
      readonly from: "key";
      readonly key: KeyObject | Jwk | string | Uint8Array;
      readonly bind: { readonly alg?: AlgorithmName | undefined; readonly kid?: string | undefined };
    };

export interface ResolvedOptions {
  readonly rules: ClaimRules;
  readonly keys: ResolvedKeys;
  readonly algorithms: readonly AlgorithmName[];
  readonly decryptionKeys: DecryptionKeys | null;
  readonly clock: () => number;
  /** 0 for none. */
  readonly cacheEntries: number;
  readonly revocation: ResolvedRevocation | null;
  readonly warn: ((message: string) => void) | null;
}

export const OPTION_NAMES = [
  "issuer",
  "audience",
  "keys",
  "algorithms",
  "decryptionKeys",
  "clockTolerance",
  "maxTokenLifetime",
  "clock",
  "cache",
  "credentials",
  "revocation",
  "warn",
] as const satisfies (keyof VerifierOptions)[];

/** The member that tells the ways apart, and the members that may stand beside it. */
const KEY_WAYS = {
  jwksUri: ["maxAge", "cooldown", "timeout"],
  jwks: [],
  secret: ["alg", "kid"],
  publicKey: ["alg", "kid"],
} as const;

const CACHE_ENTRIES = 5_000;
const CACHE_ENTRIES_MAX = 1_000_000;
const SHORTEST_AGE = 30;
/** The issuer forgets an entry this much, in seconds, after the last token that it names: no tolerance may be wider. */
const TOLERANCE_MAX = 60;
/** Longest life of a token that is accepted with a feed, in seconds, where the owner says nothing: what the server allows at most. */
const LIFETIME_USUAL = 86_400;

/** @throws TypeError naming the option and what is wrong with it */
export function resolveOptions(options: VerifierOptions): ResolvedOptions {
  if (!record(options)) throw new TypeError("createVerifier needs an object of options.");
  refuseOthers(options, OPTION_NAMES, "createVerifier");
  const { issuer, audience, clock = Date.now, cache, algorithms = [], decryptionKeys = null, warn = null } = options;
  if (typeof audience !== "string" && !Array.isArray(audience)) {
    throw new TypeError("audience must be a string or a list of strings.");
  }
  const { clockTolerance, maxTokenLifetime } = options;
  const follows = options.revocation !== undefined && options.revocation !== "none";
  // Whoever stole a key writes any `exp` into its tokens, and an entry is not kept for ever.
  const lifetime = maxTokenLifetime ?? (follows ? LIFETIME_USUAL : undefined);
  const rules = bindClaimRules({ issuer, audience, clockTolerance, maxTokenLifetime: lifetime });
  if (follows && !Number.isFinite(rules.maxTokenLifetime)) {
    throw new TypeError("maxTokenLifetime must have an end where revocations are followed.");
  }
  if (follows && rules.clockTolerance > TOLERANCE_MAX) {
    throw new TypeError(`clockTolerance must be at most ${TOLERANCE_MAX} seconds where revocations are followed.`);
  }
  if (issuer.startsWith("http:")) requireAddress(issuer, "issuer");
  if (typeof clock !== "function")
    throw new TypeError("clock must be a function that returns milliseconds since 1970.");
  if (warn !== null && typeof warn !== "function") throw new TypeError("warn must be a function that takes a message.");
  if (!Array.isArray(algorithms) || !algorithms.every(isAlgorithmName)) {
    throw new TypeError("algorithms must be a list of names of algorithms.");
  }
  if (options.algorithms !== undefined && algorithms.length === 0) {
    throw new TypeError("algorithms must name at least one algorithm, or be left out.");
  }
  if (decryptionKeys !== null && typeof decryptionKeys !== "string" && !isJwks(decryptionKeys)) {
    throw new TypeError("decryptionKeys must be a JWK set, or the text of one or of PEM.");
  }
  const keys = resolveKeys(options.keys, issuer);
  const revocation = resolveRevocation(options.revocation, options.credentials, issuer);
  if (revocation !== null && keys.from === "key" && keys.bind.kid === undefined && !hasKid(keys.key)) {
    throw new TypeError("keys.kid is needed where revocations are followed: a key without a name cannot be revoked.");
  }
  return { rules, keys, algorithms, decryptionKeys, clock, cacheEntries: cacheEntries(cache), revocation, warn };
}

function resolveKeys(keys: KeysOption | undefined, issuer: string): ResolvedKeys {
  if (keys === undefined) {
    requireAddress(issuer, "issuer");
    // RFC 8414 §2: the issuer has no query. What it has would be lost on the way to the metadata.
    if (new URL(issuer).search !== "") throw new TypeError("issuer must not have a query.");
    return { from: "place", place: { issuer }, limits: limitsOf({}) };
  }
  if (!record(keys)) throw new TypeError("keys must be an object.");
  const ways = Object.keys(KEY_WAYS).filter((way) => Object.hasOwn(keys, way));
  if (ways.length !== 1) throw new TypeError("keys must have exactly one of jwksUri, jwks, secret and publicKey.");
  if ("jwksUri" in keys) {
    refuseOthers(keys, ["jwksUri", ...KEY_WAYS.jwksUri], "keys");
    if (typeof keys.jwksUri !== "string") throw new TypeError("keys.jwksUri must be a string.");
    requireAddress(keys.jwksUri, "keys.jwksUri");
    return { from: "place", place: { jwksUri: keys.jwksUri }, limits: limitsOf(keys) };
  }
  if ("jwks" in keys) {
    refuseOthers(keys, ["jwks", ...KEY_WAYS.jwks], "keys");
    if (!record(keys.jwks)) throw new TypeError("keys.jwks must be an object with a list of keys.");
    return { from: "jwks", jwks: keys.jwks };
  }
  if ("secret" in keys) {
    refuseOthers(keys, ["secret", ...KEY_WAYS.secret], "keys");
    if (!(keys.secret instanceof Uint8Array)) throw new TypeError("keys.secret must be a Uint8Array.");
    if (!isAlgorithmName(keys.alg) || !keys.alg.startsWith("HS")) {
      throw new TypeError("keys.alg must be HS256, HS384 or HS512 for a secret.");
    }
    return { from: "key", key: keys.secret, bind: { alg: keys.alg, kid: keys.kid } };
  }
  refuseOthers(keys, ["publicKey", ...KEY_WAYS.publicKey], "keys");
  return { from: "key", key: publicKeyOf(keys.publicKey), bind: { alg: keys.alg, kid: keys.kid } };
}

function hasKid(key: KeyObject | Jwk | string | Uint8Array): boolean {
  return record(key) && "kid" in key && typeof key.kid === "string";
}

function isJwks(given: object): boolean {
  return record(given) && "keys" in given && Array.isArray(given.keys) && given.keys.every(record);
}

/** A secret given as a public key would be compared with tokens that anyone can make from it (RFC 8725 §2.1). */
function publicKeyOf(key: KeyObject | Jwk | string): KeyObject | Jwk | string {
  const isPublic =
    typeof key === "string"
      ? key.includes("-----BEGIN ")
      : record(key) && ("type" in key ? key.type === "public" : key.kty !== "oct");
  if (!isPublic) throw new TypeError("keys.publicKey must be a public key: a KeyObject, PEM or a JWK.");
  return key;
}

export function limitsOf(keys: {
  readonly maxAge?: number;
  readonly cooldown?: number;
  readonly timeout?: number;
}): RemoteLimits {
  const longest = seconds(keys.maxAge, 600, SHORTEST_AGE, "keys.maxAge");
  return {
    age: { shortest: SHORTEST_AGE * 1000, longest, usual: longest / 2 },
    cooldown: seconds(keys.cooldown, 10, 1, "keys.cooldown"),
    timeout: seconds(keys.timeout, 5, 0.1, "keys.timeout"),
  };
}

function cacheEntries(cache: VerifierOptions["cache"]): number {
  if (cache === false) return 0;
  if (cache === undefined) return CACHE_ENTRIES;
  if (!record(cache)) throw new TypeError("cache must be false or { entries }.");
  refuseOthers(cache, ["entries"], "cache");
  const { entries } = cache;
  if (!Number.isSafeInteger(entries) || entries < 1 || entries > CACHE_ENTRIES_MAX) {
    throw new TypeError(`cache.entries must be a whole number from 1 to ${CACHE_ENTRIES_MAX}.`);
  }
  return entries;
}

function requireAddress(text: string, name: string): void {
  const fault = addressFault(text);
  if (fault !== null) throw new TypeError(`${name} ${fault}`);
}

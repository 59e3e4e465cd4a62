/**
 * The verifier: puts key supply, signature check, claims and cache together, and does nothing else itself.
 *
 *   token ──► cache ──hit──────────────────────────────────────────────► Accepted
 *               │miss
 *               └──► parse ──► key ──► signature ──► claims ──► remember ──► Accepted
 *                      │        │          │           │
 *                      ▼        ▼          ▼           ▼
 *                   Refusal  unknown?   Refusal     Refusal
 *                            `verify` says so and asks in the background; `check` waits for the issuer's answer once
 *
 * `mark` is the number of the present state of what verdicts rest on besides the token and the time. It moves when the
 * key set becomes another; whatever else a verdict may come to rest on moves the same mark, and `stands` judges it.
 */
import { createTokenCache, type Remembered } from "./cache.ts";
import { type AccessTokenClaims, type ClaimRules, checkClaims, freezeClaims } from "./claims.ts";
import { type Engine, nodeEngine, webEngine } from "./engine.ts";
import type { Net } from "./exchange.ts";
import { type ParsedJws, parseJws } from "./jose/jws.ts";
import { nodeCrypto } from "./jose/runtime.ts";
import { fixedSupply, type KeySupply, remoteSupply } from "./jwks.ts";
import { type KeyFacts, planKeys } from "./keyset.ts";
import { type ResolvedOptions, resolveOptions, type VerifierOptions } from "./options.ts";
import { type Refusal, refuse } from "./refusals.ts";
import {
  type Accepted,
  CHECK_REQUIRED,
  KEYS_UNAVAILABLE,
  TokenNotAccepted,
  type Undecided,
  VERIFICATION_FAULT,
  VERIFIER_CLOSED,
  type Verdict,
} from "./verdict.ts";

export interface Verifier {
  /** What this resource server is called, first the name that stands for it. */
  readonly audience: readonly string[];
  /** Milliseconds since 1970, as the verifier sees it. */
  readonly clock: () => number;
  /**
   * Resolves when keys are at hand.
   * @throws Error with the reason when they cannot be had now; the verifier goes on trying
   */
  ready(): Promise<void>;
  /** Judges a token with what is at hand. Takes anything, never throws, does no I/O. */
  verify(token: unknown): Verdict;
  /** Judges a token, and asks the issuer first where that may help: a key that is not known. Takes anything, never rejects. */
  check(token: unknown): Promise<Verdict>;
  /** The claims of a token. @throws TokenNotAccepted */
  verifyOrThrow(token: unknown): AccessTokenClaims;
  /** Ends background work. From then on every token is answered `verifier_closed`. */
  close(): void;
}

/** @throws TypeError for options that make no sense, KeyRefused for a key that must not be used */
export function createVerifier(options: VerifierOptions): Verifier {
  const resolved = resolveOptions(options);
  const net: Net = { fetch: (url, init) => fetch(url, init), now: resolved.clock, after: unheldTimer };
  return nodeCrypto === null ? verifierOn(webEngine, resolved, net) : verifierOn(nodeEngine, resolved, net);
}

/** Longest delay that setTimeout knows. */
const TIMER_MAX = 2 ** 31 - 1;

function unheldTimer(ms: number, run: () => void): () => void {
  const timer: unknown = setTimeout(run, Math.min(ms, TIMER_MAX));
  // Browsers give a number, and end with their page.
  if (typeof timer === "object" && timer !== null && "unref" in timer && typeof timer.unref === "function")
    timer.unref();
  return () => clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
}

/** Either the last step's verdict, or the signature check that an asynchronous engine still has to do. */
type Step<Key> = { readonly verdict: Verdict } | { readonly jws: ParsedJws; readonly key: Key };

/** A verifier on a given engine and a given world. */
export function verifierOn<Key extends KeyFacts>(engine: Engine<Key>, options: ResolvedOptions, net: Net): Verifier {
  const { rules, clock } = options;
  const cache = options.cacheEntries === 0 ? null : createTokenCache<Accepted, Key>(options.cacheEntries);
  let mark = 0;
  let closed = false;
  const supply = supplyOf(engine, options, net, () => {
    mark += 1;
  });

  function stands(entry: Remembered<Accepted, Key>): boolean {
    return supply.current()?.holds(entry.key) ?? false;
  }

  /** Everything before the signature check. */
  function begin(token: unknown, now: number): Step<Key> {
    if (closed) return { verdict: VERIFIER_CLOSED };
    // A clock that says nothing must not make every comparison false.
    if (!Number.isFinite(now)) return { verdict: VERIFICATION_FAULT };
    supply.tend(now);
    const jws = parseJws(token);
    if (!jws.ok) return { verdict: jws };
    const keys = supply.current();
    if (keys === null) return { verdict: KEYS_UNAVAILABLE };
    const key = keys.select(jws.header);
    if (key !== undefined) return { jws, key };
    return { verdict: supply.reachable() ? refuse("unknown_key") : KEYS_UNAVAILABLE };
  }

  /** Everything after a signature that held. */
  function finish(token: unknown, jws: ParsedJws, key: Key, now: number): Verdict {
    const verdict = checkClaims(jws, rules, now / 1000);
    if (verdict.ok && cache !== null && typeof token === "string") {
      freezeClaims(verdict.claims);
      cache.put(token, mark, { verdict: Object.freeze(verdict), key, ...lifeOf(verdict.claims, rules) });
    }
    return verdict;
  }

  function judge(token: unknown): Verdict {
    const now = clock();
    const known = remembered(token, now);
    if (known !== undefined) return known;
    const step = begin(token, now);
    if ("verdict" in step) return step.verdict;
    if (engine.checkNow === null) return CHECK_REQUIRED;
    return engine.checkNow(step.jws, step.key) ?? finish(token, step.jws, step.key, now);
  }

  async function judgeLater(token: unknown): Promise<Verdict> {
    const now = clock();
    const known = remembered(token, now);
    if (known !== undefined) return known;
    const step = begin(token, now);
    if ("verdict" in step) return step.verdict;
    const refusal = await engine.check(step.jws, step.key);
    // The key may have gone while the check was under way.
    if (refusal === null && !supply.current()?.holds(step.key)) return refuse("unknown_key");
    return refusal ?? finish(token, step.jws, step.key, clock());
  }

  function remembered(token: unknown, now: number): Accepted | undefined {
    if (cache === null || closed || typeof token !== "string") return undefined;
    const verdict = cache.get(token, now, mark, stands);
    if (verdict !== undefined) supply.tend(now);
    return verdict;
  }

  function verify(token: unknown): Verdict {
    try {
      const verdict = judge(token);
      if (mayBeLearnt(verdict)) supply.seek();
      return verdict;
    } catch {
      return VERIFICATION_FAULT;
    }
  }

  async function check(token: unknown): Promise<Verdict> {
    try {
      const once = engine.checkNow === null ? judgeLater : judge;
      const verdict = await once(token);
      if (!mayBeLearnt(verdict)) return verdict;
      const learning = supply.seek();
      if (learning === null) return verdict;
      await learning;
      return await once(token);
    } catch {
      return VERIFICATION_FAULT;
    }
  }

  return {
    audience: rules.audience,
    clock,
    ready: () => supply.ready(),
    verify,
    check,
    verifyOrThrow(token) {
      const verdict = verify(token);
      if (verdict.ok) return verdict.claims;
      throw new TokenNotAccepted(verdict);
    },
    close() {
      closed = true;
      cache?.clear();
      supply.close();
    },
  };
}

/** Could the issuer's answer change this verdict? */
function mayBeLearnt(verdict: Verdict): verdict is Refusal | Undecided {
  return !verdict.ok && (verdict.code === "unknown_key" || verdict.code === "keys_unavailable");
}

/** The milliseconds between which checkClaims says yes to these claims; it has just done so. */
function lifeOf({ exp, nbf = 0 }: AccessTokenClaims, rules: ClaimRules): { from: number; until: number } {
  const { clockTolerance, maxTokenLifetime } = rules;
  const from = Math.max(Math.ceil(nbf - clockTolerance), exp - maxTokenLifetime - clockTolerance);
  return { from: from * 1000, until: (exp + clockTolerance) * 1000 };
}

function supplyOf<Key extends KeyFacts>(
  engine: Engine<Key>,
  { keys, algorithms }: ResolvedOptions,
  net: Net,
  changed: () => void,
): KeySupply<Key> {
  switch (keys.from) {
    case "place":
      return remoteSupply({
        place: keys.place,
        limits: keys.limits,
        algorithms,
        net,
        bind: (plan, last) => engine.bindSet(plan, last),
        changed,
      });
    case "jwks": {
      const plan = planKeys(keys.jwks, algorithms);
      if (plan === null) throw new TypeError("keys.jwks must have a list of at most 100 keys.");
      return fixedSupply(engine.bindSet(plan, null));
    }
    case "key":
      return fixedSupply(engine.bindOne(keys.key, keys.bind, algorithms));
  }
}

/**
 * The verifier: puts key supply, signature check, claims, revocations and cache together, and does nothing else itself.
 *
 *   token ──► cache ──hit──────────────────────────────────────────────────────────────► settle ──► Accepted
 *               │miss                                                                      ▲  │ stale
 *               └──► parse ──► key ──► signature ──► claims ──► revoked? ──► remember ─────┘  ▼
 *                      │        │          │           │           │                        by the owner's policy
 *                      ▼        ▼          ▼           ▼           ▼
 *                   Refusal  unknown?   Refusal     Refusal     Revoked
 *                            `verify` says so and asks in the background; `check` waits for the issuer's answer once
 *
 * `mark` is the number of the present state of what verdicts rest on besides the token and the time: the key set, and what
 * is known to be revoked. When it has moved, `stands` judges a remembered verdict again. Without a feed, the last two steps
 * are not there. An encrypted token is opened before all this, and remembered as it came.
 */
import { createTokenCache, type Remembered } from "./cache.ts";
import { type AccessTokenClaims, type ClaimRules, checkClaims, freezeClaims } from "./claims.ts";
import { createTokenOpener, isEncrypted } from "./encrypted.ts";
import { type Engine, nodeEngine, webEngine } from "./engine.ts";
import { type ParsedJws, parseJws } from "./jose/jws.ts";
import { nodeCrypto } from "./jose/runtime.ts";
import { fixedSupply, type KeySupply, remoteSupply } from "./jwks.ts";
import { type KeyFacts, planKeys } from "./keyset.ts";
import { type ResolvedOptions, resolveOptions, type VerifierOptions } from "./options.ts";
import { type Refusal, type Revoked, refuse } from "./refusals.ts";
import { CHECKPOINT_TYP } from "./revocation/checkpoint.ts";
import type { TokenPrints } from "./revocation/copy.ts";
import { followRevocations, type RevocationStatus, type Revocations } from "./revocation/revocations.ts";
import { STALE_POLICIES, type StalePolicy } from "./revocation/stale-policy.ts";
import { type FeedWorld, platformWorld } from "./revocation/world.ts";
import { readSigned } from "./signed.ts";
import {
  type Accepted,
  CHECK_REQUIRED,
  KEYS_UNAVAILABLE,
  TokenNotAccepted,
  VERIFICATION_FAULT,
  VERIFIER_CLOSED,
  type Verdict,
} from "./verdict.ts";

export interface Verifier {
  /** What this resource server is called, first the name that stands for it. */
  readonly audience: readonly string[];
  /** Milliseconds since 1970, as the verifier sees it. */
  readonly clock: () => number;
  /** What may be chosen for the time in which revocations are not known; empty without a feed. */
  readonly stalePolicies: readonly StalePolicy[];
  /**
   * Resolves when keys are at hand, and with a feed when its first lease is.
   * @throws Error with the reason when they cannot be had now; the verifier goes on trying
   */
  ready(): Promise<void>;
  /** Judges a token with what is at hand. Takes anything, never throws, does no I/O. */
  verify(token: unknown, options?: VerifyOptions): Verdict;
  /**
   * Judges a token, and asks the issuer first where that may help: for a key that is not known, and under `introspect` for
   * the token itself. Takes anything, never rejects.
   */
  check(token: unknown, options?: VerifyOptions): Promise<Verdict>;
  /** The claims of a token. @throws TokenNotAccepted */
  verifyOrThrow(token: unknown, options?: VerifyOptions): AccessTokenClaims;
  /**
   * Calls once when the token with these claims is revoked: to close a connection that outlives its request.
   * @param claims as this verifier gave them
   * @returns ends it
   * @throws TypeError for other claims, and without a feed
   */
  onRevoked(claims: AccessTokenClaims, call: (revoked: Revoked) => void): () => void;
  /** How the feed fares, for metrics; null without one. */
  status(): RevocationStatus | null;
  /** Ends background work. From then on every token is answered `verifier_closed`. */
  close(): void;
}

export interface VerifyOptions {
  /** For this token, in place of the verifier's own `onStale`. `accept` counts where `acceptFor` is set, else as `reject`. */
  readonly onStale?: StalePolicy | undefined;
}

/** @throws TypeError for options that make no sense, KeyRefused for a key that must not be used */
export function createVerifier(options: VerifierOptions): Verifier {
  const resolved = resolveOptions(options);
  const { clock: now, revocation, warn } = resolved;
  if (revocation === null) (warn ?? warnOnce)(NOT_FOLLOWED);
  const net = { fetch: (url: string, init: RequestInit) => fetch(url, init), now, after: unheldTimer };
  const world = platformWorld(net, revocation?.webSocket);
  return nodeCrypto === null ? verifierOn(webEngine, resolved, world) : verifierOn(nodeEngine, resolved, world);
}

const NOT_FOLLOWED =
  "Revocations are not followed: an access token that was taken back is accepted until it expires. See the option revocation of @mapae/verifier.";

/** Longest delay that setTimeout knows. */
const TIMER_MAX = 2 ** 31 - 1;

function unheldTimer(ms: number, run: () => void): () => void {
  const timer: unknown = setTimeout(run, Math.min(ms, TIMER_MAX));
  // Browsers give a number, and end with their page.
  if (typeof timer === "object" && timer !== null && "unref" in timer && typeof timer.unref === "function")
    timer.unref();
  return () => clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
}

const warned = new Set<string>();

function warnOnce(message: string): void {
  if (warned.has(message)) return;
  warned.add(message);
  const { process }: { readonly process?: { readonly emitWarning?: (text: string, name: string) => void } } =
    globalThis;
  if (process?.emitWarning === undefined) console.error(message);
  else process.emitWarning(message, "MapaeWarning");
}

/** Either the last step's verdict, or the signature check that an asynchronous engine still has to do. */
type Step<Key> = { readonly verdict: Verdict } | { readonly jws: ParsedJws; readonly key: Key };

/** What a remembered verdict rests on. */
interface Basis<Key> {
  readonly key: Key;
  readonly prints: TokenPrints | null;
}

/** A verifier on a given engine and a given world. */
export function verifierOn<Key extends KeyFacts>(
  engine: Engine<Key>,
  options: ResolvedOptions,
  world: FeedWorld,
): Verifier {
  const { rules, clock } = options;
  const cache = options.cacheEntries === 0 ? null : createTokenCache<Accepted, Basis<Key>>(options.cacheEntries);
  /** By claims, for those who want to hear of it later. */
  const printsOf = new WeakMap<AccessTokenClaims, TokenPrints>();
  const opener = options.decryptionKeys === null ? null : createTokenOpener(options.decryptionKeys);
  /** What was inside, by claims: the issuer knows only that. */
  const insideOf = new WeakMap<AccessTokenClaims, string>();
  let keysMark = 0;
  let closed = false;
  const supply = supplyOf(engine, options, world, () => {
    keysMark += 1;
  });
  const revocations: Revocations | null =
    options.revocation &&
    followRevocations(
      options.revocation,
      rules,
      (text) =>
        readSigned(text, CHECKPOINT_TYP, engine, supply).then((read) =>
          typeof read === "string" ? read : read.payload,
        ),
      world,
    );

  function mark(): number {
    return revocations === null ? keysMark : keysMark + revocations.version;
  }

  function stands({ basis: { key, prints } }: Remembered<Accepted, Basis<Key>>): boolean {
    if (!(supply.current()?.holds(key) ?? false)) return false;
    return prints === null || revocations === null || revocations.stands(prints);
  }

  /** Everything before the signature check. */
  function begin(token: unknown, now: number): Step<Key> {
    if (closed) return { verdict: VERIFIER_CLOSED };
    // A clock that says nothing must not make every comparison false.
    if (!Number.isFinite(now)) return { verdict: VERIFICATION_FAULT };
    supply.tend(now);
    if (isEncrypted(token)) return { verdict: opener === null ? refuse("not_decryptable") : CHECK_REQUIRED };
    const jws = parseJws(token);
    if (!jws.ok) return { verdict: jws };
    const keys = supply.current();
    if (keys === null) return { verdict: KEYS_UNAVAILABLE };
    const key = keys.select(jws.header);
    // A key without a name cannot be revoked by one; a token does not choose its key's name.
    if (key !== undefined && (revocations === null || key.kid !== undefined)) return { jws, key };
    return { verdict: supply.reachable() ? refuse("unknown_key") : KEYS_UNAVAILABLE };
  }

  /** Everything after a signature that held, but whether it was revoked. */
  function read(jws: ParsedJws, key: Key, now: number): { verdict: Accepted; prints: TokenPrints | null } | Refusal {
    const verdict = checkClaims(jws, rules, now / 1000);
    if (!verdict.ok) return verdict;
    if (cache === null && revocations === null) return { verdict, prints: null };
    const claims = freezeClaims(verdict.claims);
    const prints = revocations?.prints(claims, key.kid ?? "") ?? null;
    if (prints !== null) printsOf.set(claims, prints);
    return { verdict: Object.freeze(verdict), prints };
  }

  function remember(token: unknown, verdict: Accepted, basis: Basis<Key>): void {
    if (cache === null || typeof token !== "string") return;
    cache.put(token, mark(), { verdict, basis, ...lifeOf(verdict.claims, rules) });
  }

  /** @param jwt what is signed: the token itself, or what was inside */
  function judge(token: unknown, now: number, jwt = token): Verdict {
    const known = remembered(token, now);
    if (known !== undefined) return known;
    const step = begin(jwt, now);
    if ("verdict" in step) return step.verdict;
    if (engine.checkNow === null) return CHECK_REQUIRED;
    const { jws, key } = step;
    const refusal = engine.checkNow(jws, key);
    if (refusal !== null) return refusal;
    const good = read(jws, key, now);
    if ("code" in good) return good;
    const { verdict, prints } = good;
    const taken = prints === null ? null : revocations?.judge(prints);
    if (taken === undefined) return CHECK_REQUIRED;
    if (taken !== null) return taken;
    remember(token, verdict, { key, prints });
    return verdict;
  }

  async function judgeLater(token: unknown, jwt = token): Promise<Verdict> {
    const known = remembered(token, clock());
    if (known !== undefined) return known;
    const step = begin(jwt, clock());
    if ("verdict" in step) return step.verdict;
    const { jws, key } = step;
    const refusal = await engine.check(jws, key);
    if (refusal !== null) return refusal;
    const good = read(jws, key, clock());
    if ("code" in good) return good;
    const { verdict, prints } = good;
    const taken = prints === null ? null : await revocations?.judgeLater(prints);
    if (taken) return taken;
    // The key may have gone while the checks were under way.
    if (!supply.current()?.holds(key)) return refuse("unknown_key");
    remember(token, verdict, { key, prints });
    return verdict;
  }

  function remembered(token: unknown, now: number): Accepted | undefined {
    if (cache === null || closed || typeof token !== "string") return undefined;
    const verdict = cache.get(token, now, mark(), stands);
    if (verdict !== undefined) supply.tend(now);
    return verdict;
  }

  function verify(token: unknown, { onStale }: VerifyOptions = {}): Verdict {
    try {
      const now = clock();
      const verdict = judge(token, now);
      if (verdict.ok) return revocations === null ? verdict : revocations.settle(verdict, onStale, now);
      if (mayBeLearnt(verdict)) supply.seek();
      return verdict;
    } catch {
      return VERIFICATION_FAULT;
    }
  }

  async function check(token: unknown, { onStale }: VerifyOptions = {}): Promise<Verdict> {
    try {
      const known = isEncrypted(token) ? remembered(token, clock()) : undefined;
      const mustOpen = known === undefined && opener !== null && !closed && isEncrypted(token);
      const jwt = mustOpen ? await opener.open(token) : token;
      if (jwt === null) return refuse("not_decryptable");
      const once = () => (engine.checkNow === null ? judgeLater(token, jwt) : judge(token, clock(), jwt));
      let verdict = known ?? (await once());
      if (mayBeLearnt(verdict)) {
        const learning = supply.seek();
        if (learning === null) return verdict;
        await learning;
        verdict = await once();
      }
      if (verdict.ok && jwt !== token && typeof jwt === "string") insideOf.set(verdict.claims, jwt);
      if (!verdict.ok || revocations === null || typeof token !== "string") return verdict;
      const prints = printsOf.get(verdict.claims);
      return prints === undefined
        ? VERIFICATION_FAULT
        : await revocations.settleLater(insideOf.get(verdict.claims) ?? token, verdict, prints, onStale, clock());
    } catch {
      return VERIFICATION_FAULT;
    }
  }

  return {
    audience: rules.audience,
    clock,
    stalePolicies: STALE_POLICIES.filter((policy) => {
      return options.revocation !== null && (policy !== "accept" || options.revocation.acceptMs > 0);
    }),
    async ready() {
      await opener?.ready();
      await supply.ready();
      await revocations?.ready();
    },
    verify,
    check,
    verifyOrThrow(token, how) {
      const verdict = verify(token, how);
      if (verdict.ok) return verdict.claims;
      throw new TokenNotAccepted(verdict);
    },
    onRevoked(claims, call) {
      const prints = printsOf.get(claims);
      if (prints === undefined || revocations === null) {
        throw new TypeError("onRevoked takes the claims that this verifier gave, and needs the option revocation.");
      }
      return revocations.watch(prints, call);
    },
    status: () => revocations?.status() ?? null,
    close() {
      closed = true;
      cache?.clear();
      revocations?.close();
      supply.close();
    },
  };
}

/** Could the issuer's answer change this verdict? */
function mayBeLearnt(verdict: Verdict): boolean {
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
  net: FeedWorld,
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

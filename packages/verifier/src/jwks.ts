/**
 * Where a verifier's keys come from. A supply hands out the set at hand at once and never blocks; `seek` is for callers
 * that can wait when the set does not have what they need.
 *
 *   verify ──► current()  ─────────────────────────────► the set at hand, or null
 *   check ───► seek() ──► running? join it : mayFetch? fetch : null (nothing to wait for)
 *   timer ───► refresh when the set has aged                    │
 *                                                               ▼
 *                       locate (configured or discovered) ──► document ──► plan ──► bind ──► the new set
 *
 * A failed fetch changes nothing but the date of the next: the last good set stays through an outage. A set that arrived
 * counts whole, also where it is empty: a key that the issuer took away is gone.
 */
import { discoverJwksUri } from "./discovery.ts";
import { fetchDocument } from "./document.ts";
import type { Net } from "./exchange.ts";
import {
  type AgeBounds,
  began,
  type Cause,
  type Freshness,
  failed,
  freshForOf,
  mayFetch,
  NEVER,
  succeeded,
  untilDue,
} from "./freshness.ts";
import type { AlgorithmName } from "./jose/algorithms.ts";
import { type KeyFacts, type KeyPlan, type KeySet, planKeys, sameKeys } from "./keyset.ts";

export interface KeySupply<Key extends KeyFacts> {
  current(): KeySet<Key> | null;
  /** Begins a refresh in the background if one is due. @param now milliseconds since 1970 */
  tend(now: number): void;
  /**
   * For a key that the set lacks: what to wait for before looking again, or null where nothing can be learnt now.
   * Never rejects.
   */
  seek(): Promise<void> | null;
  /** False while the last attempt to get keys failed: a key that is not known may exist all the same. */
  reachable(): boolean;
  /** Resolves when a set with at least one key is at hand. @throws Error with the reason when this attempt failed */
  ready(): Promise<void>;
  close(): void;
}

/** Keys that were configured. On an asynchronous engine the set arrives a moment later. */
export function fixedSupply<Key extends KeyFacts>(given: KeySet<Key> | Promise<KeySet<Key>>): KeySupply<Key> {
  let set: KeySet<Key> | null = null;
  let arriving: Promise<void> | null = null;
  if (given instanceof Promise) {
    arriving = given.then((bound) => {
      refuseEmpty(bound);
      set = bound;
    });
    // Whoever asks `ready` is told; nobody else has to handle it.
    arriving.catch(() => undefined);
  } else {
    refuseEmpty(given);
    set = given;
  }
  return {
    current: () => set,
    tend: () => undefined,
    seek: () => (set === null && arriving !== null ? arriving.catch(() => undefined) : null),
    reachable: () => set !== null,
    ready: async () => {
      await arriving;
    },
    close: () => undefined,
  };
}

function refuseEmpty(set: KeySet<KeyFacts>): void {
  if (set.size > 0) return;
  throw new TypeError(`keys has no usable key${skippedList(set)}.`);
}

function skippedList(set: KeySet<KeyFacts>): string {
  const list = set.skipped.slice(0, 5).map(({ kid, why }) => `${kid ?? "(no kid)"}: ${why}`);
  return list.length === 0 ? "" : ` (${list.join("; ")})`;
}

export type KeyPlace = { readonly jwksUri: string } | { readonly issuer: string };

export interface RemoteLimits {
  /** Bounds on how long a set is used before the issuer is asked again; milliseconds. */
  readonly age: AgeBounds;
  /** Shortest time between two fetches on behalf of unknown keys; milliseconds. */
  readonly cooldown: number;
  /** For each request; milliseconds. */
  readonly timeout: number;
}

export interface RemoteOptions<Key extends KeyFacts> {
  readonly place: KeyPlace;
  readonly algorithms: readonly AlgorithmName[];
  readonly limits: RemoteLimits;
  readonly net: Net;
  readonly bind: (plan: KeyPlan, last: KeySet<Key> | null) => KeySet<Key> | Promise<KeySet<Key>>;
  /** Called after the set at hand has become another. */
  readonly changed: () => void;
}

/** Keys published by an issuer. Nothing is fetched before somebody asks. */
export function remoteSupply<Key extends KeyFacts>(options: RemoteOptions<Key>): KeySupply<Key> {
  const { place, algorithms, limits, net, bind, changed } = options;
  const stop = new AbortController();
  let state: Freshness = NEVER;
  let set: KeySet<Key> | null = null;
  let reason = "nothing was fetched yet";
  let running: Promise<void> | null = null;
  let cancelTimer = () => {};
  let discovered: string | null = null;

  /** Single flight: whoever needs keys meanwhile waits for the same fetch. */
  function fetchFor(cause: Cause): Promise<void> | null {
    if (running !== null) return running;
    const now = net.now();
    if (stop.signal.aborted || !mayFetch(state, cause, now, limits.cooldown)) return null;
    state = began(state, cause, now);
    cancelTimer();
    running = load()
      .catch(() => "the keys could not be read")
      .then((failure) => {
        running = null;
        if (stop.signal.aborted) return;
        if (failure === null) return schedule();
        reason = failure;
        state = failed(state);
        discovered = null;
        schedule();
      });
    return running;
  }

  function schedule(): void {
    cancelTimer = net.after(untilDue(state, net.now()), () => {
      // A timer may come a moment before the clock says that it is time.
      if (fetchFor("age") === null && !stop.signal.aborted) schedule();
    });
  }

  /** @returns null, or why there is no new set */
  async function load(): Promise<string | null> {
    if ("issuer" in place && discovered === null) {
      const found = await discoverJwksUri(place.issuer, net, limits.timeout, stop.signal);
      if (!found.ok) return found.reason;
      discovered = found.jwksUri;
    }
    const url = "jwksUri" in place ? place.jwksUri : (discovered ?? "");
    const document = await fetchDocument(url, net, limits.timeout, stop.signal);
    if (!document.ok) return `${url}: ${document.reason}`;
    const plan = planKeys(document.value, algorithms);
    if (plan === null) return `${url}: the answer was not a JWKS of at most 100 keys`;
    const next = await bind(plan, set);
    if (stop.signal.aborted) return "the verifier was closed";
    state = succeeded(state, net.now(), freshForOf(document.cacheControl, document.age, limits.age));
    reason = `${url}: the JWKS has no usable key${skippedList(next)}`;
    if (set === null || !sameKeys(set, next, plan)) {
      set = next;
      changed();
    }
    return null;
  }

  /** The first fetch is not on behalf of any token: it must not use up the cooldown. */
  function seek(): Promise<void> | null {
    return fetchFor(set === null ? "age" : "unknown_key");
  }

  return {
    current: () => set,
    tend(now) {
      if (mayFetch(state, "age", now, limits.cooldown)) fetchFor("age");
    },
    seek,
    reachable: () => set !== null && state.failures === 0,
    async ready() {
      if (set === null || set.size === 0) await seek();
      if (stop.signal.aborted) throw new Error("The verifier was closed.");
      if (set === null || set.size === 0) throw new Error(`The verifier has no keys: ${reason}.`);
    },
    close() {
      stop.abort();
      cancelTimer();
    },
  };
}

/**
 * Keys that an issuer publishes, for whoever reads what is no access token: the supply that verifiers have (jwks.ts), with
 * the network as the caller has it.
 */
import { nodeEngine } from "./engine.ts";
import type { Net } from "./exchange.ts";
import type { AlgorithmName } from "./jose/algorithms.ts";
import type { BoundKey } from "./jose/keys.ts";
import { remoteSupply } from "./jwks.ts";

export interface PublishedKeys {
  /** The key that a header names, if it is at hand. */
  find(header: { readonly alg: string; readonly kid: string | undefined }): BoundKey | undefined;
  /** Looks once more for a key that is not at hand: at most once in a while, and once for all who ask meanwhile. */
  seek(): Promise<void>;
  /** False while the last attempt to get keys failed: a key that is not known may exist all the same. */
  reachable(): boolean;
  close(): void;
}

/** How long a set is used before it is asked for again, and what is respected of `Cache-Control`; milliseconds. */
const AGE = { shortest: 30_000, longest: 600_000, usual: 300_000 };
/** Between two fetches on behalf of unknown keys, in milliseconds. */
const COOLDOWN_MS = 10_000;
const TIMEOUT_MS = 5_000;

/**
 * @param jwksUri where the set is (RFC 7517 §5); nothing is fetched before somebody asks
 * @param algorithms allow-list; keys of others are passed over, and so are published secrets
 */
export function publishedKeys(jwksUri: string, algorithms: readonly AlgorithmName[], net: Net): PublishedKeys {
  const supply = remoteSupply({
    place: { jwksUri },
    algorithms,
    limits: { age: AGE, cooldown: COOLDOWN_MS, timeout: TIMEOUT_MS },
    net,
    bind: nodeEngine.bindSet,
    changed: () => {},
  });
  return {
    find: (header) => {
      supply.tend(net.now());
      return supply.current()?.select(header);
    },
    seek: async () => {
      await supply.seek();
    },
    reachable: supply.reachable,
    close: supply.close,
  };
}

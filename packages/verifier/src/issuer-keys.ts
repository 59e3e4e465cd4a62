/**
 * The keys that an issuer publishes, for reading what it signed that is no access token: checkpoints and tickets. For a
 * relay, which verifies no tokens.
 */
import { nodeEngine } from "./engine.ts";
import type { Net } from "./exchange.ts";
import type { BoundKey } from "./jose/keys.ts";
import { type KeyPlace, remoteSupply } from "./jwks.ts";
import { limitsOf } from "./options.ts";
import { readSigned, type SignedText } from "./signed.ts";

export interface IssuerKeys {
  /** What a text says that one of them signed under a type. Never rejects. */
  read(text: string, mediaType: string): Promise<SignedText | "forged" | "keys_unavailable">;
  /** Resolves when keys are at hand. @throws Error with the reason when they cannot be had now */
  ready(): Promise<void>;
  close(): void;
}

export function openIssuerKeys(place: KeyPlace, net: Net): IssuerKeys {
  const supply = remoteSupply<BoundKey>({
    ...{ place, algorithms: [], limits: limitsOf({}), net },
    bind: (plan, last) => nodeEngine.bindSet(plan, last),
    changed: () => undefined,
  });
  return {
    async read(text, mediaType) {
      supply.tend(net.now());
      return readSigned(text, mediaType, nodeEngine, supply).catch((): "keys_unavailable" => "keys_unavailable");
    },
    ready: () => supply.ready(),
    close: () => supply.close(),
  };
}

/**
 * Encrypts what was signed for the resource server that it is meant for (nested JWT, RFC 7519 §11.2). The keys were admitted
 * when they were registered; here they are bound once and kept by their text.
 */
import type { EncryptionKey } from "@mapae/verifier/jwe";
import type { PublishedKeys } from "../clients/published-keys.ts";

const KEPT = 1000;

/** `null` as keys: nothing is encrypted. Also for ID tokens and userinfo, whose keys are the client's. */
export type Encrypt = (jws: string, keys: PublishedKeys | null) => Promise<string> | string;

export function createEncrypt(): Encrypt {
  const bound = new Map<string, Promise<EncryptionKey>>();
  const keyFor = (keys: PublishedKeys): Promise<EncryptionKey> => {
    const [first] = keys;
    const text = JSON.stringify(first);
    let key = bound.get(text);
    if (key === undefined) {
      if (bound.size >= KEPT) bound.clear();
      key = import("@mapae/verifier/jwe").then(({ bindEncryptionKey }) => bindEncryptionKey(first));
      // What failed for a moment must not fail for ever.
      key.catch(() => bound.delete(text));
      bound.set(text, key);
    }
    return key;
  };
  return (jws, keys) => (keys === null ? jws : nest(jws, keyFor(keys)));
}

async function nest(jws: string, key: Promise<EncryptionKey>): Promise<string> {
  const { nestJwt } = await import("@mapae/verifier/jwe");
  return nestJwt(jws, await key);
}

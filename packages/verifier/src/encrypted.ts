/**
 * Encrypted access tokens: a JWE of five parts, around the JWS that is judged as ever. Only for resource servers that have
 * registered an encryption key with the issuer; without a key here, an encrypted token is refused.
 *
 * What does this is loaded when the first verifier has a key to open with, and not before: it brings the library `jose`.
 */
import type { Jwk } from "./jose/keys.ts";
import type { DecryptionKey } from "./jwe/keys.ts";

/** Private keys to open with: a JWK set, as its text or parsed, or PEM. */
export type DecryptionKeys = string | { readonly keys: readonly Jwk[] };

export interface TokenOpener {
  /** The signed token inside; null for whatever reason. */
  open(token: string): Promise<string | null>;
  /** @throws KeyRefused, KeysRefused for keys that must not or cannot be used */
  ready(): Promise<void>;
}

/** Five parts, as a JWE has (RFC 7516 §9). */
export function isEncrypted(token: unknown): token is string {
  return typeof token === "string" && token.split(".", 6).length === 5;
}

export function createTokenOpener(given: DecryptionKeys): TokenOpener {
  const loading = load(given);
  // Whoever asks `ready` is told, and so is every check; nobody else has to handle it.
  loading.catch(() => undefined);
  return {
    async open(token) {
      const { openNestedJwt, keys } = await loading;
      return openNestedJwt(token, keys);
    },
    async ready() {
      await loading;
    },
  };
}

async function load(given: DecryptionKeys) {
  const [{ bindDecryptionKey, openNestedJwt }, { readKeyText }] = await Promise.all([
    import("./jwe/index.ts"),
    import("./seal/key-text.ts"),
  ]);
  const jwks = typeof given === "string" ? await readKeyText(given) : given.keys;
  const keys: DecryptionKey[] = [];
  for (const jwk of jwks) {
    // A set may hold a key for signatures as well.
    if (jwk.use !== "sig") keys.push(await bindDecryptionKey(jwk));
  }
  if (keys.length === 0) throw new TypeError("decryptionKeys has no key for encryption.");
  return { openNestedJwt, keys };
}

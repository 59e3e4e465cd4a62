/**
 * What a client publishes of its keys (RFC 7591 §2, `jwks`): today the keys to encrypt for it with. They are admitted by the
 * verifier's own policy when they are registered, so that a token never has to be issued for a key that cannot be used.
 */
import type { Jwk } from "@mapae/verifier";
import { KeyRefused } from "@mapae/verifier/jose";

/** Public keys for encryption, at least one, the first of which tokens are encrypted for. */
export type PublishedKeys = readonly [Jwk, ...Jwk[]];

export type KeysAdmitted =
  | { readonly ok: true; readonly keys: PublishedKeys }
  /** The end of a sentence whose subject is the set. */
  | { readonly ok: false; readonly detail: string };

const KEYS_MAX = 10;
/** The members that are kept; what else stood in a key is forgotten. */
const KEPT = ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"] as const;

/** Loads the library for JWE; a server without such clients never does. */
export async function admitKeys(jwks: readonly Jwk[]): Promise<KeysAdmitted> {
  if (jwks.length > KEYS_MAX) return { ok: false, detail: `has more than ${KEYS_MAX} keys` };
  const { bindEncryptionKey } = await import("@mapae/verifier/jwe");
  const admitted: Jwk[] = [];
  const refusals = new Set<string>();
  for (const jwk of jwks) {
    // A key for signatures may stand in the set; for a private one there is no excuse.
    if (jwk.d !== undefined || jwk.k !== undefined)
      return { ok: false, detail: "holds a private key: publish its public half" };
    if (jwk.use === "sig") continue;
    try {
      const { management } = await bindEncryptionKey(jwk);
      const kept = KEPT.flatMap((member) => (jwk[member] === undefined ? [] : [[member, jwk[member]]]));
      admitted.push({ ...Object.fromEntries(kept), use: "enc", alg: management.name });
    } catch (error) {
      if (!(error instanceof KeyRefused)) throw error;
      refusals.add(error.message);
    }
  }
  const [first, ...others] = admitted;
  if (first !== undefined) return { ok: true, keys: [first, ...others] };
  return { ok: false, detail: ["has no key to encrypt with", ...refusals].join(": ") };
}

export interface Sharer {
  readonly id: string;
  readonly audience: string | null;
  readonly jwks: PublishedKeys | null;
}

/**
 * May a client stand beside the others of its audience? A token for an audience is encrypted for one key set: where keys are
 * registered, nobody else may be meant by the same name.
 */
export function mayShare(client: Sharer, others: readonly Sharer[]): boolean {
  const rest = others.filter(({ id }) => id !== client.id);
  return rest.length === 0 || (client.jwks === null && rest.every(({ jwks }) => jwks === null));
}

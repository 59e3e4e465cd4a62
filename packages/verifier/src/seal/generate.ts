/** Key pairs to begin with: one for signatures and one for encryption, so that neither use can hurt the other. */
import type { Jwk } from "../jose/keys.ts";

export const KEY_PAIRS = {
  /** The smallest and the fastest. */
  ed25519: {
    signs: { alg: "EdDSA", with: { name: "Ed25519" } },
    opens: { alg: "ECDH-ES", with: { name: "X25519" } },
  },
  /** What smart cards and older systems know. */
  p256: {
    signs: { alg: "ES256", with: { name: "ECDSA", namedCurve: "P-256" } },
    opens: { alg: "ECDH-ES", with: { name: "ECDH", namedCurve: "P-256" } },
  },
  /** The story's: 3072 bits, as NIST SP 800-57 advises beyond 2030. */
  rsa: {
    signs: { alg: "PS256", with: rsa("RSA-PSS") },
    opens: { alg: "RSA-OAEP-256", with: rsa("RSA-OAEP") },
  },
} as const;

export type KeyPairKind = keyof typeof KEY_PAIRS;

function rsa<Name extends string>(name: Name) {
  return { name, modulusLength: 3072, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-256" };
}

/** Fresh private JWKs; `publicHalves` of them is what to publish. */
export async function generateKeys(kind: KeyPairKind): Promise<readonly Jwk[]> {
  const { signs, opens } = KEY_PAIRS[kind];
  return [
    { ...(await privateJwk(signs.with, ["sign", "verify"])), use: "sig", alg: signs.alg },
    {
      ...(await privateJwk(opens.with, opens.alg === "ECDH-ES" ? ["deriveBits"] : ["encrypt", "decrypt"])),
      use: "enc",
      alg: opens.alg,
    },
  ];
}

async function privateJwk(algorithm: { readonly name: string }, usages: readonly KeyUsage[]): Promise<Jwk> {
  const pair = await crypto.subtle.generateKey(algorithm, true, [...usages]);
  if (!("privateKey" in pair)) throw new TypeError(`${algorithm.name} makes no key pairs`);
  const { key_ops: _ops, ext: _ext, alg: _alg, ...jwk } = await crypto.subtle.exportKey("jwk", pair.privateKey);
  return jwk;
}

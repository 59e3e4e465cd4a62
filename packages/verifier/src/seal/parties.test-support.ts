/** The countries of the story, with keys of every kind, for tests. C has keys as good as anybody's. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { Jwk } from "../jose/keys.ts";
import { bindPrivateKeys, bindPublicKeys, type PrivateKeys, type PublicKeys, publicHalves } from "./party.ts";

export interface Country {
  readonly jwks: readonly Jwk[];
  /** On its blog. */
  readonly published: PublicKeys;
  readonly own: PrivateKeys;
}

export async function country(jwks: readonly Jwk[]): Promise<Country> {
  return { jwks, published: await bindPublicKeys(publicHalves(jwks)), own: await bindPrivateKeys(jwks) };
}

const jwkOf = (key: KeyObject): Jwk => key.export({ format: "jwk" });

export const KEY_KINDS = {
  /** One key for both, as in the seed: what a PEM file of RSA holds. */
  rsa: () => [jwkOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey)],
  "RS256 and RSA-OAEP-256": () => [
    { ...jwkOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey), alg: "RS256", use: "sig" },
    { ...jwkOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey), alg: "RSA-OAEP-256", use: "enc" },
  ],
  "P-256": () => [jwkOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey)],
  "Ed25519 and X25519": () => [
    jwkOf(generateKeyPairSync("ed25519").privateKey),
    jwkOf(generateKeyPairSync("x25519").privateKey),
  ],
} as const satisfies Record<string, () => readonly Jwk[]>;

/** Two keys each, the second for encryption. */
export async function countries(): Promise<{ readonly a: Country; readonly b: Country; readonly c: Country }> {
  const fresh = () => country(KEY_KINDS["Ed25519 and X25519"]());
  return { a: await fresh(), b: await fresh(), c: await fresh() };
}

/** A piece of JOSE taken apart, to be put together wrongly. */
export function headerOf(compact: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(compact.split(".")[0] ?? "", "base64url").toString("utf8"));
}

export const textOf = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

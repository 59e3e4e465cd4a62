/**
 * Keys over WebCrypto, for runtimes without node:crypto. The policy is key-policy.ts, the tokens are jws.ts: only the
 * cryptography differs, and that it is asynchronous.
 */
import type { Algorithm } from "./algorithms.ts";
import { decodeBase64url } from "./base64url.ts";
import { type AdmittedKey, admitJwk, admitSecret, algorithmNamed } from "./key-policy.ts";
import { type AsyncBoundKey, type AsyncSigningKey, type BindOptions, type Jwk, KeyRefused } from "./keys.ts";
import { isLeakedSecret } from "./leaked-secrets.ts";

/** A string is PEM (SPKI only, and with `alg`), or with an HS algorithm the secret's text in UTF-8. */
export type AsyncKeySource = Jwk | Uint8Array | string;

/**
 * `bindKey` over WebCrypto.
 * @throws KeyRefused with a stable `code`
 */
export async function bindKeyAsync(source: AsyncKeySource, options: BindOptions = {}): Promise<AsyncBoundKey> {
  const admitted = await admit(source, options);
  const { algorithm, kid } = admitted;
  const key = await importAdmitted(admitted);
  const size = algorithm.signatureBytes ?? modulusBytes(admitted);
  return {
    algorithm,
    kid,
    async verify(signingInput, signature) {
      if (signature.length !== size) return false;
      return crypto.subtle.verify(algorithm.web.use, key, Uint8Array.from(signature), asciiBytes(signingInput));
    },
  };
}

/**
 * `bindSigningKey` over WebCrypto, for key pairs: who shares a secret runs on a server, with node:crypto.
 * @throws KeyRefused with a stable `code`
 */
export async function bindSigningKeyAsync(jwk: Jwk, options: BindOptions = {}): Promise<AsyncSigningKey> {
  const admitted = admitJwk(jwk, options, "sign");
  if ("secret" in admitted) throw new KeyRefused("key_type_mismatch");
  const { algorithm, kid } = admitted;
  const key = await imported(algorithm, () =>
    crypto.subtle.importKey("jwk", admitted.jwk, algorithm.web.key, false, ["sign"]),
  );
  return {
    algorithm,
    kid,
    async sign(signingInput) {
      return new Uint8Array(await crypto.subtle.sign(algorithm.web.use, key, asciiBytes(signingInput)));
    },
  };
}

async function admit(source: AsyncKeySource, options: BindOptions): Promise<AdmittedKey> {
  if (typeof source === "string" && source.includes("-----BEGIN ")) return admitPem(source, options);
  if (typeof source === "string" || source instanceof Uint8Array) {
    if (options.alg === undefined) throw new KeyRefused("key_algorithm_missing");
    const secret = typeof source === "string" ? new TextEncoder().encode(source) : Uint8Array.from(source);
    return refuseLeaked(admitSecret(secret, algorithmNamed(options.alg), options.kid));
  }
  if (typeof source !== "object" || source === null) throw new KeyRefused("key_malformed");
  return refuseLeaked(admitJwk(source, options, "verify"));
}

async function refuseLeaked(admitted: AdmittedKey): Promise<AdmittedKey> {
  if (!("secret" in admitted)) return admitted;
  const digest = await crypto.subtle.digest("SHA-256", Uint8Array.from(admitted.secret));
  if (isLeakedSecret(new Uint8Array(digest))) throw new KeyRefused("key_leaked");
  return admitted;
}

/** WebCrypto has to be told what a PEM holds before it reads it; what it read is then judged as a JWK. */
async function admitPem(pem: string, options: BindOptions): Promise<AdmittedKey> {
  if (options.alg === undefined) throw new KeyRefused("key_algorithm_missing");
  const algorithm = algorithmNamed(options.alg);
  if (algorithm.kty === "oct") throw new KeyRefused("key_type_mismatch");
  if (/ PRIVATE KEY-----/.test(pem)) throw new KeyRefused("key_private");
  const body = /-----BEGIN PUBLIC KEY-----([^-]+)-----END PUBLIC KEY-----/.exec(pem)?.[1];
  if (body === undefined) throw new KeyRefused("key_malformed");
  const text = body.replace(/\s|=/g, "").replaceAll("+", "-").replaceAll("/", "_");
  const spki = decodeBase64url(text);
  if (spki === null) throw new KeyRefused("key_malformed");
  const key = await imported(algorithm, () =>
    crypto.subtle.importKey("spki", Uint8Array.from(spki), algorithm.web.key, true, ["verify"]),
  );
  const { alg: _, key_ops: __, ...jwk } = await crypto.subtle.exportKey("jwk", key);
  return admitJwk(algorithm.kty === "AKP" ? { ...jwk, alg: algorithm.name } : jwk, options, "verify");
}

function importAdmitted(admitted: AdmittedKey): Promise<CryptoKey> {
  const { algorithm } = admitted;
  return imported(algorithm, () =>
    "secret" in admitted
      ? crypto.subtle.importKey("raw", Uint8Array.from(admitted.secret), algorithm.web.key, false, ["verify"])
      : crypto.subtle.importKey("jwk", admitted.jwk, algorithm.web.key, false, ["verify"]),
  );
}

/** What WebCrypto cannot read is a refused key; what it does not know is a runtime that is too old. */
async function imported(algorithm: Algorithm, read: () => Promise<CryptoKey>): Promise<CryptoKey> {
  try {
    return await read();
  } catch (error) {
    const unknown = error instanceof Error && error.name === "NotSupportedError" && algorithm.kty !== "oct";
    throw new KeyRefused(unknown ? "key_algorithm_unavailable" : "key_malformed");
  }
}

function modulusBytes(admitted: AdmittedKey): number {
  return "jwk" in admitted ? (decodeBase64url(admitted.jwk.n ?? "")?.length ?? 0) : 0;
}

/**
 * The low octet of each code unit, as node:crypto reads "latin1". A letter beyond ASCII that shares its low octet with the
 * one that was signed passes the signature on either engine, and is refused where the payload is decoded.
 */
function asciiBytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at) & 0xff;
  return bytes;
}

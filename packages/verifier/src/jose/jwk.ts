/**
 * Keys over node:crypto: from a JWK, PEM, KeyObject or secret to something that verifies or signs, synchronously.
 * The rules stand in key-policy.ts; webcrypto.ts is the same for runtimes without node:crypto.
 */
import type { KeyObject } from "node:crypto";
import type { Algorithm } from "./algorithms.ts";
import { encodeBase64url } from "./base64url.ts";
import { hmacCheck } from "./hmac.ts";
import { type AdmittedKey, admitJwk, admitSecret, algorithmNamed, type Purpose } from "./key-policy.ts";
import { type BindOptions, type BoundKey, type Jwk, KeyRefused, type SigningKey } from "./keys.ts";
import { isLeakedSecret } from "./leaked-secrets.ts";
import { TOKEN_MAX } from "./limits.ts";
import { hasBuffer, nodeCrypto } from "./runtime.ts";

/** A string is PEM (SPKI, PKCS#1, PKCS#8 or SEC 1), or with an HS algorithm the secret's text in UTF-8. */
export type KeySource = KeyObject | Jwk | Uint8Array | string;

/**
 * Binds a public key or a secret for verification.
 * @throws KeyRefused with a stable `code`
 */
export function bindKey(source: KeySource, options: BindOptions = {}): BoundKey {
  const crypto = engine();
  const admitted = admit(source, options, "verify");
  const { algorithm, kid } = admitted;
  if ("secret" in admitted) {
    return { algorithm, kid, verify: hmacCheck(crypto, admitted.secret, algorithm) };
  }
  const key = importedAs(algorithm, () => crypto.createPublicKey({ key: admitted.jwk, format: "jwk" }));
  const size = algorithm.signatureBytes ?? modulusBytes(key);
  const verifying = { key, ...algorithm.node.options };
  const { hash } = algorithm.node;
  // Where the scheme lets the hash be chosen, the streaming interface is the faster one (by 1 µs) and takes text.
  const check: BoundKey["verify"] =
    hash === null
      ? (signingInput, signature) => crypto.verify(null, octetsOf(signingInput), verifying, signature)
      : (signingInput, signature) =>
          crypto.createVerify(hash).update(signingInput, "latin1").verify(verifying, signature);
  return {
    algorithm,
    kid,
    verify: (signingInput, signature) => signature.length === size && check(signingInput, signature),
  };
}

/**
 * Binds a private key or a secret for signing.
 * @throws KeyRefused with a stable `code`
 */
export function bindSigningKey(source: KeySource, options: BindOptions = {}): SigningKey {
  const crypto = engine();
  const admitted = admit(source, options, "sign");
  const { algorithm, kid } = admitted;
  if ("secret" in admitted) {
    const key = crypto.createSecretKey(admitted.secret);
    const hash = algorithm.node.hash ?? "";
    return {
      algorithm,
      kid,
      sign: (signingInput) => crypto.createHmac(hash, key).update(signingInput, "latin1").digest(),
    };
  }
  const key = importedAs(algorithm, () => crypto.createPrivateKey({ key: admitted.jwk, format: "jwk" }));
  const signing = { key, ...algorithm.node.options };
  const { hash } = algorithm.node;
  return {
    algorithm,
    kid,
    sign: (signingInput) => crypto.sign(hash, octetsOf(signingInput), signing),
  };
}

function engine(): NonNullable<typeof nodeCrypto> {
  if (nodeCrypto === null) throw new KeyRefused("key_engine_missing");
  return nodeCrypto;
}

/** One buffer for every signing input: all work here is synchronous, and nothing keeps what it was given. */
const scratch = hasBuffer ? Buffer.alloc(TOKEN_MAX) : null;

/**
 * The octets of an ASCII text, good until the next call. A code unit beyond Latin-1 is folded into an octet, so a text that is
 * not ASCII may pass for one that is: jws.ts refuses it by its base64url.
 */
function octetsOf(text: string): Buffer {
  if (scratch === null || text.length > TOKEN_MAX) return Buffer.from(text, "latin1");
  return scratch.subarray(0, scratch.write(text, "latin1"));
}

function modulusBytes(key: KeyObject): number {
  return Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
}

function admit(source: KeySource, options: BindOptions, purpose: Purpose): AdmittedKey {
  const admitted = admitSource(source, options, purpose);
  if ("secret" in admitted && isLeakedSecret(engine().createHash("sha256").update(admitted.secret).digest())) {
    throw new KeyRefused("key_leaked");
  }
  return admitted;
}

function admitSource(source: KeySource, options: BindOptions, purpose: Purpose): AdmittedKey {
  if (typeof source === "string") {
    if (source.includes("-----BEGIN ")) return admitKeyObject(readPem(source, purpose), options, purpose);
    return admitOctets(new TextEncoder().encode(source), options);
  }
  if (source instanceof Uint8Array) return admitOctets(source, options);
  if (typeof source !== "object" || source === null) throw new KeyRefused("key_malformed");
  if (source instanceof engine().KeyObject) return admitKeyObject(source, options, purpose);
  return admitJwk(source, options, purpose);
}

function admitOctets(secret: Uint8Array, { alg, kid }: BindOptions): AdmittedKey {
  if (alg === undefined) throw new KeyRefused("key_algorithm_missing");
  return admitSecret(Uint8Array.from(secret), algorithmNamed(alg), kid);
}

function admitKeyObject(key: KeyObject, options: BindOptions, purpose: Purpose): AdmittedKey {
  if (key.type === "secret") return admitOctets(key.export(), options);
  if (purpose === "verify" && key.type === "private") throw new KeyRefused("key_private");
  if (purpose === "sign" && key.type === "public") throw new KeyRefused("key_not_private");
  return admitJwk(
    imported(() => key.export({ format: "jwk" })),
    options,
    purpose,
  );
}

function readPem(pem: string, purpose: Purpose): KeyObject {
  const crypto = engine();
  const isPrivate = / PRIVATE KEY-----/.test(pem);
  // createPublicKey would take a private key or a certificate and quietly use its public half.
  if (purpose === "verify" && isPrivate) throw new KeyRefused("key_private");
  if (purpose === "sign" && !isPrivate) throw new KeyRefused("key_not_private");
  if (!isPrivate && !/-----BEGIN (?:RSA )?PUBLIC KEY-----/.test(pem)) throw new KeyRefused("key_malformed");
  return imported(() => (isPrivate ? crypto.createPrivateKey(pem) : crypto.createPublicKey(pem)));
}

/** What OpenSSL cannot read (a point off its curve, a broken PEM) is a refused key; its own message may show the input. */
function imported<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    // Node before 24 knows no ML-DSA, and says of its kty that it is none.
    const unknown = error instanceof TypeError && "code" in error && error.code === "ERR_INVALID_ARG_VALUE";
    throw new KeyRefused(unknown ? "key_algorithm_unavailable" : "key_malformed");
  }
}

/** As `imported`; where the runtime does not know the algorithm at all, it is not the key's fault. */
function importedAs(algorithm: Algorithm, read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch {
    throw new KeyRefused(algorithm.kty === "AKP" && !hasMlDsa() ? "key_algorithm_unavailable" : "key_malformed");
  }
}

/** Node 24.7 and later, with OpenSSL 3.5. There is no list to ask, so it is tried. */
function hasMlDsa(): boolean {
  try {
    engine().generateKeyPairSync("ml-dsa-44");
    return true;
  } catch {
    return false;
  }
}

/** The members of a thumbprint in the order that RFC 7638 §3.2 (and RFC 8037 §2, RFC 9964 §6) wants. */
const THUMBPRINT_MEMBERS = {
  RSA: ["e", "kty", "n"],
  EC: ["crv", "kty", "x", "y"],
  OKP: ["crv", "kty", "x"],
  AKP: ["alg", "kty", "pub"],
  oct: ["k", "kty"],
} as const;

/**
 * The SHA-256 thumbprint of a key (RFC 7638), base64url. Of a private JWK it is its public half's.
 * @throws KeyRefused
 */
export function thumbprint(jwk: Jwk): string {
  const crypto = engine();
  const kty = jwk.kty ?? "";
  if (!isThumbprintType(kty)) throw new KeyRefused("key_malformed");
  const members = THUMBPRINT_MEMBERS[kty].map((member) => {
    const value = jwk[member];
    if (typeof value !== "string") throw new KeyRefused("key_malformed");
    return [member, value];
  });
  return encodeBase64url(
    crypto
      .createHash("sha256")
      .update(JSON.stringify(Object.fromEntries(members)))
      .digest(),
  );
}

function isThumbprintType(kty: string): kty is keyof typeof THUMBPRINT_MEMBERS {
  return Object.hasOwn(THUMBPRINT_MEMBERS, kty);
}

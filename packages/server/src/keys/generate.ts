/** Makes signing keys, one row per kind of algorithm, and reads them back from the vault. */
import { createPrivateKey, createPublicKey, createSecretKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { ALGORITHMS, type AlgorithmName, thumbprint } from "@mapae/verifier/jose";
import type { Secret } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { decrypt, encrypt, type Vault } from "../vault/vault.ts";
import type { SigningKeyRecord } from "./signing-key.ts";

const generate = promisify(generateKeyPair);

/** 112 bits of security, acceptable through 2030 (NIST SP 800-57 part 1, table 4); keys here live for weeks. */
const RSA_BITS = 2048;

function newPair(alg: AlgorithmName): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  const row = ALGORITHMS[alg];
  switch (row.kty) {
    case "RSA":
      return generate("rsa", { modulusLength: RSA_BITS, publicExponent: 65_537 });
    case "EC":
      return generate("ec", { namedCurve: row.curve ?? "" });
    case "OKP":
      return generate("ed25519");
    case "AKP":
      return generate(alg === "ML-DSA-44" ? "ml-dsa-44" : "ml-dsa-65");
    case "oct":
      throw new TypeError(`${alg} signs with a shared secret, which is configured and not generated`);
  }
}

/** A fresh key pair; the private half is encrypted under the vault's current data key. */
export async function generateSigningKey(
  alg: AlgorithmName,
  state: "upcoming" | "active",
  vault: Vault,
  world: World,
): Promise<SigningKeyRecord> {
  const { privateKey, publicKey } = await newPair(alg);
  const jwk = publicKey.export({ format: "jwk" });
  const kid = thumbprint(jwk);
  const dataKey = vault.current("signing");
  const now = world.clock.now();
  return {
    kid,
    alg,
    state,
    publicJwk: { ...jwk, kid, alg, use: "sig" },
    sealedPrivate: encrypt(dataKey.key, privateKey.export({ format: "der", type: "pkcs8" }), `signing:${kid}`, world),
    dataKey: dataKey.id,
    createdAt: now,
    activatedAt: state === "active" ? now : null,
    retiredAt: null,
    highestExp: 0,
  };
}

/** The private key of a record; throws where the vault cannot open it. */
export function openPrivateKey(record: SigningKeyRecord, vault: Vault): KeyObject {
  const dataKey = vault.find("signing", record.dataKey);
  const der = dataKey && record.sealedPrivate && decrypt(dataKey.key, record.sealedPrivate, `signing:${record.kid}`);
  if (!der) throw new Error(`the private half of signing key ${record.kid} cannot be opened`);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

/** The public key of a record, to verify with. */
export function publicKeyOf(record: SigningKeyRecord): KeyObject {
  if (record.publicJwk === null) throw new Error(`signing key ${record.kid} has no public half`);
  return createPublicKey({ key: record.publicJwk, format: "jwk" });
}

/** A configured shared secret as a record: it has a `kid` and a life like any key, but no half to store. */
export function sharedSecretRecord(alg: AlgorithmName, secret: Secret, active: boolean, now: number): SigningKeyRecord {
  return {
    kid: thumbprint({ kty: "oct", k: secret.reveal() }),
    alg,
    state: active ? "active" : "retired",
    publicJwk: null,
    sealedPrivate: null,
    dataKey: 0,
    createdAt: now,
    activatedAt: active ? now : null,
    retiredAt: active ? null : now,
    highestExp: 0,
  };
}

export function secretKeyOf(secret: Secret): KeyObject {
  return createSecretKey(Buffer.from(secret.reveal(), "base64url"));
}

/**
 * Keys in PEM (RFC 7468), as JWKs. Node reads whatever OpenSSL reads, passphrases included; elsewhere SPKI and PKCS#8 are
 * read by WebCrypto, which has to be told what it will find: the algorithm's identifier is looked for in the DER.
 *
 * One text may hold several keys, one for signatures and one for encryption.
 */
import { decodeBase64url } from "../jose/base64url.ts";
import type { Jwk } from "../jose/keys.ts";
import { nodeCrypto } from "../jose/runtime.ts";
import { KeysRefused } from "./key-refusals.ts";

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----\r?\n[\s\S]*?-----END \1-----/g;
/** Left out where others write them beside a key: they are no keys. */
const NO_KEYS = new Set(["EC PARAMETERS"]);
const PUBLIC = new Set(["PUBLIC KEY", "RSA PUBLIC KEY"]);

/** @throws KeysRefused */
export async function jwksOfPem(text: string, passphrase: string | undefined): Promise<readonly Jwk[]> {
  const blocks = [...text.matchAll(BLOCK)].map(([pem, label = ""]) => ({ pem, label }));
  const keys = blocks.filter(({ label }) => !NO_KEYS.has(label));
  if (keys.length === 0) throw new KeysRefused("keys_malformed");
  const read = nodeCrypto === null ? readPortably : readWithNode;
  return Promise.all(keys.map(({ pem, label }) => read(pem, label, passphrase)));
}

type Read = (pem: string, label: string, passphrase: string | undefined) => Promise<Jwk>;

const readWithNode: Read = async (pem, label, passphrase) => {
  const crypto = nodeCrypto;
  if (crypto === null || !(PUBLIC.has(label) || label.endsWith("PRIVATE KEY"))) throw new KeysRefused("keys_malformed");
  if (PUBLIC.has(label)) return exported(() => crypto.createPublicKey(pem), "keys_malformed");
  const isProtected = label.startsWith("ENCRYPTED") || pem.includes("ENCRYPTED");
  if (isProtected && passphrase === undefined) throw new KeysRefused("passphrase_needed");
  return exported(
    () => crypto.createPrivateKey(isProtected ? { key: pem, passphrase: passphrase ?? "" } : pem),
    isProtected ? "passphrase_wrong" : "keys_malformed",
  );
};

/** OpenSSL's own message may show the input. */
function exported(
  read: () => import("node:crypto").KeyObject,
  refusal: "keys_malformed" | "passphrase_wrong",
): Promise<Jwk> {
  try {
    return Promise.resolve(read().export({ format: "jwk" }));
  } catch {
    throw new KeysRefused(refusal);
  }
}

/** How the DER of each kind begins to say what it is: the identifiers of RFC 8017, RFC 5480 and RFC 8410. */
const KINDS = [
  { mark: "2a864886f70d010101", key: { name: "RSA-PSS", hash: "SHA-256" }, uses: ["sign", "verify"] },
  { mark: "2a8648ce3d030107", key: { name: "ECDSA", namedCurve: "P-256" }, uses: ["sign", "verify"] },
  { mark: "06032b6570", key: { name: "Ed25519" }, uses: ["sign", "verify"] },
  { mark: "06032b656e", key: { name: "X25519" }, uses: ["deriveBits", null] },
] as const;
/** Before the key itself begins. */
const PREAMBLE_OCTETS = 40;

const readPortably: Read = async (pem, label) => {
  if (label === "ENCRYPTED PRIVATE KEY") throw new KeysRefused("passphrase_needed");
  if (label !== "PUBLIC KEY" && label !== "PRIVATE KEY") throw new KeysRefused("keys_malformed");
  const body = pem.replace(/-----[^-]+-----/g, "").replace(/\s|=/g, "");
  const der = decodeBase64url(body.replaceAll("+", "-").replaceAll("/", "_"));
  if (der === null) throw new KeysRefused("keys_malformed");
  const preamble = Array.from(der.subarray(0, PREAMBLE_OCTETS), (octet) => octet.toString(16).padStart(2, "0")).join(
    "",
  );
  const kind = KINDS.find(({ mark }) => preamble.includes(mark));
  if (kind === undefined) throw new KeysRefused("keys_malformed");
  const [privateUse, publicUse] = kind.uses;
  const use = label === "PUBLIC KEY" ? publicUse : privateUse;
  const format = label === "PUBLIC KEY" ? "spki" : "pkcs8";
  try {
    const octets = Uint8Array.from(der);
    const key = await crypto.subtle.importKey(format, octets, kind.key, true, use === null ? [] : [use]);
    const { alg: _alg, key_ops: _ops, ext: _ext, ...jwk } = await crypto.subtle.exportKey("jwk", key);
    return jwk;
  } catch {
    throw new KeysRefused("keys_malformed");
  }
};

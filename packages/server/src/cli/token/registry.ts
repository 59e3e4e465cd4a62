/**
 * What the members of a token mean: the IANA registries "JSON Web Token Claims" and "JSON Object Signing and Encryption
 * Header Parameters" as far as they turn up in practice, and Mapae's own. A claim that stands in RFC 7519 §4.1 is
 * *registered* there, one that others registered with IANA is *public*, everything else is *private* to issuer and reader.
 */

export interface Meaning {
  readonly says: string;
  readonly source: string;
  /** The value is a NumericDate (RFC 7519 §2). */
  readonly time?: true;
}

/** RFC 7519 §4.1. */
export const REGISTERED_CLAIMS: Readonly<Record<string, Meaning>> = {
  iss: { says: "issuer: who made the token", source: "RFC 7519 §4.1.1" },
  sub: { says: "subject: whom it is about", source: "RFC 7519 §4.1.2" },
  aud: { says: "audience: whom it is meant for", source: "RFC 7519 §4.1.3" },
  exp: { says: "expires", source: "RFC 7519 §4.1.4", time: true },
  nbf: { says: "not valid before", source: "RFC 7519 §4.1.5", time: true },
  iat: { says: "issued", source: "RFC 7519 §4.1.6", time: true },
  jti: { says: "the token's own id", source: "RFC 7519 §4.1.7" },
};

export const PUBLIC_CLAIMS: Readonly<Record<string, Meaning>> = {
  client_id: { says: "the client it was issued to", source: "RFC 8693 §4.3" },
  scope: { says: "what it allows", source: "RFC 8693 §4.2" },
  act: { says: "who acts on the subject's behalf", source: "RFC 8693 §4.1" },
  may_act: { says: "who may act on the subject's behalf", source: "RFC 8693 §4.4" },
  roles: { says: "the subject's roles", source: "RFC 9068 §7.2.1.1" },
  groups: { says: "the subject's groups", source: "RFC 9068 §7.2.1.1" },
  entitlements: { says: "the subject's entitlements", source: "RFC 9068 §7.2.1.1" },
  cnf: { says: "the key that the sender must prove to have", source: "RFC 7800 §3.1" },
  sid: { says: "session id", source: "OpenID Connect Front-Channel Logout 1.0 §3" },
  auth_time: { says: "when the user last proved who they are", source: "OpenID Connect Core 1.0 §2", time: true },
  nonce: { says: "ties it to the client's request", source: "OpenID Connect Core 1.0 §2" },
  acr: { says: "how strong the log-in was", source: "OpenID Connect Core 1.0 §2" },
  amr: { says: "how the user logged in", source: "RFC 8176" },
  azp: { says: "authorized party: the client", source: "OpenID Connect Core 1.0 §2" },
  at_hash: { says: "hash of the access token beside it", source: "OpenID Connect Core 1.0 §3.1.3.6" },
  c_hash: { says: "hash of the code beside it", source: "OpenID Connect Core 1.0 §3.3.2.11" },
  name: { says: "full name", source: "OpenID Connect Core 1.0 §5.1" },
  given_name: { says: "given name", source: "OpenID Connect Core 1.0 §5.1" },
  family_name: { says: "family name", source: "OpenID Connect Core 1.0 §5.1" },
  nickname: { says: "nickname", source: "OpenID Connect Core 1.0 §5.1" },
  preferred_username: { says: "what the user wants to be called", source: "OpenID Connect Core 1.0 §5.1" },
  picture: { says: "address of a picture", source: "OpenID Connect Core 1.0 §5.1" },
  email: { says: "email address", source: "OpenID Connect Core 1.0 §5.1" },
  email_verified: { says: "whether the address was verified", source: "OpenID Connect Core 1.0 §5.1" },
  phone_number: { says: "telephone number", source: "OpenID Connect Core 1.0 §5.1" },
  locale: { says: "language", source: "OpenID Connect Core 1.0 §5.1" },
  zoneinfo: { says: "time zone", source: "OpenID Connect Core 1.0 §5.1" },
  updated_at: { says: "when the profile changed", source: "OpenID Connect Core 1.0 §5.1", time: true },
  events: { says: "security events", source: "RFC 8417 §2.2" },
  toe: { says: "when the event happened", source: "RFC 8417 §2.2", time: true },
  txn: { says: "transaction", source: "RFC 8417 §2.2" },
  htm: { says: "HTTP method of a DPoP proof", source: "RFC 9449 §4.2" },
  htu: { says: "HTTP address of a DPoP proof", source: "RFC 9449 §4.2" },
  ath: { says: "hash of the access token of a DPoP proof", source: "RFC 9449 §4.2" },
  authorization_details: { says: "what it allows, in detail", source: "RFC 9396 §9.1" },
  status: { says: "where its status can be looked up", source: "Token Status List" },
};

export const OUR_CLAIMS: Readonly<Record<string, Meaning>> = {
  gid: { says: "public id of the grant", source: "Mapae" },
  env: { says: "hash of the envelope that was opened", source: "Mapae" },
  prf: { says: "proof that all of it was opened", source: "Mapae" },
  rsq: { says: "position in the revocation log when it was issued: epoch, sequence", source: "Mapae" },
};

export const HEADER_PARAMETERS: Readonly<Record<string, Meaning>> = {
  alg: { says: "how it is signed", source: "RFC 7515 §4.1.1" },
  typ: { says: "what kind of token it is", source: "RFC 7515 §4.1.9" },
  kid: { says: "the key it names", source: "RFC 7515 §4.1.4" },
  cty: { says: "what the payload is", source: "RFC 7515 §4.1.10" },
  crit: { says: "extensions that must be understood", source: "RFC 7515 §4.1.11" },
  jku: { says: "an address for keys", source: "RFC 7515 §4.1.2" },
  jwk: { says: "a key, brought along", source: "RFC 7515 §4.1.3" },
  x5u: { says: "an address for certificates", source: "RFC 7515 §4.1.5" },
  x5c: { says: "certificates, brought along", source: "RFC 7515 §4.1.6" },
  x5t: { says: "fingerprint of a certificate (SHA-1)", source: "RFC 7515 §4.1.7" },
  "x5t#S256": { says: "fingerprint of a certificate (SHA-256)", source: "RFC 7515 §4.1.8" },
  b64: { says: "whether the payload is encoded", source: "RFC 7797 §3" },
  enc: { says: "how the content is encrypted", source: "RFC 7516 §4.1.2" },
  zip: { says: "how the content is compressed", source: "RFC 7516 §4.1.3" },
  epk: { says: "a key made for this token", source: "RFC 7518 §4.6.1.1" },
  apu: { says: "about the sender, for the key agreement", source: "RFC 7518 §4.6.1.2" },
  apv: { says: "about the recipient, for the key agreement", source: "RFC 7518 §4.6.1.3" },
  p2s: { says: "salt for hashing the password", source: "RFC 7518 §4.8.1.1" },
  p2c: { says: "how often the password is hashed", source: "RFC 7518 §4.8.1.2" },
  iv: { says: "nonce of the key's own encryption", source: "RFC 7518 §4.7.1.1" },
  tag: { says: "tag of the key's own encryption", source: "RFC 7518 §4.7.1.2" },
  iss: { says: "issuer, told outside as well", source: "RFC 7519 §5.3" },
  sub: { says: "subject, told outside as well", source: "RFC 7519 §5.3" },
  aud: { says: "audience, told outside as well", source: "RFC 7519 §5.3" },
  jti: { says: "the document's id", source: "Mapae" },
  iat: { says: "sealed", source: "Mapae", time: true },
  ack: { says: "what the proof of a receipt must hash to", source: "Mapae" },
  len: { says: "octets of the file", source: "Mapae" },
  size: { says: "octets of a piece of the file", source: "Mapae" },
  hash: { says: "over all encrypted pieces of the file", source: "Mapae" },
};

/** What `alg` means where something is encrypted. */
export const ENCRYPTED_FOR: Meaning = { says: "how the content key reaches the recipient", source: "RFC 7516 §4.1.1" };

/** What an algorithm does, in words. The names are IANA's "JSON Web Signature and Encryption Algorithms". */
export const ALGORITHM_WORDS: Readonly<Record<string, string>> = {
  none: "not at all",
  ...forSizes("HS", (bits) => `HMAC with SHA-${bits} and a secret that issuer and verifier share`),
  ...forSizes("RS", (bits) => `RSA (PKCS #1 v1.5) with SHA-${bits}: private key signs, public key verifies`),
  ...forSizes("PS", (bits) => `RSA-PSS with SHA-${bits}: private key signs, public key verifies`),
  ES256: "ECDSA over P-256 with SHA-256: private key signs, public key verifies",
  ES384: "ECDSA over P-384 with SHA-384: private key signs, public key verifies",
  ES512: "ECDSA over P-521 with SHA-512: private key signs, public key verifies",
  ES256K: "ECDSA over secp256k1 with SHA-256: private key signs, public key verifies",
  EdDSA: "Ed25519 (or Ed448): private key signs, public key verifies",
  Ed25519: "Ed25519: private key signs, public key verifies",
  "ML-DSA-44": "ML-DSA-44, safe from quantum computers: private key signs, public key verifies",
  "ML-DSA-65": "ML-DSA-65, safe from quantum computers: private key signs, public key verifies",
  "ML-DSA-87": "ML-DSA-87, safe from quantum computers: private key signs, public key verifies",
  RSA1_5: "a content key, encrypted by RSA (PKCS #1 v1.5) for the recipient",
  "RSA-OAEP": "a content key, encrypted by RSA-OAEP (SHA-1) for the recipient",
  "RSA-OAEP-256": "a content key, encrypted by RSA-OAEP (SHA-256) for the recipient",
  "ECDH-ES": "a content key that a one-time key (epk) and the recipient's agree on",
  "ECDH-ES+A128KW": "a content key, wrapped with what a one-time key (epk) and the recipient's agree on",
  "ECDH-ES+A192KW": "a content key, wrapped with what a one-time key (epk) and the recipient's agree on",
  "ECDH-ES+A256KW": "a content key, wrapped with what a one-time key (epk) and the recipient's agree on",
  dir: "a secret that both share is the content key itself",
  A128KW: "a content key, wrapped with a shared secret",
  A192KW: "a content key, wrapped with a shared secret",
  A256KW: "a content key, wrapped with a shared secret",
  A128GCMKW: "a content key, wrapped with a shared secret",
  A192GCMKW: "a content key, wrapped with a shared secret",
  A256GCMKW: "a content key, wrapped with a shared secret",
  "PBES2-HS256+A128KW": "a content key, wrapped with a password",
  "PBES2-HS384+A192KW": "a content key, wrapped with a password",
  "PBES2-HS512+A256KW": "a content key, wrapped with a password",
  A128GCM: "AES-GCM, 128 bits",
  A192GCM: "AES-GCM, 192 bits",
  A256GCM: "AES-GCM, 256 bits",
  "A128CBC-HS256": "AES-CBC, 128 bits, with HMAC-SHA-256",
  "A192CBC-HS384": "AES-CBC, 192 bits, with HMAC-SHA-384",
  "A256CBC-HS512": "AES-CBC, 256 bits, with HMAC-SHA-512",
};

function forSizes(family: string, says: (bits: number) => string): Record<string, string> {
  return Object.fromEntries([256, 384, 512].map((bits) => [`${family}${bits}`, says(bits)]));
}

/** What `cty` "JWT" says of a payload. */
export const NESTED_WORDS = "a token of its own, nested in this one (RFC 7519 §5.2)";

/** What a `typ` says that a token is, by its media type in lower case without `application/`. */
export const TYPE_WORDS: Readonly<Record<string, string>> = {
  jwt: "a JWT, of no kind in particular (RFC 7519 §5.1)",
  "at+jwt": "an access token (RFC 9068)",
  "dpop+jwt": "a proof of possession for one request (RFC 9449)",
  "logout+jwt": "a logout token (OpenID Connect Back-Channel Logout)",
  "secevent+jwt": "a security event (RFC 8417)",
  "statuslist+jwt": "a status list",
  "token-introspection+jwt": "an answer of introspection (RFC 9701)",
  "oauth-authz-req+jwt": "an authorization request (RFC 9101)",
  "mapae-sealed": "a sealed document of Mapae: mapae open opens it",
  "mapae-sealed-file": "the seal of a sealed file of Mapae",
  "mapae-content": "the inside of a sealed document of Mapae",
  "mapae-content-key": "the inside of a sealed file of Mapae",
  "mapae-receipt+jwt": "a receipt of Mapae: mapae receipt verify checks it",
};

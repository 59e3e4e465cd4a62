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
};

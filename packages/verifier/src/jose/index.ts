/**
 * `@mapae/verifier/jose`: the token layer by itself, for JWS that are no access tokens and for issuers that sign.
 */

export { type PublishedKeys, publishedKeys } from "../published.ts";
export { ALGORITHMS, type Algorithm, type AlgorithmName, isAlgorithmName, type KeyType } from "./algorithms.ts";
export { decodeBase64url, encodeBase64url } from "./base64url.ts";
export type { JwsHeader } from "./header.ts";
export { type JsonObject, parseJsonObject } from "./json.ts";
export { bindKey, bindSigningKey, type KeySource, thumbprint } from "./jwk.ts";
export {
  checkSignature,
  checkSignatureAsync,
  decodePayload,
  type ParsedJws,
  parseJws,
  type SignHeader,
  signJws,
  type VerifiedJws,
  verifyJws,
  verifyJwsAsync,
} from "./jws.ts";
export {
  type AsyncBoundKey,
  type AsyncSigningKey,
  type BindOptions,
  type BoundKey,
  type Jwk,
  KEY_REFUSALS,
  type KeyRefusalCode,
  KeyRefused,
  type SigningKey,
} from "./keys.ts";
export { HEADER_TEXT_MAX, TOKEN_MAX } from "./limits.ts";
export { type AsyncKeySource, bindKeyAsync, bindSigningKeyAsync } from "./webcrypto.ts";

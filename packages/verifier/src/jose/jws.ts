/**
 * JWS in compact serialisation (RFC 7515), strict and in a fixed order:
 *
 *   shape and size  ──►  header  ──►  key, chosen by the caller  ──►  signature  ──►  payload
 *   parseJws                                                          checkSignature  decodePayload
 *
 * Until the signature holds, nothing of an attacker's is parsed but the header, of at most 1 KiB. `verifyJws` does it all
 * for tokens that are no access tokens. Refused by design: JSON serialisation, several signatures, detached and unencoded
 * payloads (RFC 7797), and every header parameter but `alg`, `kid` and `typ`. So `crit`, `b64`, `zip`, and keys that a
 * token brings along (`jwk`, `jku`, `x5c`, `x5u`, `x5t`) have nothing to act on.
 */
import { type Refusal, refuse } from "../refusals.ts";
import { borrowBase64url, decodeBase64url, encodeBase64url } from "./base64url.ts";
import { type JwsHeader, readHeader, rememberHeader } from "./header.ts";
import type { AsyncBoundKey, BoundKey, SigningKey } from "./keys.ts";
import { HEADER_TEXT_MAX, TOKEN_MAX } from "./limits.ts";

/** A token whose header is read and whose signature is not checked yet: the payload is an attacker's until then. */
export interface ParsedJws {
  readonly ok: true;
  readonly header: JwsHeader;
  /** `header.payload`, the text that was signed (RFC 7515 §5.2). */
  readonly signingInput: string;
  /** Base64url text, neither checked nor decoded. */
  readonly payload: string;
  /** Base64url text, neither checked nor decoded. */
  readonly signature: string;
}

export interface VerifiedJws<Key = BoundKey> {
  readonly ok: true;
  readonly header: JwsHeader;
  readonly key: Key;
  readonly payload: Uint8Array;
}

/**
 * Splits a token and reads its header. Takes anything, never throws.
 * @param most characters; more than a token has only for documents that were asked for, such as a status list
 */
export function parseJws(token: unknown, most: number = TOKEN_MAX): ParsedJws | Refusal {
  if (typeof token !== "string") return refuse("malformed_token");
  if (token.length > most) return refuse("token_too_large");
  const first = token.indexOf(".");
  const second = token.indexOf(".", first + 1);
  // A header and a signature that are not empty, and two dots exactly (RFC 7515 §7.1).
  if (first <= 0 || second < 0 || second === token.length - 1 || token.includes(".", second + 1)) {
    return refuse("malformed_token");
  }
  if (first > HEADER_TEXT_MAX) return refuse("token_too_large");
  const header = readHeader(token.slice(0, first));
  if ("code" in header) return header;
  return {
    ok: true,
    header,
    signingInput: token.slice(0, second),
    payload: token.slice(first + 1, second),
    signature: token.slice(second + 1),
  };
}

/** Null when the signature is the key's over this very text, under the key's one algorithm; else the refusal. */
export function checkSignature(jws: ParsedJws, key: BoundKey): Refusal | null {
  // The key says which algorithm, the token only agrees (RFC 8725 §3.1).
  if (jws.header.alg !== key.algorithm.name) return refuse("algorithm_mismatch");
  const signature = borrowBase64url(jws.signature);
  if (signature === null) return refuse("malformed_token");
  if (!key.verify(jws.signingInput, signature)) return refuse("invalid_signature");
  rememberHeader(jws.header);
  return null;
}

/** `checkSignature` with a key of webcrypto.ts. */
export async function checkSignatureAsync(jws: ParsedJws, key: AsyncBoundKey): Promise<Refusal | null> {
  if (jws.header.alg !== key.algorithm.name) return refuse("algorithm_mismatch");
  const signature = decodeBase64url(jws.signature);
  if (signature === null) return refuse("malformed_token");
  if (!(await key.verify(jws.signingInput, signature))) return refuse("invalid_signature");
  rememberHeader(jws.header);
  return null;
}

/** The payload's octets; null when its base64url is not canonical. Call it after the signature held. */
export function decodePayload(jws: ParsedJws): Uint8Array | null {
  return decodeBase64url(jws.payload);
}

/**
 * Verifies any compact JWS, whatever its payload is.
 * @param selectKey the key that the header names, from the caller's own set; undefined when there is none.
 */
export function verifyJws(
  token: unknown,
  selectKey: (header: JwsHeader) => BoundKey | undefined,
): VerifiedJws | Refusal {
  const jws = parseJws(token);
  if (!jws.ok) return jws;
  const key = selectKey(jws.header);
  if (key === undefined) return refuse("unknown_key");
  return checkSignature(jws, key) ?? verified(jws, key);
}

/** `verifyJws` with keys of webcrypto.ts: the same rules, the same refusals. */
export async function verifyJwsAsync(
  token: unknown,
  selectKey: (header: JwsHeader) => AsyncBoundKey | undefined,
): Promise<VerifiedJws<AsyncBoundKey> | Refusal> {
  const jws = parseJws(token);
  if (!jws.ok) return jws;
  const key = selectKey(jws.header);
  if (key === undefined) return refuse("unknown_key");
  return (await checkSignatureAsync(jws, key)) ?? verified(jws, key);
}

function verified<Key>(jws: ParsedJws, key: Key): VerifiedJws<Key> | Refusal {
  const payload = decodePayload(jws);
  return payload === null ? refuse("malformed_token") : { ok: true, header: jws.header, key, payload };
}

/** What a signer may add to the header; `alg` and `kid` come from the key. */
export interface SignHeader {
  /** Media type of the token, without `application/`: `at+jwt` for access tokens (RFC 9068 §2.1). */
  readonly typ?: string;
}

/**
 * Signs a compact JWS.
 * @param payload an object, which becomes JSON, or the octets themselves.
 * @param most characters that a verifier accepts; see `parseJws`
 * @throws TypeError where the result would be larger than a verifier accepts.
 */
export function signJws(
  header: SignHeader,
  payload: object | Uint8Array,
  key: SigningKey,
  most: number = TOKEN_MAX,
): string {
  const { typ } = header;
  const fields = {
    alg: key.algorithm.name,
    ...(typ === undefined ? {} : { typ }),
    ...(key.kid === undefined ? {} : { kid: key.kid }),
  };
  const headerText = encodeJson(fields);
  const payloadText = payload instanceof Uint8Array ? encodeBase64url(payload) : encodeJson(payload);
  const signingInput = `${headerText}.${payloadText}`;
  const token = `${signingInput}.${encodeBase64url(key.sign(signingInput))}`;
  if (headerText.length > HEADER_TEXT_MAX || token.length > most) {
    throw new TypeError(`The token would be larger than verifiers accept (${most / 1024} KiB, of which 1 KiB header).`);
  }
  return token;
}

const utf8 = new TextEncoder();

function encodeJson(value: object): string {
  return encodeBase64url(utf8.encode(JSON.stringify(value)));
}

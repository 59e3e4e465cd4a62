/**
 * The claims of an access token: read strictly, then judged by RFC 9068 and RFC 7519.
 *
 *   payload text ──► base64url ──► UTF-8 ──► JSON without ambiguity ──► required and typed ──► issuer, audience, time
 *
 * Only for payloads whose signature held. Whoever gives the same claims to several callers, as a cache does, freezes them
 * first (`freezeClaims`): one must not see another's changes.
 */
import { borrowBase64url } from "./jose/base64url.ts";
import { type JsonObject, parseJsonObject } from "./jose/json.ts";
import type { ParsedJws } from "./jose/jws.ts";
import { type PlainRefusalCode, type Refusal, refuse } from "./refusals.ts";

/** The claims of an access token (RFC 9068 §2.2). Times are seconds since 1970, and may have a fraction. */
export interface AccessTokenClaims {
  /** Issuer. */
  readonly iss: string;
  /** Subject: the user's id, or the client's where no user takes part. */
  readonly sub: string;
  /** The resource servers that the token is meant for. */
  readonly aud: string | readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf?: number;
  /** The token's own id. */
  readonly jti: string;
  readonly client_id: string;
  /** Space-separated scopes (RFC 8693 §4.2). */
  readonly scope?: string;
  /** Session id. */
  readonly sid?: string;
  /** Public id of the grant. */
  readonly gid?: string;
  /** Position in the revocation log that was known when the token was issued: epoch and sequence. */
  readonly rsq?: readonly [epoch: number, sequence: number];
  readonly roles?: readonly string[];
  /** When the user last proved who they are. */
  readonly auth_time?: number;
  /** How (RFC 8176). */
  readonly amr?: readonly string[];
  readonly [claim: string]: unknown;
}

/** What a verifier expects of claims. */
export interface ClaimRules {
  readonly issuer: string;
  /** The token must name at least one of these. */
  readonly audience: readonly string[];
  /** Seconds by which the issuer's clock may differ. */
  readonly clockTolerance: number;
  /** Longest accepted life in seconds; Infinity where any is. */
  readonly maxTokenLifetime: number;
}

export interface ClaimRuleOptions {
  readonly issuer: string;
  readonly audience: string | readonly string[];
  readonly clockTolerance?: number | undefined;
  readonly maxTokenLifetime?: number | undefined;
}

export interface AcceptedClaims {
  readonly ok: true;
  readonly claims: AccessTokenClaims;
}

/** The media type of an access token (RFC 9068 §2.1), as `JwsHeader.mediaType` spells it. */
const ACCESS_TOKEN_TYPE = "at+jwt";

/** The last second of the year 9999: a later date is a mistake or a trick. */
const DATE_MAX = 253_402_300_799;

/**
 * Checks a verifier's expectations once.
 * @throws TypeError where they make no sense
 */
export function bindClaimRules(options: ClaimRuleOptions): ClaimRules {
  const { issuer, clockTolerance = 0, maxTokenLifetime = Number.POSITIVE_INFINITY } = options;
  const audience = typeof options.audience === "string" ? [options.audience] : [...options.audience];
  if (!isName(issuer)) throw new TypeError("issuer must be a string that is not empty");
  if (audience.length === 0 || !audience.every(isName)) {
    throw new TypeError("audience must be a string that is not empty, or a list of such");
  }
  if (!(Number.isFinite(clockTolerance) && clockTolerance >= 0)) {
    throw new TypeError("clockTolerance must be a number of seconds, 0 or more");
  }
  if (!(maxTokenLifetime > 0)) throw new TypeError("maxTokenLifetime must be a number of seconds above 0");
  return Object.freeze({ issuer, audience: Object.freeze(audience), clockTolerance, maxTokenLifetime });
}

/**
 * Reads and judges the claims of an access token whose signature held.
 * @param now seconds since 1970
 */
export function checkClaims(jws: ParsedJws, rules: ClaimRules, now: number): AcceptedClaims | Refusal {
  // RFC 9068 §4: an ID token or another JWT of the same issuer is no access token.
  if (jws.header.mediaType !== ACCESS_TOKEN_TYPE) return refuse("invalid_type");
  const bytes = borrowBase64url(jws.payload);
  if (bytes === null) return refuse("malformed_token");
  const claims = parseJsonObject(bytes);
  if (claims === null) return refuse("malformed_claims");
  if (!isAccessTokenClaims(claims))
    return refuse(REQUIRED.every((name) => name in claims) ? "invalid_claim" : "missing_claim");
  const no = refuseContent(claims, rules) ?? refuseTime(claims, rules, now);
  return no === null ? { ok: true, claims } : refuse(no);
}

/** RFC 9068 §2.2. */
const REQUIRED = ["iss", "aud", "exp", "iat", "sub", "jti", "client_id"] as const;

/** Every claim that is read here, with what its value must be. Other claims may hold anything. */
function isAccessTokenClaims(claims: JsonObject): claims is AccessTokenClaims & JsonObject {
  return (
    isName(claims.iss) &&
    isName(claims.sub) &&
    (isName(claims.aud) || (isNames(claims.aud) && claims.aud.length > 0)) &&
    isDate(claims.exp) &&
    isDate(claims.iat) &&
    isName(claims.jti) &&
    isName(claims.client_id) &&
    (claims.nbf === undefined || isDate(claims.nbf)) &&
    (claims.scope === undefined || typeof claims.scope === "string") &&
    (claims.sid === undefined || isName(claims.sid)) &&
    (claims.gid === undefined || isName(claims.gid)) &&
    (claims.rsq === undefined || isPosition(claims.rsq)) &&
    (claims.roles === undefined || isNames(claims.roles)) &&
    (claims.auth_time === undefined || isDate(claims.auth_time)) &&
    (claims.amr === undefined || isNames(claims.amr))
  );
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isNames(value: unknown): value is readonly string[] {
  if (!Array.isArray(value)) return false;
  for (let index = 0; index < value.length; index++) {
    if (!isName(value[index])) return false;
  }
  return true;
}

/** RFC 7519 §2, NumericDate. JSON can write 1e999, which is Infinity and would never expire. */
function isDate(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= DATE_MAX;
}

function isPosition(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && isCount(value[0]) && isCount(value[1]);
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function refuseContent({ iss, aud }: AccessTokenClaims, rules: ClaimRules): PlainRefusalCode | null {
  // RFC 9068 §4: the issuer exactly, and at least one audience that is ours.
  if (iss !== rules.issuer) return "invalid_issuer";
  const meant =
    typeof aud === "string" ? rules.audience.includes(aud) : aud.some((name) => rules.audience.includes(name));
  return meant ? null : "invalid_audience";
}

function refuseTime({ exp, iat, nbf }: AccessTokenClaims, rules: ClaimRules, now: number): PlainRefusalCode | null {
  const { clockTolerance, maxTokenLifetime } = rules;
  // RFC 7519 §4.1.4: on or after exp, the token is over.
  if (now - clockTolerance >= exp) return "token_expired";
  // RFC 7519 §4.1.5, in whole seconds of our clock.
  if (nbf !== undefined && Math.floor(now) + clockTolerance < nbf) return "token_not_yet_valid";
  if (iat > exp) return "invalid_claim";
  // The life is counted from now as well: a token cannot make it look short by being issued in the future.
  if (exp - iat > maxTokenLifetime || exp - now > maxTokenLifetime + clockTolerance) return "token_lifetime_exceeded";
  return null;
}

/** Freezes claims to their depths. Not done for each token: it would be a twentieth of an HS256 verification. */
export function freezeClaims(claims: AccessTokenClaims): AccessTokenClaims {
  freezeDeep(claims);
  return claims;
}

function freezeDeep(value: object): void {
  for (const member of Object.values(value)) {
    if (typeof member === "object" && member !== null) freezeDeep(member);
  }
  Object.freeze(value);
}

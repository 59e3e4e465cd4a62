/**
 * Reads a Security Event Token of another provider, strictly and in a fixed order:
 *
 *   shape, header, type ──► key, of the provider's own set ──► signature ──► issuer ──► audience ──► the rest
 *
 * Until the signature holds, nothing of it is read but the header. The key says which algorithm, published secrets are no
 * keys, and a token cannot bring its own (the token layer of @mapae/verifier). SSF 1.0 §4.1 asks that `sub` and `exp` be
 * absent and the type be there, so that no other token is taken for an event; a token that has them is refused.
 */
import {
  ALGORITHMS,
  type AlgorithmName,
  checkSignature,
  decodePayload,
  type PublishedKeys,
  parseJsonObject,
  parseJws,
} from "@mapae/verifier/jose";
import { SET_TYPE } from "./event.ts";
import { readSubject, type Subject } from "./subject.ts";

/** Names of errors (RFC 8935 §2.4, SSF 1.0 §8.1.4.1). */
export const SET_ERRORS = [
  "invalid_request",
  "invalid_key",
  "invalid_issuer",
  "invalid_audience",
  "invalid_state",
] as const;
export type SetError = (typeof SET_ERRORS)[number];

export interface ReceivedSet {
  readonly jti: string;
  /** Unix seconds. */
  readonly iat: number;
  readonly subject: Subject;
  /** The event's type: a URI. */
  readonly type: string;
  readonly members: Readonly<Record<string, unknown>>;
}

export type SetRead =
  | { readonly ok: true; readonly set: ReceivedSet }
  /** It will never be good: a sentence for whoever sent it. */
  | { readonly ok: false; readonly error: SetError; readonly description: string }
  /** It may be good, but nobody can say: the keys cannot be had. */
  | { readonly ok: false; readonly error: null };

export interface ExpectedSet {
  readonly issuer: string;
  /** One of these must be in `aud`. */
  readonly audience: readonly string[];
}

/** An event that is older is not taken: what was seen is remembered for longer than this, and no longer. */
export const OLDEST_SECONDS = 30 * 24 * 3600;
/** So long the names of events are remembered, in milliseconds: longer than one of them can be taken again. */
export const REMEMBERED_MS = (OLDEST_SECONDS + 24 * 3600) * 1000;
/** How far ahead of ours the provider's clock may be. */
const AHEAD_SECONDS = 300;
const JTI_LONGEST = 255;

/** What events may be signed with: every algorithm whose keys can be published. */
export const SET_ALGORITHMS: readonly AlgorithmName[] = (Object.keys(ALGORITHMS) as AlgorithmName[]).filter(
  (name) => ALGORITHMS[name].kty !== "oct",
);

const refused = (error: SetError, description: string): SetRead => ({ ok: false, error, description });

/** Takes anything, never throws. @param now Unix seconds */
export async function readSet(
  text: string,
  expected: ExpectedSet,
  keys: Pick<PublishedKeys, "find" | "seek" | "reachable">,
  now: number,
): Promise<SetRead> {
  const jws = parseJws(text);
  if (!jws.ok) return refused("invalid_request", "This is no signed token.");
  // RFC 8417 §2.3, SSF 1.0 §4.1.1.
  if (jws.header.mediaType !== SET_TYPE) return refused("invalid_request", `Its type is not ${SET_TYPE}.`);
  let key = keys.find(jws.header);
  if (key === undefined) {
    await keys.seek();
    key = keys.find(jws.header);
  }
  if (key === undefined) {
    return keys.reachable() ? refused("invalid_key", "No published key has this id.") : { ok: false, error: null };
  }
  // RFC 8725 §3.1: the key's algorithm, whatever the header says.
  if (checkSignature(jws, key) !== null) return refused("invalid_key", "The signature does not hold.");
  const payload = decodePayload(jws);
  const claims = payload === null ? null : parseJsonObject(payload);
  return claims === null
    ? refused("invalid_request", "Its claims are no JSON object.")
    : readClaims(claims, expected, now);
}

/** What the claims of a token say whose signature holds. Takes any object, never throws. */
export function readClaims(claims: Readonly<Record<string, unknown>>, expected: ExpectedSet, now: number): SetRead {
  const { iss, aud, jti, iat, sub_id, events } = claims;
  // SSF 1.0 §4.1.6.
  if (iss !== expected.issuer) return refused("invalid_issuer", "It is of another issuer.");
  const audience = typeof aud === "string" ? [aud] : Array.isArray(aud) ? aud : [];
  if (!expected.audience.some((one) => audience.includes(one))) return refused("invalid_audience", "It is for others.");
  if ("exp" in claims) return refused("invalid_request", "An event has no exp (SSF 1.0 §4.1.7).");
  if ("sub" in claims) return refused("invalid_request", "An event has no sub (SSF 1.0 §4.1.2).");
  if (typeof jti !== "string" || jti === "" || jti.length > JTI_LONGEST || !jti.isWellFormed() || jti.includes("\0")) {
    return refused("invalid_request", "It has no jti.");
  }
  if (typeof iat !== "number" || !Number.isFinite(iat)) return refused("invalid_request", "It has no iat.");
  if (iat > now + AHEAD_SECONDS) return refused("invalid_request", "Its iat lies ahead.");
  if (iat < now - OLDEST_SECONDS) return refused("invalid_request", "It is older than 30 days.");
  const subject = readSubject(sub_id);
  if (subject === null) return refused("invalid_request", "Its sub_id is no subject.");
  if (typeof events !== "object" || events === null || Array.isArray(events)) {
    return refused("invalid_request", "It has no events.");
  }
  const [named, another] = Object.entries(events);
  // SSF 1.0 §4.2.1: several only as other names of the same one, which nobody here could tell.
  if (named === undefined || another !== undefined) return refused("invalid_request", "It tells of no one event.");
  const [type, members] = named;
  if (typeof members !== "object" || members === null || Array.isArray(members)) {
    return refused("invalid_request", "Its event is no object.");
  }
  return { ok: true, set: { jti, iat, subject, type, members: { ...members } } };
}

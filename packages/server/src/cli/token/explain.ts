/**
 * Explains a token without verifying it: what stands in it, what that means, and what is odd about it. Pure: from a text
 * and the time to an explanation. It reads leniently, since the odd ones are those that somebody wants explained; nothing
 * here says that a token is good.
 */
import { decodeBase64url, isAlgorithmName, TOKEN_MAX } from "@mapae/verifier/jose";
import { HEADER_PARAMETERS, type Meaning, OUR_CLAIMS, PUBLIC_CLAIMS, REGISTERED_CLAIMS } from "./registry.ts";

export type ClaimClass = "registered" | "public" | "private";

export interface Member {
  readonly name: string;
  readonly value: unknown;
  /** `null`: not known to the registries. */
  readonly meaning: Meaning | null;
  /** `null` in a header. */
  readonly class: ClaimClass | null;
  /** Unix milliseconds, where the value is a time. */
  readonly at: number | null;
}

export type Explanation =
  | {
      readonly ok: true;
      readonly kind: "JWS" | "JWE";
      readonly header: readonly Member[];
      /** `null` where the payload is encrypted, or no JSON object. */
      readonly claims: readonly Member[] | null;
      /** What a reader should know, as sentences. */
      readonly remarks: readonly string[];
    }
  | { readonly ok: false; readonly reason: string };

type Json = Readonly<Record<string, unknown>>;

/** @param now Unix milliseconds */
export function explainToken(text: string, now: number): Explanation {
  const parts = text.split(".");
  if (parts.length !== 3 && parts.length !== 5) {
    const reason = `a JWT has three parts with dots between them (five where it is encrypted); this has ${parts.length}`;
    return { ok: false, reason: parts.length === 1 ? `${reason}. Refresh tokens of Mapae are no JWTs` : reason };
  }
  const kind = parts.length === 3 ? "JWS" : "JWE";
  const header = objectIn(parts[0] ?? "");
  if (header === null) return { ok: false, reason: "its header is not a JSON object in base64url" };
  const payload = kind === "JWS" ? objectIn(parts[1] ?? "") : null;
  const remarks = [
    ...shapeRemarks(text, parts, kind, payload),
    ...headerRemarks(header, kind),
    ...(payload === null ? [] : timeRemarks(payload, now)),
  ];
  return {
    ok: true,
    kind,
    header: members(header, (name) => ({ meaning: own(HEADER_PARAMETERS, name), class: null })),
    claims: payload === null ? null : members(payload, classify),
    remarks,
  };
}

/** The claims of a token that nobody has verified; `null` where there are none to read. */
export function unverifiedClaims(text: string): Json | null {
  const parts = text.split(".");
  return parts.length === 3 ? objectIn(parts[1] ?? "") : null;
}

/** The header of a token that nobody has verified. */
export function unverifiedHeader(text: string): Json | null {
  return objectIn(text.split(".")[0] ?? "");
}

function objectIn(part: string): Json | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
  } catch {
    return null;
  }
}

function own(table: Readonly<Record<string, Meaning>>, name: string): Meaning | null {
  return Object.hasOwn(table, name) ? (table[name] ?? null) : null;
}

function classify(name: string): { readonly meaning: Meaning | null; readonly class: ClaimClass } {
  const registered = own(REGISTERED_CLAIMS, name);
  if (registered !== null) return { meaning: registered, class: "registered" };
  const known = own(PUBLIC_CLAIMS, name);
  if (known !== null) return { meaning: known, class: "public" };
  return { meaning: own(OUR_CLAIMS, name), class: "private" };
}

function members(
  object: Json,
  about: (name: string) => { readonly meaning: Meaning | null; readonly class: ClaimClass | null },
): readonly Member[] {
  return Object.entries(object).map(([name, value]) => {
    const told = about(name);
    const at = told.meaning?.time === true ? timeOf(value) : null;
    return { name, value, ...told, at };
  });
}

/** A NumericDate as Unix milliseconds, where it is one that a calendar has. */
function timeOf(value: unknown): number | null {
  if (typeof value !== "number" || !Number.isFinite(value * 1000)) return null;
  return Math.abs(value * 1000) <= 8.64e15 ? value * 1000 : null;
}

function shapeRemarks(text: string, parts: readonly string[], kind: "JWS" | "JWE", payload: Json | null): string[] {
  const remarks: string[] = [];
  if (kind === "JWE") remarks.push("It is encrypted (JWE): only its recipient can read more than the header.");
  if (kind === "JWS" && payload === null) remarks.push("Its payload is not a JSON object: it is no JWT.");
  if (kind === "JWS" && parts[2] === "") remarks.push("It has no signature: anyone can have written it.");
  if (parts.some((part) => part !== "" && decodeBase64url(part) === null)) {
    remarks.push("A part is not canonical base64url: strict verifiers refuse it.");
  }
  if (text.length > TOKEN_MAX) remarks.push(`It is larger than ${TOKEN_MAX / 1024} KiB: Mapae's verifiers refuse it.`);
  return remarks;
}

function headerRemarks(header: Json, kind: "JWS" | "JWE"): string[] {
  const { alg } = header;
  const remarks: string[] = [];
  if (typeof alg === "string" && alg.toLowerCase() === "none") {
    remarks.push('Its algorithm is "none": anyone can have written it (RFC 8725 §2.1).');
  } else if (kind === "JWS" && !isAlgorithmName(alg)) {
    remarks.push("Its algorithm is not one that Mapae's verifiers know.");
  }
  if (typeof alg === "string" && alg.startsWith("HS")) {
    remarks.push("It is signed with a shared secret: whoever can verify it can also have written it.");
  }
  const brought = ["jwk", "jku", "x5c", "x5u"].filter((name) => Object.hasOwn(header, name));
  if (brought.length > 0) {
    remarks.push(`It brings its own key along (${brought.join(", ")}): a verifier that believes it believes anyone.`);
  }
  if (Object.hasOwn(header, "crit")) remarks.push("It names extensions (crit) that every verifier must understand.");
  return remarks;
}

function timeRemarks(claims: Json, now: number): string[] {
  const [exp, nbf] = [timeOf(claims.exp), timeOf(claims.nbf)];
  const remarks: string[] = [];
  if (claims.exp === undefined) remarks.push("It never expires: there is no exp.");
  else if (exp === null) remarks.push("Its exp is no time.");
  else if (now >= exp) remarks.push("It has expired.");
  if (nbf !== null && now < nbf) remarks.push("It is not valid yet.");
  return remarks;
}

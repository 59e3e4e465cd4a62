/**
 * What is wrong with a token, and what a reader should know: a table of looks at it, each with its sentence and its weight.
 *
 *   bad        no careful verifier accepts it, or anyone can have written it
 *   doubtful   it may be meant so, and is worth a second look
 */
import { ALGORITHMS, decodeBase64url, isAlgorithmName, TOKEN_MAX } from "@mapae/verifier/jose";
import { isUnambiguous } from "./ambiguity.ts";
import { timeOf } from "./time.ts";

export interface Remark {
  readonly weight: "bad" | "doubtful";
  readonly says: string;
}

type Json = Readonly<Record<string, unknown>>;

/** A token taken apart, by somebody who believes none of it. */
export interface Opened {
  readonly text: string;
  readonly texts: readonly string[];
  readonly kind: "JWS" | "JWE";
  readonly header: Json;
  readonly claims: Json | null;
}

type Look = (token: Opened, now: number) => string | null;

export function remarksOn(token: Opened, now: number): readonly Remark[] {
  const said = (weight: Remark["weight"], looks: readonly Look[]): readonly Remark[] =>
    looks.flatMap((look) => {
      const says = look(token, now);
      return says === null ? [] : [{ weight, says }];
    });
  return [
    ...said("bad", token.kind === "JWS" ? [...BAD_IN_ANY, ...BAD_IN_JWS] : [...BAD_IN_ANY, ...BAD_IN_JWE]),
    ...said("doubtful", token.kind === "JWS" ? DOUBTFUL_IN_JWS : DOUBTFUL_IN_JWE),
  ];
}

const BAD_IN_ANY: readonly Look[] = [
  ({ texts }) =>
    texts.some((part) => part !== "" && decodeBase64url(part) === null)
      ? "A part is not canonical base64url: strict verifiers refuse it."
      : null,
  ({ texts, kind }) =>
    [texts[0], kind === "JWS" ? texts[1] : undefined].some((part) => part !== undefined && !isUnambiguous(part))
      ? "A member stands in it twice, or a text is not UTF-8: two readers may read two different things."
      : null,
  ({ header }) => {
    const brought = ["jwk", "jku", "x5c", "x5u"].filter((name) => Object.hasOwn(header, name));
    return brought.length === 0
      ? null
      : `It brings its own key along (${brought.join(", ")}): a verifier that believes it believes anyone.`;
  },
];

const BAD_IN_JWS: readonly Look[] = [
  ({ header: { alg } }) =>
    typeof alg === "string" && alg.toLowerCase() === "none"
      ? 'Its algorithm is "none": anyone can have written it (RFC 8725 §2.1).'
      : null,
  ({ texts }) => (texts[2] === "" ? "It has no signature: anyone can have written it." : null),
  ({ header: { alg }, texts }) => {
    const expected = isAlgorithmName(alg) ? ALGORITHMS[alg].signatureBytes : null;
    const octets = Buffer.from(texts[2] ?? "", "base64url").length;
    return expected === null || octets === 0 || octets === expected
      ? null
      : `Its signature has ${octets} octets, where ${String(alg)} has ${expected}: it cannot hold.`;
  },
  ({ claims, texts }) =>
    claims !== null || isEncrypted(texts[1]) ? null : "Its payload is not a JSON object: it is no JWT.",
  ({ claims }, now) => {
    const exp = timeOf(claims?.exp);
    return exp !== null && now >= exp ? "It has expired." : null;
  },
  ({ claims }, now) => {
    const nbf = timeOf(claims?.nbf);
    return nbf !== null && now < nbf ? "It is not valid yet." : null;
  },
  ({ claims }) => {
    const wrong = ["exp", "nbf", "iat"].filter((name) => claims?.[name] !== undefined && timeOf(claims[name]) === null);
    return wrong.length === 0
      ? null
      : `Its ${wrong.join(" and ")} is no time: a number of seconds since 1970 belongs there.`;
  },
  ({ claims }) => {
    const [exp, iat] = [timeOf(claims?.exp), timeOf(claims?.iat)];
    return exp !== null && iat !== null && exp < iat ? "It expired before it was issued." : null;
  },
  ({ header, claims }) => {
    if (typeof header.typ !== "string" || !/^(application\/)?at\+jwt$/i.test(header.typ) || claims === null)
      return null;
    const missing = ["iss", "aud", "exp", "iat", "sub", "jti", "client_id"].filter(
      (name) => claims[name] === undefined,
    );
    return missing.length === 0 ? null : `As an access token it lacks ${missing.join(", ")} (RFC 9068 §2.2).`;
  },
  ({ text }) =>
    text.length > TOKEN_MAX ? `It is larger than ${TOKEN_MAX / 1024} KiB: Mapae's verifiers refuse it.` : null,
];

/** Longer than any access token should live, in milliseconds: what the server allows at most. */
const LONG = 86_400_000;
/** Milliseconds by which clocks may differ. */
const SKEW = 60_000;

/** Does a part hold an encrypted text (JWE)? */
function isEncrypted(part = ""): boolean {
  return /^[\w-]+(\.[\w-]*){4}$/.test(Buffer.from(part, "base64url").toString("latin1"));
}

const DOUBTFUL_IN_JWS: readonly Look[] = [
  ({ claims, texts }) =>
    claims === null && isEncrypted(texts[1])
      ? "Its payload is encrypted (JWE): it is no JWT, and the sender is shown to everybody."
      : null,
  ({ header: { alg } }) =>
    typeof alg === "string" && alg.toLowerCase() !== "none" && !isAlgorithmName(alg)
      ? "Its algorithm is not one that Mapae's verifiers know."
      : null,
  ({ header: { alg } }) => (typeof alg === "string" ? null : "It does not say how it is signed (alg)."),
  ({ header: { alg } }) =>
    typeof alg === "string" && alg.startsWith("HS")
      ? "It is signed with a shared secret: whoever can verify it can also have written it."
      : null,
  ({ header }) =>
    Object.hasOwn(header, "crit") ? "It names extensions (crit) that every verifier must understand." : null,
  ({ claims }) => (claims !== null && claims.exp === undefined ? "It never expires: there is no exp." : null),
  ({ claims }) =>
    claims !== null && claims.aud === undefined ? "It is meant for nobody in particular: there is no aud." : null,
  ({ claims }) => {
    const [exp, iat] = [timeOf(claims?.exp), timeOf(claims?.iat)];
    return exp !== null && iat !== null && exp - iat > LONG ? "It lives longer than a day." : null;
  },
  ({ claims }, now) => {
    const iat = timeOf(claims?.iat);
    return iat !== null && iat > now + SKEW ? "It was issued in the future: a clock is wrong, here or there." : null;
  },
];

const BAD_IN_JWE: readonly Look[] = [
  ({ header }) =>
    Object.hasOwn(header, "crit")
      ? "It names extensions (crit) that whoever opens it must understand. Mapae's verifiers know none."
      : null,
  ({ header: { alg } }) =>
    alg === "RSA1_5" ? "RSA1_5 has leaked its content through padding oracles for decades (RFC 8725 §3.2)." : null,
  ({ header }) =>
    Object.hasOwn(header, "zip")
      ? "It is compressed: its length tells of its content, and unpacking it may fill the memory. Mapae's verifiers refuse it."
      : null,
  ({ header: { p2c } }) =>
    typeof p2c === "number" && p2c > 2_000_000
      ? `It wants its password hashed ${p2c} times: a trap for whoever opens it.`
      : null,
  ({ texts, header: { enc } }) =>
    typeof enc === "string" && enc.endsWith("GCM") && texts[4]?.length !== 22
      ? "Its tag is not of 16 octets: it does not open."
      : null,
];

const DOUBTFUL_IN_JWE: readonly Look[] = [
  ({ header: { alg } }) =>
    typeof alg === "string" && /^(dir$|A\d+(GCM)?KW$|PBES2-)/.test(alg)
      ? "It is encrypted with what both sides know: whoever can read it can also have written it."
      : null,
  ({ header: { cty } }) =>
    typeof cty === "string" && /^(application\/)?jwt$/i.test(cty)
      ? null
      : 'It does not say that a signed token is inside (cty "JWT"): bare claims could be written by anyone who has the public key.',
  ({ header: { alg, enc } }) =>
    (alg === "RSA-OAEP-256" || alg === "ECDH-ES") && enc === "A256GCM"
      ? null
      : "Mapae's verifiers open RSA-OAEP-256 and ECDH-ES with A256GCM only.",
];

/**
 * The protected header (RFC 7515 §4): `alg`, and optionally `kid` and `typ`. Nothing else is allowed, so a token cannot
 * bring its own key, ask for an extension, or say how it is to be processed.
 *
 * Most tokens of an issuer have the same header, letter for letter. The headers of tokens whose signature held are
 * remembered by their exact text: what is remembered is a pure function of the text, so a hit can never differ from
 * parsing again, and an attacker without a key cannot add to the memory.
 */
import { type Refusal, refuse } from "../refusals.ts";
import { type AlgorithmName, isAlgorithmName } from "./algorithms.ts";
import { decodeBase64url, encodeBase64url } from "./base64url.ts";
import { parseJsonObject } from "./json.ts";

const REMEMBERED_MAX = 64;
const PARAMETERS = new Set(["alg", "kid", "typ"]);
const TYP = /^[\x21-\x7e]{1,127}$/;

/** The parameters of a header that were allowed; frozen. */
export interface JwsHeader {
  readonly alg: AlgorithmName;
  readonly kid: string | undefined;
  /** As it was written. */
  readonly typ: string | undefined;
  /** `typ` as a media type to compare: lower case and without `application/` (RFC 7515 §4.1.9); "" without a typ. */
  readonly mediaType: string;
  /** The header's own base64url text. */
  readonly text: string;
}

const remembered = new Map<string, JwsHeader>();

/** The header that a base64url text holds. */
export function readHeader(text: string): JwsHeader | Refusal {
  return remembered.get(text) ?? parseHeader(text);
}

/** Keeps a header for the next token. Only for headers under a signature that held. */
export function rememberHeader(header: JwsHeader): void {
  if (remembered.has(header.text)) return;
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(header.text, header);
}

function parseHeader(text: string): JwsHeader | Refusal {
  const bytes = decodeBase64url(text);
  if (bytes === null) return refuse("malformed_token");
  const fields = parseJsonObject(bytes);
  if (fields === null) return refuse("malformed_header");
  for (const parameter of Object.keys(fields)) {
    if (!PARAMETERS.has(parameter)) return refuse("unsupported_header");
  }
  const { alg, kid, typ } = fields;
  if (typeof alg !== "string") return refuse("malformed_header");
  if (!isAlgorithmName(alg)) return refuse("unsupported_algorithm");
  if (kid !== undefined && typeof kid !== "string") return refuse("malformed_header");
  if (typ !== undefined && !(typeof typ === "string" && TYP.test(typ))) return refuse("malformed_header");
  // Encoded anew, which is the same text: a slice of the token would keep the whole token in memory.
  return Object.freeze({ alg, kid, typ, mediaType: comparable(typ), text: encodeBase64url(bytes) });
}

function comparable(typ: string | undefined): string {
  if (typ === undefined) return "";
  const lower = typ.toLowerCase();
  return lower.startsWith("application/") && lower.indexOf("/", 12) < 0 ? lower.slice(12) : lower;
}

/**
 * The two layers of every envelope: a JWE for the recipient, inside a JWS of the sender (docs/seal-format.md).
 *
 *   JWS   typ alg iss aud jti iat ack      signed by the sender: who, for whom, which document, when
 *    └─ JWE   typ alg enc iss aud jti      protected by the content key: the same names again
 *         └─ content
 *
 * Either layer alone can be taken off by somebody in between. C can strip A's signature and put its own around the same JWE:
 * the names inside still say A, and C cannot change them without the content key. B can open the JWE and encrypt its content
 * for somebody else: then A's signature, which names B and covers the old ciphertext, no longer fits.
 *
 * `ack` commits the sender to the content: it is the SHA-256 of a proof that only who has opened everything can compute, so a
 * receipt needs nothing but the envelope to be checked against, and one envelope has one content (AES-GCM alone would allow
 * two under two keys).
 */
import { isAlgorithmName } from "../jose/algorithms.ts";
import { decodeBase64url, encodeBase64url } from "../jose/base64url.ts";
import { type JsonObject, parseJsonObject } from "../jose/json.ts";
import type { AsyncBoundKey, AsyncSigningKey } from "../jose/keys.ts";
import { HEADER_TEXT_MAX } from "../jose/limits.ts";
import { makeJwe, openJwe, type ParsedJwe, parseJwe } from "../jwe/compact.ts";
import type { DecryptionKey, EncryptionKey } from "../jwe/keys.ts";
import { sha256 } from "./digest.ts";
import { type Discarded, NOT_FOR_ME, notFromSender } from "./outcome.ts";
import type { Named, PrivateKeys, PublicKeys } from "./party.ts";

/** The two kinds of envelope: what the outer and the inner `typ` say, and how long the whole text may be. */
export const KINDS = {
  /** The content is the document. */
  document: { outer: "mapae-sealed", inner: "mapae-content", extra: [], longest: 2 * 1024 * 1024 },
  /** The content is the key of the chunks before it. */
  file: { outer: "mapae-sealed-file", inner: "mapae-content-key", extra: ["len", "size", "hash"], longest: 8192 },
} as const;
export type Kind = keyof typeof KINDS;

/** What an envelope says of itself, once the sender's signature has held. */
export interface Envelope {
  /** Name of the sender's signing key. */
  readonly from: string;
  /** Name of the recipient's encryption key. */
  readonly to: string;
  /** The document's id: 128 random bits. */
  readonly id: string;
  /** When it was sealed by the sender's clock, in seconds since 1970. */
  readonly sealedAt: number;
  /** SHA-256 of what was signed: the same however the signature is spelt. */
  readonly hash: string;
}

export interface SignedLayer {
  readonly ok: true;
  readonly envelope: Envelope;
  readonly ack: string;
  readonly header: JsonObject;
  readonly jwe: ParsedJwe;
}

const NAME = /^[\w-]{43}$/;
const ID = /^[\w-]{22}$/;
const DATE_MAX = 253_402_300_799;
const OUTER = ["typ", "alg", "iss", "aud", "jti", "iat", "ack"];
const INNER = ["typ", "iss", "aud", "jti"];

/** What the sender says about the content; `extra` are the members that the kind adds. */
export interface Statement {
  readonly kind: Kind;
  readonly id: string;
  readonly sealedAt: number;
  readonly ack: Uint8Array;
  readonly extra: JsonObject;
}

/** Encrypts, then signs. @returns the envelope's text */
export async function makeLayers(
  content: Uint8Array,
  { kind, id, sealedAt, ack, extra }: Statement,
  from: Named<AsyncSigningKey>,
  to: Named<EncryptionKey>,
): Promise<string> {
  const { outer, inner } = KINDS[kind];
  const names = { iss: from.name, aud: to.name, jti: id };
  const jwe = await makeJwe({ typ: inner, ...names }, content, to.key);
  const said = { ...names, iat: sealedAt, ack: encodeBase64url(ack), ...extra };
  const header = { typ: outer, alg: from.key.algorithm.name, ...said };
  const utf8 = new TextEncoder();
  const signingInput = `${encodeBase64url(utf8.encode(JSON.stringify(header)))}.${encodeBase64url(utf8.encode(jwe))}`;
  return `${signingInput}.${encodeBase64url(await from.key.sign(signingInput))}`;
}

/** Reads the outer layer: who sent this, and is it so? No private key takes part. */
export async function readSignature(text: unknown, kind: Kind, from: PublicKeys): Promise<SignedLayer | Discarded> {
  const { outer, inner, extra, longest } = KINDS[kind];
  if (typeof text !== "string" || text.length > longest) return notFromSender("not_readable");
  const parts = text.split(".", 4);
  const [headerText = "", payload = "", signatureText = ""] = parts;
  if (parts.length !== 3 || headerText.length > HEADER_TEXT_MAX) return notFromSender("not_readable");
  const header = readOuter(headerText, outer, extra);
  if (header === null) return notFromSender("not_readable");
  const signer = from.verifying.find(({ name }) => name === header.iss)?.key;
  // The key says which algorithm, the envelope only agrees (RFC 8725 §3.1).
  if (signer === undefined || header.alg !== signer.algorithm.name) return notFromSender("other_key");
  const signature = decodeBase64url(signatureText);
  const signingInput = text.slice(0, headerText.length + 1 + payload.length);
  if (signature === null || !(await holds(signer, signingInput, signature))) return notFromSender("wrong_signature");
  const bytes = decodeBase64url(payload);
  const jwe = bytes === null ? null : parseJwe(new TextDecoder().decode(bytes), longest, INNER);
  if (jwe === null || jwe.header.typ !== inner) return notFromSender("not_readable");
  // Somebody else's letter in the sender's envelope.
  if (jwe.header.iss !== header.iss || jwe.header.jti !== header.jti) return notFromSender("other_author");
  const { iss, aud, jti, iat, ack } = header;
  const hash = encodeBase64url(await sha256(new TextEncoder().encode(signingInput)));
  return { ok: true, envelope: { from: iss, to: aud, id: jti, sealedAt: iat, hash }, ack, header, jwe };
}

/** Opens the inner layer. Whatever is wrong here is one and the same outcome. */
export async function openContent({ envelope, jwe }: SignedLayer, to: PrivateKeys): Promise<Uint8Array | Discarded> {
  const key = openingKey(envelope, to);
  if (key === undefined || jwe.header.aud !== envelope.to) return NOT_FOR_ME;
  return (await openJwe(jwe, key)) ?? NOT_FOR_ME;
}

export function openingKey({ to: name }: Envelope, to: PrivateKeys): DecryptionKey | undefined {
  return to.opening.find((key) => key.name === name)?.key;
}

function holds(key: AsyncBoundKey, signingInput: string, signature: Uint8Array): Promise<boolean> {
  return key.verify(signingInput, signature);
}

interface OuterHeader extends JsonObject {
  readonly iss: string;
  readonly aud: string;
  readonly jti: string;
  readonly iat: number;
  readonly ack: string;
}

/** Every member, no other, each of its form: a header that says more than is read could say it to somebody else. */
function readOuter(text: string, typ: string, extra: readonly string[]): OuterHeader | null {
  const octets = decodeBase64url(text);
  const header = octets === null ? null : parseJsonObject(octets);
  if (header === null) return null;
  const names = [...OUTER, ...extra];
  if (Object.keys(header).length !== names.length || !names.every((name) => Object.hasOwn(header, name))) return null;
  const formed = header.typ === typ && isAlgorithmName(header.alg) && isOuter(header);
  return formed ? header : null;
}

function isOuter(header: JsonObject): header is OuterHeader {
  const { iss, aud, jti, iat, ack } = header;
  return (
    isText(iss, NAME) &&
    isText(aud, NAME) &&
    isText(jti, ID) &&
    isText(ack, NAME) &&
    typeof iat === "number" &&
    Number.isSafeInteger(iat) &&
    iat >= 0 &&
    iat <= DATE_MAX
  );
}

function isText(value: unknown, form: RegExp): value is string {
  return typeof value === "string" && form.test(value) && decodeBase64url(value) !== null;
}

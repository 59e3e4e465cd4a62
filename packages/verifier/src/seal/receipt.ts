/**
 * The acknowledgement: without it the sender marches alone. A JWT (RFC 7519) of the recipient, that says which envelope was
 * opened when, with a proof that all of it was.
 *
 *   typ mapae-receipt+jwt   iss recipient's key   aud sender's key   iat   jti document   env hash of the envelope   prf proof
 *
 * The proof is HMAC-SHA-256 of the document under the secret id that was inside; the envelope holds its SHA-256, signed by the
 * sender. So checking needs the envelope and public keys only, and whoever did not open it cannot make one. It says nothing
 * of the document to others: a bare hash of "yes" would.
 */
import { decodeBase64url, encodeBase64url } from "../jose/base64url.ts";
import { type JsonObject, parseJsonObject } from "../jose/json.ts";
import { checkSignatureAsync, decodePayload, parseJws } from "../jose/jws.ts";
import { matches, type Opened } from "./document.ts";
import { readFrame } from "./file-frame.ts";
import { KeysRefused } from "./key-refusals.ts";
import { type Envelope, readSignature } from "./layers.ts";
import { type Discarded, notAcknowledged, notFromSender } from "./outcome.ts";
import type { PrivateKeys, PublicKeys } from "./party.ts";
import type { Seekable } from "./seekable.ts";

const TYP = "mapae-receipt+jwt";
const MEMBERS = ["iss", "aud", "iat", "jti", "env", "prf"];

export interface ReceiptOptions {
  /** Who acknowledges: the recipient's own keys. */
  readonly from: PrivateKeys;
  /** Milliseconds since 1970 (`Date.now`). */
  readonly clock?: () => number;
}

export interface VerifyReceiptOptions {
  /** Who acknowledges: the recipient's published keys. */
  readonly from: PublicKeys;
  /** Who sealed: the sender's published keys. */
  readonly to: PublicKeys;
}

export interface Acknowledged {
  readonly ok: true;
  readonly envelope: Envelope;
  /** Name of the key that signed the receipt. */
  readonly by: string;
  /** By the recipient's clock, in seconds since 1970. */
  readonly at: number;
}

/**
 * Acknowledges what was opened.
 * @returns a compact JWS
 * @throws KeysRefused where there is no signing key
 */
export async function makeReceipt({ envelope, proof }: Opened, options: ReceiptOptions): Promise<string> {
  const [signing] = options.from.signing;
  if (signing === undefined) throw new KeysRefused("no_signing_key");
  const { clock = Date.now } = options;
  const header = { typ: TYP, alg: signing.key.algorithm.name };
  const claims = {
    iss: signing.name,
    aud: envelope.from,
    iat: Math.floor(clock() / 1000),
    jti: envelope.id,
    env: envelope.hash,
    prf: encodeBase64url(proof),
  };
  const signingInput = [header, claims].map((part) => encodeBase64url(utf8.encode(JSON.stringify(part)))).join(".");
  return `${signingInput}.${encodeBase64url(await signing.key.sign(signingInput))}`;
}

/**
 * Has the recipient opened this envelope? Takes anything; a no is a value.
 * @param envelope what was sent: a sealed document's text, or a sealed file
 */
export async function verifyReceipt(
  receipt: unknown,
  envelope: string | Seekable,
  { from, to }: VerifyReceiptOptions,
): Promise<Acknowledged | Discarded> {
  const said = await readReceipt(receipt, from);
  if (!said.ok) return said;
  const sent = await readOwnEnvelope(envelope, to);
  if (!sent.ok) return sent;
  const { claims } = said;
  const { id, hash, from: sender, to: recipient } = sent.envelope;
  if (claims.env !== hash || claims.jti !== id || claims.aud !== sender) return notAcknowledged("other_envelope");
  // Only whom it was sealed for can acknowledge it, whoever else may have come to know what it says.
  if (!from.encrypting.some(({ name }) => name === recipient)) return notAcknowledged("other_recipient");
  const proof = typeof claims.prf === "string" ? decodeBase64url(claims.prf) : null;
  if (proof === null || !(await matches(proof, sent.ack))) return notAcknowledged("not_opened");
  return { ok: true, envelope: sent.envelope, by: String(claims.iss), at: Number(claims.iat) };
}

async function readReceipt(
  text: unknown,
  from: PublicKeys,
): Promise<{ readonly ok: true; readonly claims: JsonObject } | Discarded> {
  const jws = parseJws(text);
  if (!jws.ok || jws.header.typ !== TYP || jws.header.kid !== undefined) return notFromSender("not_readable");
  // The claims say which key; which keys count was said by the caller.
  for (const { name, key } of from.verifying) {
    if ((await checkSignatureAsync(jws, key)) !== null) continue;
    const payload = decodePayload(jws);
    const claims = payload === null ? null : parseJsonObject(payload);
    if (claims === null || claims.iss !== name || !isReceipt(claims)) return notFromSender("not_readable");
    return { ok: true, claims };
  }
  return notFromSender("other_key");
}

function isReceipt(claims: JsonObject): boolean {
  const names = Object.keys(claims);
  const texts = [claims.iss, claims.aud, claims.jti, claims.env, claims.prf];
  return (
    names.length === MEMBERS.length &&
    names.every((name) => MEMBERS.includes(name)) &&
    texts.every((text) => typeof text === "string") &&
    Number.isSafeInteger(claims.iat)
  );
}

async function readOwnEnvelope(envelope: string | Seekable, keys: PublicKeys) {
  const isText = typeof envelope === "string";
  const text = isText ? envelope : (await readFrame(envelope))?.seal;
  const signed = await readSignature(text, isText ? "document" : "file", keys);
  return signed.ok ? signed : notAcknowledged("other_sender");
}

const utf8 = new TextEncoder();

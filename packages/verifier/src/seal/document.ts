/**
 * Sealed documents in memory, up to 1 MiB: JOSE and nothing else, so that any JOSE library can open one.
 *
 *   JWS( JWE( secret id, 32 octets ‖ document ) )
 *
 * The secret id is inside so that nobody outside can guess a short document ("yes", "23:00") and try the guess against the
 * proof of a receipt.
 */
import { encodeBase64url } from "../jose/base64url.ts";
import { hmac, joined, owned, randomOctets, sha256 } from "./digest.ts";
import { KeysRefused } from "./key-refusals.ts";
import { type Envelope, makeLayers, openContent, readSignature } from "./layers.ts";
import { type Discarded, NOT_FOR_ME, SEEN_BEFORE } from "./outcome.ts";
import type { PrivateKeys, PublicKeys } from "./party.ts";

/** Largest document, in octets; larger ones are sealed in pieces (file.ts). */
export const DOCUMENT_MAX = 1024 * 1024;

export const SECRET_OCTETS = 32;
const ID_OCTETS = 16;

/** What was opened before, by sender and document id, so that nobody can send it again. */
export interface SeenList {
  /** Asked before anything is decrypted, to save the work. */
  has(envelope: Envelope): boolean | Promise<boolean>;
  /** Notes the document, in one step with looking: false where it was there already. */
  admit(envelope: Envelope): boolean | Promise<boolean>;
}

export interface SealOptions {
  /** The sender's own keys. */
  readonly from: PrivateKeys;
  /** The recipient's published keys. */
  readonly to: PublicKeys;
  /** Milliseconds since 1970 (`Date.now`). */
  readonly clock?: () => number;
}

export interface OpenOptions {
  /** The sender's published keys. */
  readonly from: PublicKeys;
  /** The recipient's own keys. */
  readonly to: PrivateKeys;
  readonly seen?: SeenList;
}

/** What came of opening; it can be acknowledged with a receipt. */
export interface Opened {
  readonly ok: true;
  readonly envelope: Envelope;
  /** That everything was opened: HMAC-SHA-256 of the document under its secret id. Only for the receipt. */
  readonly proof: Uint8Array;
}

export interface OpenedDocument extends Opened {
  readonly document: Uint8Array;
}

/**
 * Seals a document for one recipient.
 * @returns the envelope's text, ASCII
 * @throws KeysRefused where the sender has no signing key or the recipient no encryption key; RangeError above `DOCUMENT_MAX`
 */
export async function sealDocument(document: Uint8Array, options: SealOptions): Promise<string> {
  if (document.length > DOCUMENT_MAX) {
    throw new RangeError(`A document in memory has at most ${DOCUMENT_MAX} octets; sealFile takes larger ones.`);
  }
  const { signing, encrypting, id, sealedAt } = begin(options);
  const secret = randomOctets(SECRET_OCTETS);
  const ack = await sha256(await hmac(secret, document));
  const statement = { kind: "document", id, sealedAt, ack, extra: {} } as const;
  return makeLayers(joined(secret, document), statement, signing, encrypting);
}

/** Who seals, for whom, and the document's new id. @throws KeysRefused */
export function begin({ from, to, clock = Date.now }: SealOptions) {
  const [signing] = from.signing;
  if (signing === undefined) throw new KeysRefused("no_signing_key");
  const [encrypting] = to.encrypting;
  if (encrypting === undefined) throw new KeysRefused("no_encryption_key");
  const id = encodeBase64url(randomOctets(ID_OCTETS));
  return { signing, encrypting, id, sealedAt: Math.floor(clock() / 1000) };
}

/**
 * Opens a sealed document: first who sent it, then what it says. Takes anything; a no is a value.
 * @throws KeysRefused where the sender has no key to verify with or the recipient none to open with
 */
export async function openDocument(text: unknown, options: OpenOptions): Promise<OpenedDocument | Discarded> {
  const { from, to, seen } = options;
  refuseUnable(options);
  const signed = await readSignature(text, "document", from);
  if (!signed.ok) return signed;
  const { envelope } = signed;
  if (await seen?.has(envelope)) return SEEN_BEFORE;
  const content = await openContent(signed, to);
  if (!(content instanceof Uint8Array)) return content;
  if (content.length < SECRET_OCTETS) return NOT_FOR_ME;
  const document = owned(content.slice(SECRET_OCTETS));
  const proof = await hmac(content.subarray(0, SECRET_OCTETS), document);
  // What the sender committed to is what came out.
  if (!(await matches(proof, signed.ack))) return NOT_FOR_ME;
  if (seen !== undefined && !(await seen.admit(envelope))) return SEEN_BEFORE;
  return { ok: true, envelope, proof, document };
}

/** Is this the proof that the envelope's `ack` commits to? */
export async function matches(proof: Uint8Array, ack: string): Promise<boolean> {
  return encodeBase64url(await sha256(proof)) === ack;
}

/** @throws KeysRefused */
export function refuseUnable({ from, to }: OpenOptions): void {
  if (from.verifying.length === 0) throw new KeysRefused("no_signing_key");
  if (to.opening.length === 0) throw new KeysRefused("no_encryption_key");
}

/**
 * Sealed files of any size, in constant memory (docs/seal-format.md).
 *
 *   magic │ piece 0 │ piece 1 │ … │ last piece │ seal │ length of the seal │ magic
 *           └──────── AES-256-GCM ───────────┘   └ an envelope as in document.ts, whose content is the pieces' key
 *
 * The seal comes last because it signs a hash of everything before it: of all ciphertext, since a recipient knows the key and
 * could otherwise write other pieces under the sender's name. So sealing is one pass over anything that flows, and opening is
 * two over something that can be read anywhere: first all of it is proven to be the sender's, then it is decrypted.
 */
import { encodeBase64url } from "../jose/base64url.ts";
import { Chain } from "./chain.ts";
import { type ChunkCipher, chunkEngine, KEY_OCTETS, nonceOf, PIECES_MAX } from "./chunk-cipher.ts";
import { hmac, joined, type Octets, randomOctets, sha256 } from "./digest.ts";
import {
  begin,
  matches,
  type Opened,
  type OpenOptions,
  refuseUnable,
  SECRET_OCTETS,
  type SealOptions,
} from "./document.ts";
import { type Frame, footerOf, isPieceSize, MAGIC, PIECE_OCTETS, pieceAt, readFrame } from "./file-frame.ts";
import { makeLayers, openContent, readSignature, type SignedLayer } from "./layers.ts";
import { type Discarded, NOT_FOR_ME, notFromSender, SEEN_BEFORE } from "./outcome.ts";
import { cutToPieces } from "./pieces.ts";
import type { Seekable } from "./seekable.ts";

export interface SealFileOptions extends SealOptions {
  /** Plaintext octets of one piece (1 MiB): what both sides hold in memory a few times over. */
  readonly pieceOctets?: number;
}

/**
 * Seals what flows in, as pieces of what is to be written.
 * @throws KeysRefused where the sender has no signing key or the recipient no encryption key
 */
export async function* sealFile(
  source: AsyncIterable<Uint8Array>,
  options: SealFileOptions,
): AsyncGenerator<Uint8Array> {
  const { pieceOctets: size = PIECE_OCTETS } = options;
  if (!isPieceSize(size)) throw new RangeError("pieceOctets must be a whole number from 1 KiB to 16 MiB.");
  const { signing, encrypting, id, sealedAt } = begin(options);
  const secret = randomOctets(SECRET_OCTETS);
  const key = randomOctets(KEY_OCTETS);
  const cipher = await chunkEngine.cipher(key);
  const sealed = new Chain(chunkEngine);
  const plain = new Chain(chunkEngine);
  yield MAGIC;
  let index = 0;
  let length = 0;
  for await (const { octets, last } of cutToPieces(source, size)) {
    if (index >= PIECES_MAX) throw new RangeError("The file is larger than can be sealed in one envelope.");
    await plain.addBeside(octets);
    const parts = await cipher.seal(nonceOf(index, last), octets);
    await sealed.add(parts);
    yield* parts;
    index += 1;
    length += octets.length;
  }
  const ack = await sha256(await hmac(secret, await plain.value()));
  const extra = { len: length, size, hash: encodeBase64url(await sealed.value()) };
  const content = joined(secret, key);
  const seal = await makeLayers(content, { kind: "file", id, sealedAt, ack, extra }, signing, encrypting);
  yield footerOf(seal);
}

/**
 * Opens a sealed file. Nothing that was handed to `write` may be used before the outcome is known: write to a place of its own,
 * and put it where it belongs when the answer is `ok`.
 * @param write takes the file's pieces in order; awaited
 * @throws KeysRefused where the sender has no key to verify with or the recipient none to open with
 */
export async function openFile(
  source: Seekable,
  write: (piece: Uint8Array) => void | Promise<void>,
  options: OpenOptions,
): Promise<Opened | Discarded> {
  const { to, seen } = options;
  const signed = await readSealedFile(source, options);
  if (!signed.ok) return signed;
  const { layer, frame } = signed;
  if (await seen?.has(layer.envelope)) return SEEN_BEFORE;
  // First pass: is every octet what the sender signed?
  if (frame === null || !(await isWhole(source, frame, layer))) return NOT_FOR_ME;
  const content = await openContent(layer, to);
  if (!(content instanceof Uint8Array)) return content;
  if (content.length !== SECRET_OCTETS + KEY_OCTETS) return NOT_FOR_ME;
  const cipher = await chunkEngine.cipher(Uint8Array.from(content.subarray(SECRET_OCTETS)));
  // Second pass. What changed on the disk in between is caught by the tags and by what the sender committed to.
  const plain = await decrypt(source, frame, cipher, write);
  if (plain === null) return NOT_FOR_ME;
  const proof = await hmac(content.subarray(0, SECRET_OCTETS), plain);
  if (!(await matches(proof, layer.ack))) return NOT_FOR_ME;
  if (seen !== undefined && !(await seen.admit(layer.envelope))) return SEEN_BEFORE;
  return { ok: true, envelope: layer.envelope, proof };
}

interface SealedFile {
  readonly ok: true;
  readonly layer: SignedLayer;
  /** null where the sizes do not fit what was signed. */
  readonly frame: Frame | null;
}

async function readSealedFile(source: Seekable, options: OpenOptions): Promise<SealedFile | Discarded> {
  refuseUnable(options);
  const found = await readFrame(source);
  if (found === null) return notFromSender("not_readable");
  const layer = await readSignature(found.seal, "file", options.from);
  return layer.ok ? { ok: true, layer, frame: found.fit(layer.header) } : layer;
}

/** The hash over all pieces in the order in which they stand, against the one that was signed. Two hashes may be under way. */
async function isWhole(source: Seekable, frame: Frame, { header }: SignedLayer): Promise<boolean> {
  const chain = new Chain(chunkEngine);
  for await (const { octets } of readPieces(source, frame)) await chain.addBeside(octets);
  return encodeBase64url(await chain.value()) === header.hash;
}

/** @returns the chain over the plaintext, or null where a piece does not open */
async function decrypt(
  source: Seekable,
  frame: Frame,
  cipher: ChunkCipher,
  write: (piece: Uint8Array) => void | Promise<void>,
): Promise<Octets | null> {
  const chain = new Chain(chunkEngine);
  for await (const { octets, index, last } of readPieces(source, frame)) {
    const piece = await cipher.open(nonceOf(index, last), octets);
    if (piece === null) return null;
    await Promise.all([chain.addBeside(piece), write(piece)]);
  }
  return chain.value();
}

/** The pieces in order, the next one read while one is worked on. */
async function* readPieces(source: Seekable, frame: Frame) {
  const read = (index: number) => {
    const { at, length } = pieceAt(frame, index);
    const reading = source.read(at, length);
    // Whoever waits for it is told; until then nobody has to handle it.
    reading.catch(() => undefined);
    return reading;
  };
  let next = read(0);
  for (let index = 0; index < frame.pieces; index++) {
    const octets = await next;
    const last = index === frame.pieces - 1;
    if (!last) next = read(index + 1);
    yield { octets, index, last };
  }
}

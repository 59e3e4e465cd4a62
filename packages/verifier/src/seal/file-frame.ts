/**
 * Where everything stands in a sealed file: one fixed head, pieces of one size, the seal and a fixed foot.
 *
 *   0        8                                                                      size−12       size−8
 *   │ magic  │ piece: size + 16 octets │ … │ last piece: 16 to size + 16 │ seal      │ seal's length │ magic │
 *
 * Nothing in between says how long it is: the number and the length of the pieces follow from `len` and `size`, which the
 * sender signed.
 */
import type { JsonObject } from "../jose/json.ts";
import { PIECES_MAX, TAG_OCTETS } from "./chunk-cipher.ts";
import { joined, type Octets, same } from "./digest.ts";
import { KINDS } from "./layers.ts";
import type { Seekable } from "./seekable.ts";

/** No text and no other format begins so: an octet beyond ASCII, a name, a version, a line end that mail would change. */
export const MAGIC: Octets = Uint8Array.of(0x89, 0x4d, 0x41, 0x50, 0x41, 0x45, 0x01, 0x0a);

/** Plaintext of one piece when sealing. Others' pieces may be between the two limits. */
export const PIECE_OCTETS = 1024 * 1024;
const PIECE_LEAST = 1024;
const PIECE_MOST = 16 * 1024 * 1024;

const FOOT_OCTETS = 4 + MAGIC.length;

export interface Frame {
  readonly pieces: number;
  /** Plaintext octets of a piece that is not the last. */
  readonly size: number;
  /** Plaintext octets of the whole. */
  readonly length: number;
}

export interface FoundSeal {
  readonly seal: string;
  /** The frame that a signed header describes; null where the file has another size. */
  fit(header: JsonObject): Frame | null;
}

/** Does it begin like a sealed file? */
export function isSealedFile(head: Uint8Array): boolean {
  return same(head.subarray(0, MAGIC.length), MAGIC);
}

export function footerOf(seal: string): Octets {
  const text = new TextEncoder().encode(seal);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, text.length);
  return joined(text, length, MAGIC);
}

/** Head and foot, and the seal between them; null where the file is no sealed file. */
export async function readFrame(source: Seekable): Promise<FoundSeal | null> {
  const { size } = source;
  if (size < MAGIC.length + FOOT_OCTETS || !isSealedFile(await source.read(0, MAGIC.length))) return null;
  const foot = await source.read(size - FOOT_OCTETS, FOOT_OCTETS);
  if (foot.length !== FOOT_OCTETS || !same(foot.subarray(4), MAGIC)) return null;
  const length = new DataView(foot.buffer, foot.byteOffset).getUint32(0);
  const end = size - FOOT_OCTETS;
  if (length > KINDS.file.longest || length > end - MAGIC.length) return null;
  const seal = new TextDecoder().decode(await source.read(end - length, length));
  return { seal, fit: (header) => fitted(header, end - length - MAGIC.length) };
}

function fitted({ len, size }: JsonObject, octets: number): Frame | null {
  if (!isCount(len) || !isPieceSize(size)) return null;
  // An empty file has one empty piece.
  const pieces = Math.max(1, Math.ceil(len / size));
  if (pieces > PIECES_MAX || octets !== len + pieces * TAG_OCTETS) return null;
  return { pieces, size, length: len };
}

export function isPieceSize(value: unknown): value is number {
  return isCount(value) && value >= PIECE_LEAST && value <= PIECE_MOST;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Where a piece stands, and how long it is with its tag. */
export function pieceAt({ pieces, size, length }: Frame, index: number): { at: number; length: number } {
  const plain = index === pieces - 1 ? length - size * (pieces - 1) : size;
  return { at: MAGIC.length + index * (size + TAG_OCTETS), length: plain + TAG_OCTETS };
}

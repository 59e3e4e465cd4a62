/**
 * A status list as it leaves: bits, compressed and in base64url, as the claims of a signed token
 * (draft-ietf-oauth-status-list-21 §4, §5.1).
 */
import { promisify } from "node:util";
import { constants, deflate, gzip } from "node:zlib";
import { LIST_BITS } from "./slot.ts";

/** §5.1, §8.2 */
export const STATUS_LIST_TYP = "statuslist+jwt";
export const STATUS_LIST_TYPE = `application/${STATUS_LIST_TYP}`;

/** Longest signed list in characters: 16 KiB that cannot be compressed, in base64url twice, and the largest signature. */
export const SIGNED_LIST_MAX = 40 * 1024;

/** Both in a thread of the pool: the event loop waits for neither. */
const deflated = promisify(deflate);
export const gzipped = promisify(gzip);

/** All valid. */
export function newBits(): Uint8Array {
  return new Uint8Array(LIST_BITS / 8);
}

/** Says INVALID at an index: one bit a token, the first in the lowest place of the first octet (§4.1). */
export function setInvalid(bits: Uint8Array, idx: number): void {
  bits[idx >> 3] = (bits[idx >> 3] ?? 0) | (1 << (idx & 7));
}

/** The member `lst`. */
export async function encodeBits(bits: Uint8Array): Promise<string> {
  const octets = await deflated(bits, { level: constants.Z_BEST_COMPRESSION });
  return octets.toString("base64url");
}

export interface ListClaims {
  readonly iss: string;
  /** The list's own address. */
  readonly sub: string;
  /** Unix seconds. */
  readonly iat: number;
  readonly exp: number;
  /** Seconds. */
  readonly ttl: number;
  readonly status_list: { readonly bits: 1; readonly lst: string };
}

/**
 * base64url without padding (RFC 7515 §2), strict: one octet string has exactly one spelling.
 *
 * A lenient decoder skips what it does not know, folds `+/` and foreign code points, and drops unused trailing bits, so
 * that many texts mean one token. Here a text that is not the encoding of what it decodes to is refused (RFC 4648 §3.5).
 */
import { TOKEN_MAX } from "./limits.ts";
import { hasBuffer } from "./runtime.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const INVALID = 0xff;

/** Code unit → six bits; everything that is not in the alphabet is INVALID. */
const SEXTETS = new Uint8Array(256).fill(INVALID);
for (const [value, letter] of [...ALPHABET].entries()) SEXTETS[letter.charCodeAt(0)] = value;

/** The octets that `text` is the canonical base64url of, or null. */
export function decodeBase64url(text: string): Uint8Array | null {
  if (!hasBuffer) return decodePortably(text);
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : null;
}

/**
 * `decodeBase64url` without an allocation: the octets are good until the next call, for work that is synchronous and keeps
 * nothing of them. What is canonical is decided without encoding again, at a third of the cost.
 */
export function borrowBase64url(text: string): Uint8Array | null {
  if (scratch === null || text.length > TOKEN_MAX) return decodeBase64url(text);
  const length = scratch.write(text, "base64url");
  return isCanonical(text, length) ? scratch.subarray(0, length) : null;
}

/**
 * Is the text the one spelling of the `written` octets that Node's lenient decoder made of it? A letter that it skipped is
 * missing among the octets (⌊6(n−1)/8⌋ < ⌊6n/8⌋ but for n = 4k+1, which is no length); what it takes beside the alphabet is
 * `+`, `/` and, folded into a letter, what is not ASCII; and the last letter may carry bits that went nowhere.
 */
function isCanonical(text: string, written: number): boolean {
  const { length } = text;
  const rest = length % 4;
  if (rest === 1 || written !== (length * 3) >> 2) return false;
  if (text.includes("+") || text.includes("/") || Buffer.byteLength(text) !== length) return false;
  if (rest === 0) return true;
  const last = SEXTETS[text.charCodeAt(length - 1)] ?? INVALID;
  return (last & (rest === 2 ? 0b1111 : 0b11)) === 0;
}

const scratch = hasBuffer ? Buffer.alloc(TOKEN_MAX) : null;

/** The base64url text of octets, without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  if (!hasBuffer) return encodePortably(bytes);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

/** `decodeBase64url` for runtimes without `Buffer`. */
export function decodePortably(text: string): Uint8Array | null {
  const rest = text.length % 4;
  if (rest === 1) return null;
  const bytes = new Uint8Array((text.length >> 2) * 3 + (rest === 0 ? 0 : rest - 1));
  let written = 0;
  let pool = 0;
  let bits = 0;
  for (let index = 0; index < text.length; index++) {
    const sextet = SEXTETS[text.charCodeAt(index)] ?? INVALID;
    if (sextet === INVALID) return null;
    pool = ((pool << 6) | sextet) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[written++] = pool >> bits;
    }
  }
  const unused = pool & ((1 << bits) - 1);
  return unused === 0 ? bytes : null;
}

/** `encodeBase64url` for runtimes without `Buffer`. */
export function encodePortably(bytes: Uint8Array): string {
  let text = "";
  let pool = 0;
  let bits = 0;
  for (const byte of bytes) {
    pool = ((pool << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 6) {
      bits -= 6;
      text += ALPHABET.charAt((pool >> bits) & 63);
    }
  }
  return bits === 0 ? text : text + ALPHABET.charAt((pool << (6 - bits)) & 63);
}

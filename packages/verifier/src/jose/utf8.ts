/**
 * UTF-8 that must be valid (RFC 7515 §4, RFC 7519 §7.2): a lenient decoder maps many octet strings to U+FFFD, and so two
 * different subjects to one.
 */
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text, or null when the octets are not valid UTF-8. A byte order mark is kept, so that JSON refuses it. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

/** The spellings of bytes in password hashes. One text per byte string: what does not encode back is refused. */

/** Base64 of RFC 4648 §4; `padded` as Django writes it, or without as PHC strings do. */
export function fromBase64(text: string, padding: "padded" | "unpadded" = "unpadded"): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  const again = bytes.toString("base64");
  return (padding === "padded" ? again : again.replace(/=+$/, "")) === text ? bytes : undefined;
}

/** The alphabet of passlib's PBKDF2 hashes: a dot where Base64 has a plus, no padding. */
export function fromDottedBase64(text: string): Buffer | undefined {
  return text.includes("+") ? undefined : fromBase64(text.replaceAll(".", "+"));
}

/** Lower-case hexadecimal. */
export function fromHex(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "hex");
  return bytes.toString("hex") === text ? bytes : undefined;
}

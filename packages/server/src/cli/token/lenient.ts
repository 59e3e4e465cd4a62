/** Reads what nobody has verified, as leniently as a curious person would. Nothing that decides anything uses this. */

type Json = Readonly<Record<string, unknown>>;

/** The JSON object in a part, however its base64url is spelt; `null` where there is none. */
export function unverifiedObject(part: string): Json | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
  } catch {
    return null;
  }
}

/** The claims of a token that nobody has verified; `null` where there are none to read. */
export function unverifiedClaims(text: string): Json | null {
  const parts = text.split(".");
  return parts.length === 3 ? unverifiedObject(parts[1] ?? "") : null;
}

/** The header of a token that nobody has verified. */
export function unverifiedHeader(text: string): Json | null {
  return unverifiedObject(text.split(".")[0] ?? "");
}

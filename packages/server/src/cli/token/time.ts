/** Times in tokens (RFC 7519 §2, NumericDate). */

/** Unix milliseconds, where the value is a number that a calendar has. */
export function timeOf(value: unknown): number | null {
  if (typeof value !== "number" || !Number.isFinite(value * 1000)) return null;
  return Math.abs(value * 1000) <= 8.64e15 ? value * 1000 : null;
}

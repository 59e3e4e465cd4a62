/**
 * Copies plain data deeply, bytes included, so that what a caller holds and what the store holds are never the same
 * object. (`structuredClone` would turn every `Buffer` into a bare `Uint8Array`.)
 */
export function copy<T>(value: T): T {
  return copyOf(value) as T;
}

function copyOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return ownBytes(value);
  if (Array.isArray(value)) return value.map(copyOf);
  const fields: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) fields[name] = copyOf(field);
  return fields;
}

/** Outside of Node's pool: of a few bytes that are kept for hours, each would keep a whole piece of the pool with it. */
function ownBytes(bytes: Uint8Array): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.byteLength);
  own.set(bytes);
  return own;
}

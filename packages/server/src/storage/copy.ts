/**
 * Copies plain data deeply, bytes included, so that what a caller holds and what the store holds are never the same
 * object. (`structuredClone` would turn every `Buffer` into a bare `Uint8Array`.)
 */
export function copy<T>(value: T): T {
  return copyOf(value) as T;
}

function copyOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(copyOf);
  const fields: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) fields[name] = copyOf(field);
  return fields;
}

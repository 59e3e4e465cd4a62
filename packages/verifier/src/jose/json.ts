/**
 * JSON objects, read strictly: no member twice at any depth, no `__proto__`, bounded depth, well-formed strings.
 *
 * Two parsers that disagree about `{"sub":"a","sub":"b"}` are an attack (RFC 8725 §2.4, RFC 7519 §4). `JSON.parse` keeps the
 * last of the two in silence, so the text is counted: a scan counts the members that were written, and a walk the members
 * that survived. Where the numbers differ, one was written twice, however it was escaped.
 */

/** A parsed JSON object. */
export interface JsonObject {
  readonly [member: string]: unknown;
}

/** Deepest nesting of objects and arrays, the outermost object included. */
const MAX_DEPTH = 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/** The object that `text` is, or null when it is none or is ambiguous. Never throws. */
export function parseJsonObject(text: string): JsonObject | null {
  const written = countWrittenMembers(text);
  if (written < 0) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isJsonObject(value)) return null;
  // A lone surrogate can be written only as an escape, since the text came from valid UTF-8 (RFC 8259 §8.2).
  const escapes = text.includes("\\");
  return countMembers(value, escapes) === written ? value : null;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Members written in a JSON text; −1 where it nests too deep. Says nothing useful about a text that is not JSON. */
function countWrittenMembers(text: string): number {
  const end = text.length;
  let members = 0;
  let depth = 0;
  for (let at = 0; at < end; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) {
      for (at++; at < end; at++) {
        const inner = text.charCodeAt(at);
        if (inner === QUOTE) break;
        if (inner === BACKSLASH) at++;
      }
    } else if (unit === COLON) {
      members++;
    } else if (unit === 0x7b || unit === 0x5b) {
      if (++depth > MAX_DEPTH) return -1;
    } else if (unit === 0x7d || unit === 0x5d) {
      depth--;
    }
  }
  return members;
}

/** Members in a parsed value; NaN, which equals nothing, where a name or a string is not allowed. */
function countMembers(value: object, escapes: boolean): number {
  if (Array.isArray(value)) {
    let members = 0;
    for (const element of value) members += countWithin(element, escapes);
    return members;
  }
  let members = 0;
  for (const [name, member] of Object.entries(value)) {
    if (name === "__proto__" || (escapes && !name.isWellFormed())) return Number.NaN;
    members += 1 + countWithin(member, escapes);
  }
  return members;
}

function countWithin(value: unknown, escapes: boolean): number {
  if (typeof value === "object" && value !== null) return countMembers(value, escapes);
  if (escapes && typeof value === "string" && !value.isWellFormed()) return Number.NaN;
  return 0;
}

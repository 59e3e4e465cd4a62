/**
 * JSON objects, read strictly: valid UTF-8, no member twice at any depth, no `__proto__`, bounded depth, well-formed strings.
 *
 * Two parsers that disagree about `{"sub":"a","sub":"b"}` are an attack (RFC 8725 §2.4, RFC 7519 §4). `JSON.parse` keeps the
 * last of the two in silence, so members are counted twice: as they were written, and as they survived. Where the numbers
 * differ, one was written twice, however it was escaped.
 */
import { decodeUtf8 } from "./utf8.ts";

/** A parsed JSON object. */
export interface JsonObject {
  readonly [member: string]: unknown;
}

/** Deepest nesting of objects and arrays, the outermost object included. */
export const DEPTH_MAX = 16;

const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** The object that the octets spell; null when it is none or is ambiguous. Never throws. */
export function parseJsonObject(octets: Uint8Array): JsonObject | null {
  const written = countWritten(octets);
  if (written < 0) return null;
  const text = decodeUtf8(octets);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isJsonObject(value)) return null;
  // In valid UTF-8 a lone surrogate can be written only as an escape (RFC 8259 §8.2).
  return countParsed(value, text.includes("\\")) === written ? value : null;
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Members written in a JSON text, by their colons; −1 where it nests too deep. Says nothing of octets that are not JSON. */
function countWritten(octets: Uint8Array): number {
  const end = octets.length;
  let members = 0;
  let depth = 0;
  for (let at = 0; at < end; at++) {
    const octet = octets[at];
    if (octet === QUOTE) {
      let inner = octets[++at];
      while (inner !== QUOTE && inner !== undefined) {
        if (inner === BACKSLASH) at++;
        inner = octets[++at];
      }
    } else if (octet === COLON) {
      members++;
    } else if (octet === OPEN_BRACE || octet === OPEN_BRACKET) {
      if (++depth > DEPTH_MAX) return -1;
    } else if (octet === CLOSE_BRACE || octet === CLOSE_BRACKET) {
      depth--;
    }
  }
  return members;
}

/** Members in a parsed object or list; NaN, which equals nothing, where a name or a string is not allowed. */
function countParsed(value: object, escapes: boolean): number {
  const isList = Array.isArray(value);
  const members: readonly unknown[] = isList ? value : Object.values(value);
  let count = isList ? 0 : members.length;
  for (let index = 0; index < members.length; index++) {
    const member = members[index];
    if (typeof member === "object" && member !== null) count += countParsed(member, escapes);
    else if (escapes && typeof member === "string" && !member.isWellFormed()) return Number.NaN;
  }
  return isList || hasPlainNames(value, escapes) ? count : Number.NaN;
}

function hasPlainNames(object: object, escapes: boolean): boolean {
  if (Object.hasOwn(object, "__proto__")) return false;
  return !escapes || Object.keys(object).every((name) => name.isWellFormed());
}

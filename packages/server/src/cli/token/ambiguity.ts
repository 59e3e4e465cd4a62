/** Whether a part of a token can be read in one way only: valid UTF-8, and no member twice (RFC 7519 §4, RFC 8725 §2.4). */
import { decodeBase64url } from "@mapae/verifier/jose";

/** A string, or a mark of structure. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;

/** True for what is no JSON object, of which other remarks tell. */
export function isUnambiguous(part: string): boolean {
  const octets = decodeBase64url(part);
  if (octets === null) return true;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
    JSON.parse(text);
  } catch (error) {
    return error instanceof SyntaxError;
  }
  return !hasDuplicates(text);
}

/** Of a text that is JSON. */
function hasDuplicates(text: string): boolean {
  const open: (Set<string> | null)[] = [];
  let last = "";
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (token === ":") {
      const names = open.at(-1);
      const name: unknown = JSON.parse(last);
      if (names?.has(String(name))) return true;
      names?.add(String(name));
    }
    last = token;
  }
  return false;
}

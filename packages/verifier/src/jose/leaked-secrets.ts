/**
 * Secrets that are public: from tutorials, examples and repositories, collected by Wallarm. A token signed with one of them
 * can be forged by anyone who owns the list.
 *
 * The list ships as a string of 48-bit prefixes of SHA-256, and is taken apart when the first secret is bound. A random
 * secret is refused by mistake once in 10^11.
 */
import { encodeBase64url } from "./base64url.ts";
import { LEAKED } from "./leaked-secrets.table.ts";

const RECORD_BYTES = 6;

let prefixes: ReadonlySet<string> | undefined;

/** Is the secret with this SHA-256 digest on the list? */
export function isLeakedSecret(digest: Uint8Array): boolean {
  prefixes ??= new Set(LEAKED.replaceAll("\n", "").match(/.{8}/g));
  return prefixes.has(encodeBase64url(digest.subarray(0, RECORD_BYTES)));
}

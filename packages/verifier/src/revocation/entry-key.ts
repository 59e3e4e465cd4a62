/**
 * The key of an entry: 128 bits that stand for what is revoked.
 *
 *   first 16 octets of HMAC-SHA-256( feed key,  kind octet ‖ issuer ‖ 0x00 ‖ value )        value: UTF-8; "" for `all`
 *
 * A keyed hash, so that whoever sees an entry learns no subject from it, and nobody without the feed key can look for two
 * values that meet.
 */
import { hmacOver, type Mac } from "../jose/hmac.ts";
import { nodeCrypto } from "../jose/runtime.ts";
import { KEY_BYTES, REVOCATION_KINDS, type RevocationKind } from "./entry.ts";

/** The key of one value of a kind, as a string of one character per octet (the whole MAC: the key is its beginning). */
export type MacOf = (kind: RevocationKind, value: string) => string;

/** Makes the keys of an issuer's entries. @throws TypeError on a runtime without node:crypto */
export function entryKeys(feedKey: Uint8Array, issuer: string): (kind: RevocationKind, value: string) => Uint8Array {
  const macOf = macsNow(feedKey, issuer);
  if (macOf === null) throw new TypeError("This runtime has no node:crypto; use entryKeyLater.");
  return (kind, value) => {
    const mac = macOf(kind, value);
    return Uint8Array.from({ length: KEY_BYTES }, (_, at) => mac.charCodeAt(at));
  };
}

/** `entryKeys` by WebCrypto. */
export async function entryKeyLater(
  feedKey: Uint8Array,
  issuer: string,
  kind: RevocationKind,
  value: string,
): Promise<Uint8Array> {
  const mac = await macsLater(feedKey, issuer)(kind, value);
  return Uint8Array.from({ length: KEY_BYTES }, (_, at) => mac.charCodeAt(at));
}

/** MACs at once; null where there is no node:crypto. */
export function macsNow(feedKey: Uint8Array, issuer: string): MacOf | null {
  const crypto = nodeCrypto;
  if (crypto === null) return null;
  /** By kind, with the last one made: one client and one signing key after the other are mostly the same. */
  const made = new Map<RevocationKind, { readonly mac: Mac; value: string; text: string }>();
  return (kind, value) => {
    let last = made.get(kind);
    if (last === undefined) {
      const mac = hmacOver(crypto, feedKey, "sha256", prefixOf(kind, issuer));
      last = { mac, value, text: mac(value, "utf8") };
      made.set(kind, last);
    }
    if (last.value !== value) {
      last.text = last.mac(value, "utf8");
      last.value = value;
    }
    return last.text;
  };
}

/** MACs by WebCrypto. */
export function macsLater(
  feedKey: Uint8Array,
  issuer: string,
): (kind: RevocationKind, value: string) => Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const importing = crypto.subtle.importKey("raw", Uint8Array.from(feedKey), algorithm, false, ["sign"]);
  return async (kind, value) => {
    const prefix = prefixOf(kind, issuer);
    const text = utf8.encode(value);
    const whole = new Uint8Array(prefix.length + text.length);
    whole.set(prefix);
    whole.set(text, prefix.length);
    return String.fromCharCode(...new Uint8Array(await crypto.subtle.sign("HMAC", await importing, whole)));
  };
}

const utf8 = new TextEncoder();

function prefixOf(kind: RevocationKind, issuer: string): Uint8Array {
  return Uint8Array.from([REVOCATION_KINDS[kind].octet, ...utf8.encode(issuer), 0]);
}

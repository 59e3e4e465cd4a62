/**
 * Reads a text that the issuer signed with one of its published keys and that is no access token: a checkpoint of the
 * feed. The same keys and the same rules as for tokens, and the answer says whose fault a no is.
 */
import type { Engine } from "./engine.ts";
import { type JsonObject, parseJsonObject } from "./jose/json.ts";
import { decodePayload, parseJws } from "./jose/jws.ts";
import type { KeySupply } from "./jwks.ts";
import type { KeyFacts } from "./keyset.ts";

export interface SignedText {
  readonly payload: JsonObject;
  /** Of the key that verified it; null for one without a name. */
  readonly kid: string | null;
}

export async function readSigned<Key extends KeyFacts>(
  text: string,
  mediaType: string,
  engine: Engine<Key>,
  supply: KeySupply<Key>,
): Promise<SignedText | "forged" | "keys_unavailable"> {
  const jws = parseJws(text);
  // A token's type is not a checkpoint's: neither stands in for the other (RFC 8725 §3.11).
  if (!jws.ok || jws.header.mediaType !== mediaType) return "forged";
  let key = supply.current()?.select(jws.header);
  if (key === undefined) {
    await supply.seek();
    key = supply.current()?.select(jws.header);
  }
  if (key === undefined) return supply.reachable() ? "forged" : "keys_unavailable";
  if ((await engine.check(jws, key)) !== null) return "forged";
  const octets = decodePayload(jws);
  const payload = octets === null ? null : parseJsonObject(octets);
  return payload === null ? "forged" : { payload, kid: key.kid ?? null };
}

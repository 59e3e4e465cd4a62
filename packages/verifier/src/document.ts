/**
 * Fetches one small JSON object from the issuer, read strictly. That it cannot be had is an ordinary event, so it is a value.
 */
import { exchange, type Net } from "./exchange.ts";
import { type JsonObject, parseJsonObject } from "./jose/json.ts";

export type FetchedDocument =
  | { readonly ok: true; readonly value: JsonObject; readonly cacheControl: string | null; readonly age: string | null }
  | { readonly ok: false; readonly reason: string; readonly status: number | null };

/** Largest document read: a JWKS of a hundred RSA keys with certificates has some 200 KiB. */
export const DOCUMENT_MAX = 256 * 1024;

/**
 * @param timeout milliseconds for the whole exchange
 * @param stop aborts it
 */
export async function fetchDocument(
  url: string,
  net: Net,
  timeout: number,
  stop: AbortSignal,
): Promise<FetchedDocument> {
  const headers = { accept: "application/json" };
  const answer = await exchange({ url, headers, most: DOCUMENT_MAX, timeout }, net, stop);
  if (!answer.ok) return answer;
  const value = parseJsonObject(answer.octets);
  if (value === null) {
    return { ok: false, reason: "the answer was not a JSON object with unique members", status: null };
  }
  const { headers: given } = answer;
  return { ok: true, value, cacheControl: given.get("cache-control"), age: given.get("age") };
}

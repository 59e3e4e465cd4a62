/**
 * Public keys from an address: "the key on the blog". Whoever can change the answer can be anybody, so the transport is part
 * of the proof: `https:`, and `http:` on this machine only, unless the caller insists.
 */
import { addressFault } from "../address.ts";
import { exchange, type Net } from "../exchange.ts";
import { decodeUtf8 } from "../jose/utf8.ts";
import { KEY_TEXT_MAX } from "./key-text.ts";

export interface FetchOptions {
  /** For the whole exchange, in milliseconds (10,000). */
  readonly timeout?: number;
  /** Takes keys over a connection that anybody on the way can change. */
  readonly dangerouslyAllowHttp?: boolean;
  /** Tests pass their own (`fetch`). */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

export type FetchedKeys =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: string };

const TIMEOUT = 10_000;

/** The text at an address, for `readKeyText`. That it cannot be had is an ordinary event, so it is a value. */
export async function fetchKeyText(url: string, options: FetchOptions = {}): Promise<FetchedKeys> {
  const fault = addressFault(url);
  const allowed = options.dangerouslyAllowHttp === true && URL.canParse(url) && new URL(url).protocol === "http:";
  if (fault !== null && !(allowed && new URL(url).username === ""))
    return { ok: false, reason: `the address ${fault}` };
  const headers = { accept: "application/jwk-set+json, application/json, application/x-pem-file, text/plain;q=0.5" };
  const inquiry = { url, headers, most: KEY_TEXT_MAX, timeout: options.timeout ?? TIMEOUT };
  const answer = await exchange(inquiry, netOf(options), new AbortController().signal);
  if (!answer.ok) return answer;
  const text = decodeUtf8(answer.octets);
  return text === null ? { ok: false, reason: "the answer was not text" } : { ok: true, text };
}

function netOf(options: FetchOptions): Net {
  return {
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    now: Date.now,
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  };
}

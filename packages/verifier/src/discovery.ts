/**
 * Finds an issuer's JWKS through its metadata (RFC 8414, and OpenID Connect Discovery 1.0 for issuers that have only that).
 * A document that names another issuer is refused (RFC 8414 §3.3): otherwise one tenant of a host could speak for another.
 */
import { addressFault } from "./address.ts";
import { fetchDocument } from "./document.ts";
import type { Net } from "./exchange.ts";

export type Discovered =
  | { readonly ok: true; readonly jwksUri: string }
  | { readonly ok: false; readonly reason: string };

/** The two places where an issuer's metadata can be, in the order in which they are asked. */
export function metadataUrls(issuer: string): readonly string[] {
  const url = new URL(issuer);
  const path = url.pathname === "/" ? "" : url.pathname.replace(/\/$/, "");
  return [
    // RFC 8414 §3: between the host and the path.
    `${url.origin}/.well-known/oauth-authorization-server${path}`,
    // OpenID Connect Discovery 1.0 §4: after the path.
    `${url.origin}${path}/.well-known/openid-configuration`,
  ];
}

/** @param timeout milliseconds for each document */
export async function discoverJwksUri(
  issuer: string,
  net: Net,
  timeout: number,
  stop: AbortSignal,
): Promise<Discovered> {
  let reason = "";
  for (const url of metadataUrls(issuer)) {
    const document = await fetchDocument(url, net, timeout, stop);
    if (!document.ok) {
      reason = `${url}: ${document.reason}`;
      // Only an issuer that answers "there is no such document" is asked at the other place.
      if (document.status === null || document.status >= 500) break;
      continue;
    }
    const { issuer: named, jwks_uri: jwksUri } = document.value;
    if (named !== issuer) return { ok: false, reason: `${url}: it names another issuer than the one configured` };
    if (typeof jwksUri !== "string") return { ok: false, reason: `${url}: it has no jwks_uri` };
    const fault = addressFault(jwksUri);
    if (fault !== null) return { ok: false, reason: `${url}: its jwks_uri ${fault}` };
    // RFC 8414 §2: jwks_uri is https; loopback without TLS is for an issuer that is itself there.
    if (issuer.startsWith("https:") && !jwksUri.startsWith("https:")) {
      return { ok: false, reason: `${url}: its jwks_uri must be an https: URL.` };
    }
    return { ok: true, jwksUri };
  }
  return { ok: false, reason };
}

/** What verifiers need to find: the keys (RFC 7517) and the metadata (RFC 8414). It lists what exists, nothing else. */
import type { Keyring } from "../../keys/keyring.ts";
import { LISTS_PATH } from "../../status/slot.ts";
import { json, type Reply } from "../reply.ts";
import { open, type Route } from "../route.ts";

/** How long a verifier may keep the key set: far less than a key is published before it signs. */
export const JWKS_MAX_AGE_SECONDS = 300;

/** Of what anyone may read and keep for a while. */
export const CACHED = {
  "cache-control": `public, max-age=${JWKS_MAX_AGE_SECONDS}`,
  "access-control-allow-origin": "*",
};

/** @param listed whether tokens name status lists */
export function discoveryRoutes(keyring: Keyring, issuer: string, listed: boolean): readonly Route[] {
  const metadata = async (): Promise<Reply> =>
    json(
      200,
      {
        issuer,
        jwks_uri: `${issuer}/.well-known/jwks.json`,
        // Resource servers alone are clients with a secret here; public ones may revoke by their id.
        revocation_endpoint: `${issuer}/oauth2/revoke`,
        revocation_endpoint_auth_methods_supported: ["client_secret_basic", "none"],
        introspection_endpoint: `${issuer}/oauth2/introspect`,
        introspection_endpoint_auth_methods_supported: ["client_secret_basic"],
        // draft-ietf-oauth-status-list-21 §9.1
        ...(listed ? { status_list_aggregation_endpoint: `${issuer}${LISTS_PATH}` } : {}),
        service_documentation: `${issuer}/docs`,
        scopes_supported: ["account"],
        response_types_supported: [],
        grant_types_supported: [],
      },
      CACHED,
    );
  const document = (path: string, summary: string): Route =>
    open(
      {
        method: "GET",
        path,
        inserted: true,
        group: "Discovery",
        summary,
        answer: { status: 200, schema: null, says: "Metadata (RFC 8414)." },
      },
      metadata,
    );
  return [
    open(
      {
        method: "GET",
        path: "/.well-known/jwks.json",
        group: "Discovery",
        summary: "The public keys",
        answer: { status: 200, schema: null, says: "A JWK Set (RFC 7517): keys that sign, will sign, or have signed." },
      },
      async () => json(200, keyring.jwks(), CACHED),
    ),
    document("/.well-known/oauth-authorization-server", "Authorization server metadata"),
    document("/.well-known/openid-configuration", "The same, where OpenID Connect clients look"),
  ];
}

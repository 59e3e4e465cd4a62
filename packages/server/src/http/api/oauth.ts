/** `/oauth2/revoke` (RFC 7009) and `/oauth2/introspect` (RFC 7662). */
import { z } from "zod";
import type { Verifiers } from "../../feed/verifiers.ts";
import type { Introspect } from "../../oauth/introspect.ts";
import type { Revoker, RevokeToken } from "../../oauth/revoke.ts";
import type { Throttle } from "../../throttle/throttle.ts";
import { readBasic } from "../basic.ts";
import type { HeaderReader } from "../incoming.ts";
import { oauthError } from "../oauth-error.ts";
import { problem } from "../problem.ts";
import { json, type Reply } from "../reply.ts";
import { following, open, type Route } from "../route.ts";
import { id, token } from "./fields.ts";

/** RFC 7009 §2.1, RFC 7662 §2.1: a hint and no more; unknown parameters are ignored (RFC 6749 §3.2). */
const hint = z.string().max(200).optional();
/** What is more than N is cut down to it. */
const leaseMs = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const done: Reply["headers"] = { "cache-control": "no-store" };

export interface OAuthServices {
  readonly introspect: Introspect;
  readonly revokeToken: RevokeToken;
  readonly verifiers: Verifiers;
  readonly throttle: Throttle;
}

export function oauthRoutes({ introspect, revokeToken, verifiers, throttle }: OAuthServices): readonly Route[] {
  /** A resource server by its secret, or a public client by its id alone. */
  const revokerOf = async (headers: HeaderReader, clientId: string | undefined): Promise<Revoker | null> => {
    const authorization = headers.get("authorization");
    if (authorization === null) return clientId === undefined ? null : revokeToken.publicClient(clientId);
    const given = readBasic(authorization);
    // Two ways of saying who one is, in one request (RFC 6749 §2.3).
    if (given === null || (clientId !== undefined && clientId !== given.id)) return null;
    const verifier = await verifiers.authenticate({ clientId: given.id, clientSecret: given.secret });
    return verifier === null ? null : { kind: "resource_server", verifier };
  };
  return [
    {
      ...following(
        {
          method: "POST",
          path: "/oauth2/introspect",
          group: "OAuth",
          summary: "Ask about a token (RFC 7662)",
          body: z.object({
            token,
            token_type_hint: hint,
            lease_ms: leaseMs
              .optional()
              .describe("a verifier will act on the answer for so long; a confirmation waits for that"),
          }),
          answer: {
            status: 200,
            schema: z.looseObject({ active: z.boolean() }),
            says: "Whether it is active, read from the log itself; with its claims if it is.",
          },
        },
        async ({ body }, verifier) => json(200, await introspect(body.token, verifier, body.lease_ms ?? null)),
      ),
      style: "oauth",
    },
    {
      ...open(
        {
          method: "POST",
          path: "/oauth2/revoke",
          group: "OAuth",
          summary: "Take a token back by showing it (RFC 7009)",
          body: z.object({ token, token_type_hint: hint, client_id: id.optional() }),
          answer: { status: 200, schema: null, says: "It is revoked, or there was nothing to revoke." },
          problems: ["invalid_client", "rate_limited"],
        },
        async ({ body, headers, cause }) => {
          const revoker = await revokerOf(headers, body.client_id);
          if (revoker === null) return problem("invalid_client");
          const client = revoker.kind === "public" ? revoker.client : revoker.verifier.client;
          // A public client has no secret: what counts there is who holds the token, so it is the address that is limited.
          const by = revoker.kind === "public" ? `${client} ${cause.address}` : client;
          const admission = await throttle.admit("revocations_of_client", by);
          if (!admission.allowed) return problem("rate_limited", { retryAfter: admission.retryAfter });
          admission.permit.keep();
          const actor = revoker.kind === "public" ? cause.actor : ({ kind: "client", id: client } as const);
          const outcome = await revokeToken(body.token, revoker, { ...cause, actor });
          if (outcome === "issued_to_another") return oauthError(400, "invalid_grant");
          if (outcome === "unreadable") return oauthError(400, "unsupported_token_type");
          return { status: 200, headers: { ...done }, cookies: [], body: null };
        },
      ),
      style: "oauth",
    },
  ];
}

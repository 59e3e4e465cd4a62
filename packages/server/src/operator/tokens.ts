/**
 * An access token made by hand, to try a resource server with. It is a real one: signed by the keyring, of a real user
 * with that user's roles, no longer alive than any other, and in the audit. It has no session, so this server's own API
 * never takes it (http/authenticate.ts asks for `sid`); disabling the user or revoking the key ends it.
 */

import { signJws } from "@mapae/verifier/jose";
import { z } from "zod";
import { draft } from "../audit/event.ts";
import { DEFAULT_CLIENT } from "../clients/client.ts";
import { scope } from "../http/api/fields.ts";
import { tokenSchema } from "../http/api/views.ts";
import { problem } from "../http/problem.ts";
import { json, type Reply } from "../http/reply.ts";
import { operational, type Route } from "../http/route.ts";
import type { Keyring } from "../keys/keyring.ts";
import type { World } from "../prelude/world.ts";
import type { Storage } from "../storage/storage.ts";
import { ACCESS_TOKEN_TYPE } from "../tokens/access-token.ts";
import type { Encrypt } from "../tokens/encryption.ts";
import { findUser } from "./users.ts";

export const signedTokenSchema = tokenSchema.omit({ refresh_token: true }).extend({ jti: z.string(), sub: z.string() });

function invalid(pointer: string, detail: string): Reply {
  return problem("validation_failed", { members: { faults: [{ pointer, detail }] } });
}

export function tokenRoute(
  services: {
    readonly storage: Storage;
    readonly keyring: Keyring;
    readonly world: World;
    readonly issuer: string;
    readonly audience: string;
    readonly encrypt: Encrypt;
  },
  /** The longest life, in milliseconds: what resource servers were told that no token exceeds. */
  longestMs: number,
): Route {
  const { storage, keyring, world, issuer } = services;
  return operational(
    {
      method: "POST",
      path: "/v1/operator/tokens",
      group: "Operator",
      summary: "Sign an access token by hand",
      body: z.strictObject({
        user: z.string().min(1).max(400),
        audience: z.string().min(1).max(500).optional(),
        scope: scope.optional(),
        ttl: z.number().int().min(1).optional().describe("seconds"),
      }),
      answer: { status: 201, schema: signedTokenSchema, says: "The token." },
      problems: ["not_found", "conflict"],
    },
    async ({ body, cause }) => {
      const audience = body.audience ?? services.audience;
      // What opens the admin API comes out of a log-in only, and under a session that can be ended.
      if (audience === `${issuer}/admin`) return invalid("/audience", "is the admin API's: log in for such a token");
      const ttl = body.ttl ?? longestMs / 1000;
      if (ttl > longestMs / 1000) {
        return invalid(
          "/ttl",
          `is more than ${longestMs / 1000} seconds (MAPAE_ACCESS_TTL), the longest that any token may live`,
        );
      }
      // Read before the user, so that whatever ends the user's tokens afterwards has a later position (REVOCATION §3).
      const { epoch, seq } = storage.revocation.head();
      const user = await findUser(storage.users, body.user);
      if (user === undefined || user.state === "deleted")
        return problem("not_found", { detail: "There is no such user." });
      if (user.state !== "active") return problem("conflict", { detail: "The user is disabled." });
      const now = Math.floor(world.clock.now() / 1000);
      const exp = now + Math.floor(ttl);
      const jti = world.random.bytes(16).toString("base64url");
      const claims = {
        iss: issuer,
        sub: user.id,
        aud: audience,
        exp,
        iat: now,
        jti,
        client_id: DEFAULT_CLIENT,
        rsq: [epoch, seq],
        ...(body.scope === undefined ? {} : { scope: body.scope }),
        ...(user.roles.length > 0 ? { roles: [...user.roles] } : {}),
      };
      const key = await keyring.signer(exp);
      const signed = signJws({ typ: ACCESS_TOKEN_TYPE }, claims, key);
      // As the resource server gets them, where it has registered keys.
      const recipient = audience === services.audience ? null : await storage.clients.keysFor(audience);
      const token = await services.encrypt(signed, recipient ?? null);
      // Told before it is handed out: no token leaves unseen.
      const detail = { jti, audience, seconds: exp - now, scope: body.scope ?? "" };
      await storage.audit.append([draft("token.signed", cause, { user: user.id }, detail)]);
      return json(201, {
        access_token: token,
        token_type: "Bearer",
        expires_in: exp - now,
        ...(body.scope === undefined ? {} : { scope: body.scope }),
        jti,
        sub: user.id,
      });
    },
  );
}

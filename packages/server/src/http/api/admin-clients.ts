/** `/v1/admin/clients`: the apps that users sign in with, and the resource servers that honour tokens. */
import { z } from "zod";
import type { ClientAction } from "../../admin/clients.ts";
import { CLIENT_KINDS, type Client, type ClientKind } from "../../clients/client.ts";
import type { ClientStore } from "../../clients/store.ts";
import { asId } from "../../prelude/ids.ts";
import { problem } from "../problem.ts";
import { json, noContent } from "../reply.ts";
import { administrative, type Route } from "../route.ts";
import { page, scope } from "./fields.ts";
import { time } from "./views.ts";

const kinds = Object.keys(CLIENT_KINDS) as [ClientKind, ...ClientKind[]];

export const clientSchema = z.object({
  id: z.string(),
  kind: z.enum(kinds),
  name: z.string(),
  scope: z.string(),
  audience: z.string().nullable(),
  jwks: z
    .object({ keys: z.array(z.record(z.string(), z.unknown())) })
    .nullable()
    .describe("what it published of its keys: tokens for it are encrypted for the first"),
  created_at: z.iso.datetime(),
});

/** RFC 7517 §5. What stands in a key is judged by the key policy. */
const jwksSchema = z.looseObject({
  keys: z.array(z.record(z.string(), z.union([z.string().max(4096), z.array(z.string().max(100)).max(10)]))).max(20),
});

export const newClientSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "must be lower-case letters, digits and . _ -")
    .optional(),
  kind: z.enum(kinds),
  name: z.string().min(1).max(200),
  scope: scope.optional(),
  audience: z.string().min(1).max(500).optional(),
  jwks: jwksSchema.optional().describe("public keys to encrypt its tokens for (RFC 7591 §2)"),
});

export function clientView(client: Client): z.infer<typeof clientSchema> {
  const { id, kind, name, audience, createdAt } = client;
  const jwks = client.jwks === null ? null : { keys: client.jwks.map((key) => ({ ...key })) };
  return { id, kind, name, scope: client.scope.join(" "), audience, jwks, created_at: time(createdAt) };
}

export function adminClientRoutes(clients: ClientStore, action: ClientAction): readonly Route[] {
  const group = "Administration";
  return [
    administrative(
      {
        method: "GET",
        path: "/v1/admin/clients",
        group,
        summary: "Clients",
        query: z.strictObject(page),
        answer: {
          status: 200,
          schema: z.object({ clients: z.array(clientSchema), next: z.string().nullable() }),
          says: "A page of clients.",
        },
      },
      async ({ query }) => {
        const { items, next } = await clients.list({ limit: query.limit, after: query.after ?? null });
        return json(200, { clients: items.map(clientView), next });
      },
    ),
    administrative(
      {
        method: "POST",
        path: "/v1/admin/clients",
        group,
        summary: "Make a client",
        body: newClientSchema,
        answer: {
          status: 201,
          schema: z.object({
            client: clientSchema,
            client_secret: z.string().optional().describe("told this once, and never again"),
          }),
          says: "The client, and its secret where it has one.",
        },
        problems: ["client_id_taken"],
      },
      async ({ body, cause }) => {
        const made = await action.create(
          {
            id: body.id ?? null,
            kind: body.kind,
            name: body.name,
            scope: body.scope?.split(" ") ?? null,
            audience: body.audience ?? null,
            jwks: body.jwks?.keys ?? null,
          },
          cause,
        );
        if (!made.ok)
          return problem(made.code, made.code === "validation_failed" ? { members: { faults: [made.fault] } } : {});
        const secret = made.secret === null ? {} : { client_secret: made.secret.reveal() };
        return json(201, { client: clientView(made.client), ...secret });
      },
    ),
    administrative(
      {
        method: "PATCH",
        path: "/v1/admin/clients/{id}",
        group,
        summary: "Change what a resource server published of its keys",
        body: z.strictObject({ jwks: jwksSchema.nullable() }),
        answer: {
          status: 200,
          schema: z.object({ client: clientSchema }),
          says: "The client. Tokens are encrypted for its first key from now on; with `null`, signed only.",
        },
        problems: ["not_found"],
      },
      async ({ params, body, cause }) => {
        const id = asId("client", params.id ?? "");
        const published = await action.publish(id, body.jwks?.keys ?? null, cause);
        if (published.ok) return json(200, { client: clientView(published.client) });
        return problem(
          published.code,
          published.code === "validation_failed" ? { members: { faults: [published.fault] } } : {},
        );
      },
    ),
    administrative(
      {
        method: "DELETE",
        path: "/v1/admin/clients/{id}",
        group,
        summary: "Delete a client: its grants end, its tokens are refused",
        answer: { status: 204, schema: null, says: "It is gone." },
        problems: ["not_found", "conflict"],
      },
      async ({ params, cause }) => {
        const refusal = await action.delete(asId("client", params.id ?? ""), cause);
        if (refusal === null) return noContent();
        return problem(refusal, refusal === "conflict" ? { detail: "The server's own client cannot be deleted." } : {});
      },
    ),
  ];
}

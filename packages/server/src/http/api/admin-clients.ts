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
  created_at: z.iso.datetime(),
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
});

export function clientView(client: Client): z.infer<typeof clientSchema> {
  const { id, kind, name, audience } = client;
  return { id, kind, name, scope: client.scope.join(" "), audience, created_at: time(client.createdAt) };
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

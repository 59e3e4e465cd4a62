/** `/v1/admin/audit`: what happened, newest first. */
import { z } from "zod";
import { AUDIT_EVENTS, type AuditEvent, type AuditEventName } from "../../audit/event.ts";
import type { AuditStore } from "../../audit/store.ts";
import { json } from "../reply.ts";
import { administrative, type Route } from "../route.ts";
import { id, numberedPage } from "./fields.ts";
import { time } from "./views.ts";

const names = Object.keys(AUDIT_EVENTS) as [AuditEventName, ...AuditEventName[]];

const eventSchema = z.object({
  id: z.number().int(),
  at: z.iso.datetime(),
  name: z.enum(names),
  says: z.string(),
  actor: z.object({ kind: z.string(), id: z.string().optional() }),
  user_id: z.string().nullable(),
  session_id: z.string().nullable(),
  client_id: z.string().nullable(),
  ip: z.string().nullable(),
  request_id: z.string().nullable(),
  detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

function eventView(event: AuditEvent): z.infer<typeof eventSchema> {
  return {
    id: event.id,
    at: time(event.at),
    name: event.name,
    says: AUDIT_EVENTS[event.name],
    actor: { ...event.cause.actor },
    user_id: event.user,
    session_id: event.session,
    client_id: event.client,
    ip: event.cause.address,
    request_id: event.cause.requestId,
    detail: { ...event.detail },
  };
}

export function adminAuditRoute(audit: AuditStore): Route {
  return administrative(
    {
      method: "GET",
      path: "/v1/admin/audit",
      group: "Administration",
      summary: "The audit log, newest first",
      query: z.strictObject({ ...numberedPage, user: id.optional(), name: z.enum(names).optional() }),
      answer: {
        status: 200,
        schema: z.object({ events: z.array(eventSchema), next: z.string().nullable() }),
        says: "A page of events.",
      },
    },
    async ({ query }) => {
      const filter = {
        ...(query.user === undefined ? {} : { user: query.user }),
        ...(query.name === undefined ? {} : { name: query.name }),
      };
      const { items, next } = await audit.list(filter, { limit: query.limit, after: query.after ?? null });
      return json(200, { events: items.map(eventView), next });
    },
  );
}

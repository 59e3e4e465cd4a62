/** `/v1/admin/ssf/streams`: the event streams that resource servers have made, or that an administrator makes for them. */
import { z } from "zod";
import { asId } from "../../prelude/ids.ts";
import { Secret } from "../../prelude/secret.ts";
import { EVENT_TYPES } from "../../ssf/event.ts";
import type { StreamWish } from "../../ssf/manage.ts";
import {
  DEFAULT_SUBJECTS,
  deliveredEvents,
  MOST_STREAMS,
  MOST_STREAMS_OF_CLIENT,
  NAMINGS,
  STATUSES,
  type Stream,
} from "../../ssf/stream.ts";
import { problem } from "../problem.ts";
import { json, noContent } from "../reply.ts";
import { administrative, type Route } from "../route.ts";
import { id, name, url } from "./fields.ts";
import { invalid } from "./log-in.ts";
import type { SsfOptions } from "./ssf.ts";
import type { StreamServices } from "./ssf-streams.ts";
import { time } from "./views.ts";

const when = z.iso.datetime();

export const streamSchema = z.object({
  id: z.string(),
  client_id: z.string(),
  method: z.enum(["push", "poll"]),
  url: z.string().nullable(),
  events: z.array(z.string()),
  description: z.string().nullable(),
  created_at: when,
  default_subjects: z.enum(DEFAULT_SUBJECTS),
  exceptions: z.number().int().describe("users that are told, or left out, against the default"),
  naming: z.enum(NAMINGS).describe("how users are called: by their id here, or by their email address"),
  status: z.enum(STATUSES),
  status_reason: z.string().nullable(),
  heard_at: when.describe("when its receiver was last heard of, to a minute"),
  failures: z.number().int().describe("attempts to push that failed since the last that did not"),
  failing_since: when.nullable(),
  next_attempt_at: when.nullable(),
  last_failure: z.string().nullable().describe("how the last attempt failed"),
  missed: z.number().int().describe("events that were forgotten before its receiver took them"),
  refused: z.number().int().describe("events that its receiver refused"),
});

export function streamView(stream: Stream): z.infer<typeof streamSchema> {
  const { delivery, failures, failingSince, status } = stream;
  return {
    id: stream.id,
    client_id: stream.client,
    method: delivery.method,
    url: delivery.method === "push" ? delivery.url : null,
    events: deliveredEvents(stream).map((name) => EVENT_TYPES[name]),
    description: stream.description,
    created_at: time(stream.createdAt),
    default_subjects: stream.defaultSubjects,
    exceptions: stream.exceptions,
    naming: stream.naming,
    status,
    status_reason: stream.statusReason,
    heard_at: time(stream.activeAt),
    failures,
    failing_since: failingSince === null ? null : time(failingSince),
    next_attempt_at: failures > 0 && status === "enabled" ? time(stream.nextAttemptAt) : null,
    last_failure: stream.lastFailure,
    missed: stream.missed,
    refused: stream.refused,
  };
}

const one = z.object({ stream: streamSchema });
const words = name.unwrap();
const naming = z
  .enum(NAMINGS)
  .describe("`email` tells the receiver the address of every user that it hears of: personal data");

export function adminSsfRoutes({ streams, streamAction }: StreamServices, { off }: SsfOptions): readonly Route[] {
  const group = "Administration";
  return [
    administrative(
      {
        method: "GET",
        path: "/v1/admin/ssf/streams",
        group,
        summary: "Event streams, with how each is doing",
        answer: { status: 200, schema: z.object({ streams: z.array(streamSchema) }), says: "All of them." },
      },
      async () => json(200, { streams: (await streams.list()).map(streamView) }),
    ),
    administrative(
      {
        method: "POST",
        path: "/v1/admin/ssf/streams",
        group,
        summary: "Make an event stream for a resource server that cannot make it itself",
        body: z.strictObject({
          client_id: id,
          events: z
            .array(z.enum(Object.keys(EVENT_TYPES) as (keyof typeof EVENT_TYPES)[]))
            .min(1)
            .optional(),
          description: words.optional(),
          naming: naming.optional(),
          url: url.optional().describe("where events are pushed to; left out: they are polled"),
          authorization: z
            .string()
            .max(2000)
            .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, "must be the value of an Authorization header")
            .optional()
            .describe("sent as `Authorization` when events are pushed"),
        }),
        answer: { status: 201, schema: one, says: "The stream." },
        problems: ["conflict"],
      },
      async ({ body, cause }) => {
        if (off !== null) return problem("conflict", { detail: off });
        const requested = body.events?.map((name) => EVENT_TYPES[name]) ?? null;
        const { url: place, authorization } = body;
        const credential = authorization === undefined ? null : new Secret(authorization);
        if (place === undefined && credential !== null)
          return invalid("/authorization", "is for events that are pushed");
        const wish: StreamWish = {
          delivery:
            place === undefined ? { method: "poll" } : { method: "push", url: place, authorization: credential },
          requested,
          description: body.description ?? null,
          naming: body.naming ?? "iss_sub",
        };
        const made = await streamAction.create(asId("client", body.client_id), wish, cause);
        if (made.ok) return json(201, { stream: streamView(made.stream) });
        if (made.code === "bad_target") return invalid("/url", made.detail);
        if (made.code === "no_receiver") return invalid("/client_id", "must be the id of a resource server");
        const detail = `There may be ${MOST_STREAMS_OF_CLIENT} streams for one resource server, and ${MOST_STREAMS} in all.`;
        return problem("conflict", { detail });
      },
    ),
    administrative(
      {
        method: "PATCH",
        path: "/v1/admin/ssf/streams/{id}",
        group,
        summary: "Enable, pause or disable a stream, or change how it calls users; its receiver is told",
        body: z.strictObject({
          status: z.enum(STATUSES).optional(),
          reason: words.optional().describe("told to the receiver"),
          naming: naming.optional(),
        }),
        answer: { status: 200, schema: one, says: "The stream as it is now." },
        problems: ["not_found"],
      },
      async ({ params, body, cause }) => {
        const stream = await streams.find(asId("stream", params.id ?? ""));
        if (stream === undefined) return problem("not_found");
        const { status, reason = null } = body;
        const named =
          body.naming === undefined ? null : await streamAction.configure(stream, { naming: body.naming }, cause);
        const moved =
          status === undefined
            ? null
            : await streamAction.setStatus(stream.id, { status, reason, asked: false }, cause);
        const last = moved ?? named ?? { ok: true as const, stream };
        return last.ok ? json(200, { stream: streamView(last.stream) }) : problem("not_found");
      },
    ),
    administrative(
      {
        method: "DELETE",
        path: "/v1/admin/ssf/streams/{id}",
        group,
        summary: "Delete an event stream",
        answer: { status: 204, schema: null, says: "It is gone; nothing more is sent." },
        problems: ["not_found"],
      },
      async ({ params, cause }) => {
        const stream = await streams.find(asId("stream", params.id ?? ""));
        if (stream === undefined || !(await streamAction.delete(stream, cause))) return problem("not_found");
        return noContent();
      },
    ),
  ];
}

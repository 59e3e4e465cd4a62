/**
 * `/ssf/streams`: the configuration of event streams, by the resource server that they are for (SSF 1.0 §8.1.1).
 *
 * Members that this server decides may be sent along, as they were read, and must then be what they are: a receiver that
 * reads, changes and writes back is told when it works on something that has changed.
 */
import { z } from "zod";
import type { Verifier } from "../../feed/verifiers.ts";
import { asId } from "../../prelude/ids.ts";
import { Secret } from "../../prelude/secret.ts";
import { EVENT_TYPES, METHODS } from "../../ssf/event.ts";
import type { DeliveryWish, StreamAction, StreamWish } from "../../ssf/manage.ts";
import type { StreamStore } from "../../ssf/store.ts";
import { deliveredEvents, MOST_STREAMS_OF_CLIENT, type Stream, VERIFICATION_MS } from "../../ssf/stream.ts";
import { problem } from "../problem.ts";
import { json, noContent, type Reply } from "../reply.ts";
import { following, type Route } from "../route.ts";
import { id } from "./fields.ts";
import { invalid } from "./log-in.ts";

const SUPPORTED: readonly string[] = Object.values(EVENT_TYPES);
const DESCRIPTION_LONGEST = 200;

const uri = z.string().min(1).max(500);
const delivery = z.looseObject({
  method: z.string().max(100),
  endpoint_url: uri.optional().describe("for push: where events are sent"),
  // RFC 9110 §5.5: what a field's value may be.
  authorization_header: z
    .string()
    .max(2000)
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, "must be the value of an Authorization header")
    .optional()
    .describe("for push: sent as `Authorization`"),
});
const description = z
  .string()
  .max(2000)
  .refine((text) => text.isWellFormed() && !text.includes("\0"), "must be text")
  .describe(`cut to ${DESCRIPTION_LONGEST} characters`);
const requested = z.array(uri).max(100);
const wishes = {
  delivery: delivery.optional(),
  events_requested: requested.optional(),
  description: description.optional(),
};
/** Decided here; where one is sent, it must be what it is. */
const GIVEN = ["iss", "aud", "events_supported", "events_delivered", "min_verification_interval", "inactivity_timeout"];

export interface StreamServices {
  readonly streams: StreamStore;
  readonly streamAction: StreamAction;
}

export interface StreamOptions {
  readonly issuer: string;
  /** Milliseconds. */
  readonly inactivity: number;
}

/** A stream as its receiver sees it (SSF 1.0 §8.1.1); a credential that it gave is not repeated. */
export function configurationOf(stream: Stream, { issuer, inactivity }: StreamOptions) {
  const { requested: asked, description: words } = stream;
  return {
    stream_id: stream.id,
    iss: issuer,
    aud: stream.client,
    delivery: deliveryView(stream, issuer),
    events_supported: SUPPORTED,
    ...(asked === null ? {} : { events_requested: asked }),
    events_delivered: deliveredEvents(stream).map((name) => EVENT_TYPES[name]),
    ...(words === null ? {} : { description: words }),
    min_verification_interval: VERIFICATION_MS / 1000,
    ...(stream.delivery.method === "poll" ? { inactivity_timeout: inactivity / 1000 } : {}),
  };
}

function deliveryView({ id: stream, delivery: how }: Stream, issuer: string) {
  return how.method === "poll"
    ? { method: METHODS.poll, endpoint_url: `${issuer}/ssf/streams/${stream}/poll` }
    : { method: METHODS.push, endpoint_url: how.url };
}

/** A description as it is kept: one line, cut. */
function cut(text: string): string {
  return [...text.replace(/[\p{Cc}\u2028\u2029]/gu, " ")].slice(0, DESCRIPTION_LONGEST).join("");
}

/** The receiver's own stream; another's is not found. */
export async function ownStream(
  streams: StreamStore,
  named: string,
  { client }: Verifier,
): Promise<Stream | undefined> {
  const stream = await streams.find(asId("stream", named));
  return stream?.client === client ? stream : undefined;
}

type Wished =
  | { readonly ok: true; readonly settings: Partial<StreamWish> }
  | { readonly ok: false; readonly reply: Reply };

/** @param stream the one that is changed; `null`: one is made @param whole whether what is left out is taken away */
function readDelivery(
  wish: z.infer<typeof delivery>,
  stream: Stream | null,
  whole: boolean,
  issuer: string,
): DeliveryWish | Reply {
  const { method, endpoint_url: url, authorization_header: header } = wish;
  if (method === METHODS.push) {
    if (url === undefined) return invalid("/delivery/endpoint_url", "is missing");
    const left = whole ? null : undefined;
    return { method: "push", url, authorization: header === undefined ? left : new Secret(header) };
  }
  if (method !== METHODS.poll) return invalid("/delivery/method", `must be ${METHODS.push} or ${METHODS.poll}`);
  const place = stream === null ? null : deliveryView({ ...stream, delivery: { method: "poll" } }, issuer).endpoint_url;
  if (place !== null && url !== undefined && url !== place) {
    return invalid("/delivery/endpoint_url", "is this server's own");
  }
  return { method: "poll" };
}

/** @param whole whether what is left out goes back to nothing (PUT), or stays (PATCH) */
function readWishes(
  body: {
    delivery?: z.infer<typeof delivery> | undefined;
    events_requested?: string[] | undefined;
    description?: string | undefined;
  },
  stream: Stream | null,
  whole: boolean,
  issuer: string,
): Wished {
  const how = body.delivery === undefined ? undefined : readDelivery(body.delivery, stream, whole, issuer);
  if (how !== undefined && "status" in how) return { ok: false, reply: how };
  if (whole && stream !== null && how === undefined) return { ok: false, reply: invalid("/delivery", "is missing") };
  const nothing = whole ? null : undefined;
  const asked = body.events_requested ?? nothing;
  const words = body.description === undefined ? nothing : cut(body.description);
  return {
    ok: true,
    settings: {
      ...(how === undefined ? {} : { delivery: how }),
      ...(asked === undefined ? {} : { requested: asked }),
      ...(words === undefined ? {} : { description: words }),
    },
  };
}

/** A member that is sent along and is not what it is; `null`: there is none. */
function stray(body: Readonly<Record<string, unknown>>, stream: Stream, options: StreamOptions): Reply | null {
  const current: Readonly<Record<string, unknown>> = configurationOf(stream, options);
  const wrong = GIVEN.find((name) => name in body && JSON.stringify(body[name]) !== JSON.stringify(current[name]));
  return wrong === undefined ? null : invalid(`/${wrong}`, "is not what this server says it is");
}

const badTarget = (detail: string): Reply => invalid("/delivery/endpoint_url", detail);

export function streamRoutes({ streams, streamAction }: StreamServices, options: StreamOptions): readonly Route[] {
  const group = "Shared Signals";
  const path = "/ssf/streams";
  const named = { query: z.strictObject({ stream_id: id }) };
  const says = "The stream's configuration.";

  const change = (method: "PATCH" | "PUT", summary: string): Route =>
    following(
      {
        method,
        path,
        group,
        summary,
        body: z.looseObject({ stream_id: id, ...wishes }),
        answer: { status: 200, schema: null, says },
        problems: ["not_found"],
      },
      async ({ body, cause }, verifier) => {
        const stream = await ownStream(streams, body.stream_id, verifier);
        if (stream === undefined) return problem("not_found");
        const wrong = stray(body, stream, options);
        if (wrong !== null) return wrong;
        const wished = readWishes(body, stream, method === "PUT", options.issuer);
        if (!wished.ok) return wished.reply;
        const changed = await streamAction.configure(stream, wished.settings, cause);
        if (changed.ok) return json(200, configurationOf(changed.stream, options));
        return changed.refusal === "bad_target" ? badTarget(changed.detail) : problem("not_found");
      },
    );

  return [
    following(
      {
        method: "POST",
        path,
        group,
        summary: "Make an event stream for this resource server",
        // Members that nobody knows yet are passed over: a later version of the framework may have them.
        body: z.looseObject(wishes),
        answer: { status: 201, schema: null, says },
        problems: ["conflict", "forbidden"],
      },
      async ({ body, cause }, verifier) => {
        const wished = readWishes(body, null, true, options.issuer);
        if (!wished.ok) return wished.reply;
        // By their ids: more of its users is for an operator to give away.
        const left = { delivery: { method: "poll" }, requested: null, description: null, naming: "iss_sub" } as const;
        const made = await streamAction.create(verifier.client, { ...left, ...wished.settings }, cause);
        if (made.ok) return json(201, configurationOf(made.stream, options));
        if (made.code === "bad_target") return badTarget(made.detail);
        return made.code === "no_receiver"
          ? problem("forbidden")
          : problem("conflict", { detail: `There may be ${MOST_STREAMS_OF_CLIENT} streams for one resource server.` });
      },
    ),
    following(
      {
        method: "GET",
        path,
        group,
        summary: "One stream's configuration, or all of this resource server's",
        query: z.strictObject({ stream_id: id.optional() }),
        answer: { status: 200, schema: null, says: "The configuration; without `stream_id` a list." },
        problems: ["not_found"],
      },
      async ({ query, cause }, verifier) => {
        if (query.stream_id === undefined) {
          const own = (await streams.list()).filter(({ client }) => client === verifier.client);
          return json(
            200,
            own.map((stream) => configurationOf(stream, options)),
          );
        }
        const stream = await ownStream(streams, query.stream_id, verifier);
        if (stream === undefined) return problem("not_found");
        await streamAction.heard(stream, cause);
        return json(200, configurationOf(stream, options));
      },
    ),
    change("PATCH", "Change what is sent of a stream's configuration"),
    change("PUT", "Replace a stream's configuration"),
    following(
      {
        method: "DELETE",
        path,
        group,
        summary: "Delete a stream",
        ...named,
        answer: { status: 204, schema: null, says: "It is gone; nothing more is sent." },
        problems: ["not_found"],
      },
      async ({ query, cause }, verifier) => {
        const stream = await ownStream(streams, query.stream_id, verifier);
        if (stream === undefined || !(await streamAction.delete(stream, cause))) return problem("not_found");
        return noContent();
      },
    ),
  ];
}

/**
 * `/ssf/streams`: the configuration of event streams, by the resource server that they are for (SSF 1.0 §8.1.1).
 *
 * Members that this server decides may be sent along, as they were read, and must then be what they are: a receiver that
 * reads, changes and writes back is told when it works on something that has changed.
 */
import { z } from "zod";
import type { Verifier } from "../../feed/verifiers.ts";
import { asId } from "../../prelude/ids.ts";
import { EVENT_TYPES, METHODS } from "../../ssf/event.ts";
import type { StreamAction } from "../../ssf/manage.ts";
import type { StreamStore } from "../../ssf/store.ts";
import {
  type Delivery,
  deliveredEvents,
  MOST_STREAMS_OF_CLIENT,
  type Stream,
  type StreamSettings,
  VERIFICATION_MS,
} from "../../ssf/stream.ts";
import { problem } from "../problem.ts";
import { json, noContent, type Reply } from "../reply.ts";
import { following, type Route } from "../route.ts";
import { id } from "./fields.ts";
import { invalid } from "./log-in.ts";

const SUPPORTED: readonly string[] = Object.values(EVENT_TYPES);
const DESCRIPTION_LONGEST = 200;

const uri = z.string().min(1).max(500);
const delivery = z.looseObject({ method: z.string().max(100), endpoint_url: z.string().max(500).optional() });
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
  | { readonly ok: true; readonly settings: Partial<StreamSettings> }
  | { readonly ok: false; readonly reply: Reply };

/** @param stream the one that is changed; `null`: one is made */
function readDelivery(wish: z.infer<typeof delivery>, stream: Stream | null, issuer: string): Delivery | Reply {
  if (wish.method !== METHODS.poll) return invalid("/delivery/method", `must be ${METHODS.poll}`);
  const place = stream === null ? null : deliveryView({ ...stream, delivery: { method: "poll" } }, issuer).endpoint_url;
  if (place !== null && wish.endpoint_url !== undefined && wish.endpoint_url !== place) {
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
  const how = body.delivery === undefined ? undefined : readDelivery(body.delivery, stream, issuer);
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
        return changed.ok ? json(200, configurationOf(changed.stream, options)) : problem("not_found");
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
        const { requested: asked = null, description: words = null } = wished.settings;
        // By their ids: more of its users is for an operator to give away.
        const wish = { requested: asked, description: words, naming: "iss_sub" } as const;
        const made = await streamAction.create(verifier.client, wish, cause);
        if (made.ok) return json(201, configurationOf(made.stream, options));
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

/**
 * Shared Signals for their receivers, beside the streams' configuration (ssf-streams.ts): where everything is, a stream's
 * status and subjects, verification, and polling.
 */
import { z } from "zod";
import { asId } from "../../prelude/ids.ts";
import { METHODS } from "../../ssf/event.ts";
import { MOST_EVENTS, type Polls } from "../../ssf/poll.ts";
import { type DefaultSubjects, MOST_EXCEPTIONS, STATUSES, type Stream, VERIFICATION_MS } from "../../ssf/stream.ts";
import { readSubject } from "../../ssf/subject.ts";
import { problem } from "../problem.ts";
import { json, noContent, type Reply } from "../reply.ts";
import { following, open, type Route } from "../route.ts";
import { CACHED } from "./discovery.ts";
import { id } from "./fields.ts";
import { invalid } from "./log-in.ts";
import { ownStream, type StreamOptions, type StreamServices, streamRoutes } from "./ssf-streams.ts";

export interface SsfServices extends StreamServices {
  readonly polls: Polls;
}

export interface SsfOptions extends StreamOptions {
  readonly defaultSubjects: DefaultSubjects;
  /** `null`: Shared Signals are on; otherwise why not, as a sentence. */
  readonly off: string | null;
}

const line = z
  .string()
  .min(1)
  .max(1000)
  .refine((text) => text.isWellFormed() && !text.includes("\0"), "must be text");
const words = line.refine((text) => text.length <= 200, "must be 200 characters at the most");
/** RFC 8936 §2.2. Members that nobody knows yet are passed over, as in the framework's other requests. */
const pollBody = z.looseObject({
  maxEvents: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  returnImmediately: z.boolean().optional(),
  ack: z.array(line).max(1000).optional(),
  setErrs: z.record(line, z.looseObject({ err: line, description: z.string().max(5000).optional() })).optional(),
});
/** What may stand in the audit of an error's name. */
const ERROR_NAME = /^[a-z_]{1,50}$/;

/** What every receiver needs to find (SSF 1.0 §7.1). */
export function ssfConfiguration({ issuer, defaultSubjects }: SsfOptions) {
  return {
    spec_version: "1_0",
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    delivery_methods_supported: [METHODS.push, METHODS.poll],
    configuration_endpoint: `${issuer}/ssf/streams`,
    status_endpoint: `${issuer}/ssf/status`,
    add_subject_endpoint: `${issuer}/ssf/subjects/add`,
    remove_subject_endpoint: `${issuer}/ssf/subjects/remove`,
    verification_endpoint: `${issuer}/ssf/verify`,
    // HTTP Basic (RFC 7617), with the id and secret of a resource server.
    authorization_schemes: [{ spec_urn: "urn:ietf:rfc:7617" }],
    default_subjects: defaultSubjects,
  };
}

function statusView({ id: stream, status, statusReason }: Stream) {
  return { stream_id: stream, status, ...(statusReason === null ? {} : { reason: statusReason }) };
}

export function ssfRoutes(services: SsfServices, options: SsfOptions): readonly Route[] {
  const { streams, streamAction, polls } = services;
  const group = "Shared Signals";
  const off = (): Reply => problem("not_found", { detail: options.off ?? "" });

  const subjectRoute = (way: "add" | "remove", summary: string): Route =>
    following(
      {
        method: "POST",
        path: `/ssf/subjects/${way}`,
        group,
        summary,
        body: z.looseObject({
          stream_id: id,
          subject: z.looseObject({ format: line }),
          verified: z.boolean().optional(),
        }),
        answer: { status: way === "add" ? 200 : 204, schema: null, says: "Done, or it named nobody." },
        problems: ["not_found", "forbidden"],
      },
      async ({ body, cause }, verifier) => {
        const stream = await ownStream(streams, body.stream_id, verifier);
        if (stream === undefined) return problem("not_found");
        const subject = readSubject(body.subject);
        if (subject === null) return invalid("/subject", "is no subject identifier");
        const outcome = await streamAction.tell(stream, subject, way === "add", cause);
        if (outcome === "not_found") return problem("not_found");
        if (outcome === "too_many") {
          return problem("forbidden", { detail: `A stream has at most ${MOST_EXCEPTIONS} subjects of its own.` });
        }
        if (outcome === "unsupported") {
          const says = `can name no user here: iss_sub with ${options.issuer}, email, or a complex one with such a user`;
          return invalid("/subject", says);
        }
        return way === "add"
          ? { status: 200, headers: { "cache-control": "no-store" }, cookies: [], body: null }
          : noContent();
      },
    );

  const routes: readonly Route[] = [
    open(
      {
        method: "GET",
        path: "/.well-known/ssf-configuration",
        inserted: true,
        group,
        summary: "Shared Signals: the transmitter's configuration",
        answer: { status: 200, schema: null, says: "Metadata (SSF 1.0 §7.1)." },
        problems: ["not_found"],
      },
      async () => json(200, ssfConfiguration(options), CACHED),
    ),
    ...streamRoutes(services, options),
    following(
      {
        method: "GET",
        path: "/ssf/status",
        group,
        summary: "Whether a stream is enabled, paused or disabled",
        query: z.strictObject({ stream_id: id }),
        answer: { status: 200, schema: null, says: "Its status, and why." },
        problems: ["not_found"],
      },
      async ({ query, cause }, verifier) => {
        const stream = await ownStream(streams, query.stream_id, verifier);
        if (stream === undefined) return problem("not_found");
        await streamAction.heard(stream, cause);
        return json(200, statusView(stream));
      },
    ),
    following(
      {
        method: "POST",
        path: "/ssf/status",
        group,
        summary: "Enable, pause or disable a stream",
        body: z.looseObject({ stream_id: id, status: z.enum(STATUSES), reason: words.optional() }),
        answer: { status: 200, schema: null, says: "Its status now." },
        problems: ["not_found"],
      },
      async ({ body, cause }, verifier) => {
        const { stream_id: named, status, reason = null } = body;
        const stream = await ownStream(streams, named, verifier);
        if (stream === undefined) return problem("not_found");
        const changed = await streamAction.setStatus(stream.id, { status, reason, asked: true }, cause);
        return changed.ok ? json(200, statusView(changed.stream)) : problem("not_found");
      },
    ),
    subjectRoute("add", "Tell a stream of a subject's events"),
    subjectRoute("remove", "Tell a stream no more of a subject's events"),
    following(
      {
        method: "POST",
        path: "/ssf/verify",
        group,
        summary: "Have a verification event sent over a stream",
        body: z.looseObject({ stream_id: id, state: line.optional() }),
        answer: { status: 204, schema: null, says: "It is on its way." },
        problems: ["not_found", "rate_limited"],
      },
      async ({ body }, verifier) => {
        const stream = await ownStream(streams, body.stream_id, verifier);
        if (stream === undefined) return problem("not_found");
        const changed = await streamAction.verify(stream.id, body.state ?? null);
        if (changed.ok) return noContent();
        if (changed.refusal === "not_found") return problem("not_found");
        return problem("rate_limited", { retryAfter: VERIFICATION_MS / 1000 });
      },
    ),
    following(
      {
        method: "POST",
        path: "/ssf/streams/{id}/poll",
        group,
        summary: "Acknowledge events, and take the next ones (RFC 8936)",
        body: pollBody,
        answer: { status: 200, schema: null, says: "Signed events by their `jti`, and whether there are more." },
        problems: ["not_found"],
      },
      async ({ params, body, cause }, verifier) => {
        const stream = await ownStream(streams, params.id ?? "", verifier);
        if (stream === undefined || stream.delivery.method !== "poll") return problem("not_found");
        const refused = Object.entries(body.setErrs ?? {}).map(([name, { err }]) => ({
          name,
          error: ERROR_NAME.test(err) ? err : "other",
        }));
        const answer = await polls.poll(
          asId("stream", stream.id),
          {
            acknowledged: body.ack ?? [],
            refused,
            limit: Math.min(body.maxEvents ?? MOST_EVENTS, MOST_EVENTS),
            waits: body.returnImmediately !== true,
          },
          cause,
        );
        if (answer === undefined) return problem("not_found");
        const sets = Object.fromEntries(answer.sets.map(({ name, set }) => [name, set]));
        return json(200, answer.more ? { sets, moreAvailable: true } : { sets });
      },
    ),
  ];
  return routes.map((route) => ({
    ...route,
    style: "ssf",
    ...(options.off === null ? {} : { body: null, query: null, access: "anyone", handle: async () => off() }),
  }));
}

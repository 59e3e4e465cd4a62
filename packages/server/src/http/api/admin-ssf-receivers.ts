/** `/v1/admin/ssf/receivers`: other providers whose events become revocations here. */
import { z } from "zod";
import { asId } from "../../prelude/ids.ts";
import { Secret } from "../../prelude/secret.ts";
import type { World } from "../../prelude/world.ts";
import { isSilent, MOST_RECEIVERS, type Receiver } from "../../ssf/receiver.ts";
import type { ReceiverStore } from "../../ssf/receiver-store.ts";
import type { ReceiverAction } from "../../ssf/receivers.ts";
import { problem } from "../problem.ts";
import { json } from "../reply.ts";
import { administrative, type Route } from "../route.ts";
import { id, url } from "./fields.ts";
import { invalid } from "./log-in.ts";
import { time } from "./views.ts";

const when = z.iso.datetime();
const maybe = (ms: number | null): string | null => (ms === null ? null : time(ms));

export const receiverSchema = z.object({
  id: z.string(),
  issuer: z.string(),
  method: z.enum(["push", "poll"]),
  stream_id: z.string(),
  audience: z.array(z.string()),
  state: z.enum(["active", "paused"]),
  domains: z.array(z.string()).describe("of the email addresses by which it may name users; empty: any"),
  disable_accounts: z.boolean(),
  created_at: when,
  heard_at: when.nullable().describe("when the provider last said anything, to a minute"),
  event_at: when.nullable(),
  events: z.number().int().describe("events that were taken"),
  rejected: z.number().int().describe("events that were no good: forged, for others, not as they should be"),
  unmatched: z.number().int().describe("events that were taken and named nobody who is known here"),
  verified_at: when.nullable().describe("when a verification last came back"),
  silent: z.boolean().describe("a verification was asked for and has not come back"),
  stream_status: z.string().nullable().describe("what the provider said of its stream, where it said so"),
  failures: z.number().int(),
  last_failure: z.string().nullable(),
  next_attempt_at: when.nullable(),
});

export function receiverView(receiver: Receiver, now: number): z.infer<typeof receiverSchema> {
  const { stream, failures, state } = receiver;
  return {
    id: receiver.id,
    issuer: receiver.issuer,
    method: stream.pollUrl === null ? "push" : "poll",
    stream_id: stream.id,
    audience: [...stream.audience],
    state,
    domains: [...receiver.domains],
    disable_accounts: receiver.disables,
    created_at: time(receiver.createdAt),
    heard_at: maybe(receiver.heardAt),
    event_at: maybe(receiver.eventAt),
    events: receiver.events,
    rejected: receiver.rejected,
    unmatched: receiver.unmatched,
    verified_at: maybe(receiver.verifiedAt),
    silent: isSilent(receiver, now),
    stream_status: receiver.streamStatus,
    failures,
    last_failure: receiver.lastFailure,
    next_attempt_at: failures > 0 && state === "active" ? time(receiver.nextAttemptAt) : null,
  };
}

const one = z.object({ receiver: receiverSchema });
const domain = z
  .string()
  .max(253)
  .regex(
    /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    "must be a domain, in lower case",
  );
const domains = z.array(domain).max(50);
const told = z.object({
  url: z.string(),
  authorization: z.string().describe("told this once: what the provider must send as `Authorization`"),
});

export interface ReceiverServices {
  readonly receivers: ReceiverStore;
  readonly receiverAction: ReceiverAction;
}

export function adminReceiverRoutes(
  { receivers, receiverAction }: ReceiverServices,
  now: World["clock"]["now"],
): readonly Route[] {
  const group = "Administration";
  const find = (named: string | undefined) => receivers.find(asId("receiver", named ?? ""));
  return [
    administrative(
      {
        method: "GET",
        path: "/v1/admin/ssf/receivers",
        group,
        summary: "Other providers whose events are taken, with when each was last heard of",
        answer: { status: 200, schema: z.object({ receivers: z.array(receiverSchema) }), says: "All of them." },
      },
      async () => json(200, { receivers: (await receivers.list()).map((receiver) => receiverView(receiver, now())) }),
    ),
    administrative(
      {
        method: "POST",
        path: "/v1/admin/ssf/receivers",
        group,
        summary: "Take another provider's events: its stream is made, or one that is there is used",
        body: z.strictObject({
          issuer: url,
          method: z.enum(["push", "poll"]),
          authorization: z
            .string()
            .max(2000)
            .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, "must be the value of an Authorization header")
            .optional()
            .describe("what this server shows to the provider"),
          stream_id: id.optional().describe("a stream that is there already; left out: one is made"),
          poll_url: url.optional().describe("where to poll, of a provider whose streams are managed by hand"),
          audience: id.optional().describe("what its events must be for; left out: as the provider says"),
          domains: domains.optional(),
          disable_accounts: z.boolean().default(false).describe("whether accounts disabled there are disabled here"),
        }),
        answer: {
          status: 201,
          schema: one.extend({ push: told.nullable() }),
          says: "The receiver; `push` is what the provider has to be told by hand.",
        },
        problems: ["conflict"],
      },
      async ({ body, cause }) => {
        const added = await receiverAction.add(
          {
            issuer: body.issuer,
            method: body.method,
            streamId: body.stream_id ?? null,
            pollUrl: body.poll_url ?? null,
            audience: body.audience ?? null,
            credential: body.authorization === undefined ? null : new Secret(body.authorization),
            domains: body.domains ?? [],
            disables: body.disable_accounts,
          },
          cause,
        );
        if (added.ok) {
          const push = added.push && { url: added.push.url, authorization: added.push.authorization.reveal() };
          return json(201, { receiver: receiverView(added.receiver, now()), push });
        }
        return added.code === "conflict"
          ? problem("conflict", { detail: `There are ${MOST_RECEIVERS} already.` })
          : invalid("/issuer", added.detail);
      },
    ),
    administrative(
      {
        method: "GET",
        path: "/v1/admin/ssf/receivers/{id}",
        group,
        summary: "One receiver, with what last went wrong",
        answer: { status: 200, schema: one, says: "The receiver." },
        problems: ["not_found"],
      },
      async ({ params }) => {
        const receiver = await find(params.id);
        return receiver === undefined ? problem("not_found") : json(200, { receiver: receiverView(receiver, now()) });
      },
    ),
    administrative(
      {
        method: "PATCH",
        path: "/v1/admin/ssf/receivers/{id}",
        group,
        summary: "Pause or resume a receiver, or change what its provider may do",
        body: z.strictObject({
          state: z.enum(["active", "paused"]).optional(),
          domains: domains.optional(),
          disable_accounts: z.boolean().optional(),
        }),
        answer: { status: 200, schema: one, says: "The receiver as it is now." },
        problems: ["not_found"],
      },
      async ({ params, body, cause }) => {
        const receiver = await find(params.id);
        if (receiver === undefined) return problem("not_found");
        const {
          state = receiver.state,
          domains: named = receiver.domains,
          disable_accounts = receiver.disables,
        } = body;
        const wish = { state, domains: named, disables: disable_accounts };
        const changed = await receiverAction.change(receiver, wish, cause);
        return changed === undefined ? problem("not_found") : json(200, { receiver: receiverView(changed, now()) });
      },
    ),
    administrative(
      {
        method: "POST",
        path: "/v1/admin/ssf/receivers/{id}/verify",
        group,
        summary: "Ask the provider for a verification event",
        answer: { status: 202, schema: one, says: "It was asked; `verified_at` changes when it comes back." },
        problems: ["not_found", "conflict"],
      },
      async ({ params }) => {
        const receiver = await find(params.id);
        if (receiver === undefined) return problem("not_found");
        const why = await receiverAction.verify(receiver);
        if (why !== null) return problem("conflict", { detail: `The provider was not asked: ${why}.` });
        return json(202, { receiver: receiverView((await find(params.id)) ?? receiver, now()) });
      },
    ),
    administrative(
      {
        method: "DELETE",
        path: "/v1/admin/ssf/receivers/{id}",
        group,
        summary: "Take no more events of a provider; its stream, where it was made from here, is deleted",
        answer: {
          status: 200,
          schema: z.object({ left: z.string().nullable() }),
          says: "It is gone; `left` says why the stream at the provider may still be there.",
        },
        problems: ["not_found"],
      },
      async ({ params, cause }) => {
        const receiver = await find(params.id);
        const removed = receiver && (await receiverAction.remove(receiver, cause));
        return removed === undefined ? problem("not_found") : json(200, removed);
      },
    ),
  ];
}

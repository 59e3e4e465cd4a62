/** `/v1/admin/webhooks`: addresses of the operator's own that are told of every revocation. */
import { z } from "zod";
import type { WebhookAction } from "../../admin/webhooks.ts";
import { asId } from "../../prelude/ids.ts";
import type { Position, RevocationKind } from "../../revocation/entry.ts";
import { OUTCOMES, type Outcome, type PastAttempt } from "../../webhooks/attempt.ts";
import type { WebhookStore } from "../../webhooks/store.ts";
import { ATTEMPTS_KEPT, KINDS, MOST_WEBHOOKS, type Webhook } from "../../webhooks/webhook.ts";
import { problem } from "../problem.ts";
import { json, noContent } from "../reply.ts";
import { administrative, type Route } from "../route.ts";
import { url } from "./fields.ts";
import { time } from "./views.ts";

const DAY_SECONDS = 86_400;
const kinds = KINDS as [RevocationKind, ...RevocationKind[]];
const outcomes = Object.keys(OUTCOMES) as [Outcome, ...Outcome[]];
const position = z.object({ epoch: z.number().int(), seq: z.number().int() });
const when = z.iso.datetime();

export const webhookSchema = z.object({
  id: z.string(),
  url: z.string(),
  kinds: z.array(z.enum(kinds)),
  created_at: when,
  state: z.enum(["active", "paused"]),
  position: position.describe("everything up to here has been delivered, or is none of its kinds"),
  failures: z.number().int().describe("attempts that failed since the last that did not"),
  failing_since: when.nullable(),
  next_attempt_at: when.nullable().describe("`null`: at once, or not at all where it is paused"),
  missed: z.number().int().describe("revocations that were forgotten undelivered; the next message says so"),
  previous_secret_until: when.nullable().describe("until then messages are signed with the secret before as well"),
});

export const attemptSchema = z.object({
  id: z.number().int(),
  at: when,
  message: z.string().describe("the `webhook-id`"),
  up_to: position,
  events: z.number().int(),
  outcome: z.enum(outcomes),
  status: z.number().int().nullable(),
  took_ms: z.number().int(),
});

export function webhookView(webhook: Webhook): z.infer<typeof webhookSchema> {
  const { id, kinds: told, state, cursor, failures, failingSince, nextAttemptAt, missed, previous } = webhook;
  return {
    id,
    url: webhook.url,
    kinds: [...told],
    created_at: time(webhook.createdAt),
    state,
    position: cursor,
    failures,
    failing_since: failingSince === null ? null : time(failingSince),
    next_attempt_at: failures > 0 && state === "active" ? time(nextAttemptAt) : null,
    missed,
    previous_secret_until: previous === null ? null : time(previous.until),
  };
}

function attemptView({ id, at, message, upTo, events, outcome, status, tookMs }: PastAttempt) {
  return { id, at: time(at), message, up_to: upTo, events, outcome, status, took_ms: tookMs };
}

const after = z
  .string()
  .regex(/^\d{1,15}\.\d{1,15}$/, "must be a position: epoch and number with a dot between")
  .describe("the position (`epoch.seq`) behind which everything is sent again; left out: goes on where it stopped");

function positionOf(text: string): Position {
  const [epoch = 0, seq = 0] = text.split(".").map(Number);
  return { epoch, seq };
}

const secret = z.string().describe("`whsec_…`, told this once, and never again");
const one = z.object({ webhook: webhookSchema });

export function adminWebhookRoutes({
  webhooks,
  webhookAction,
}: {
  readonly webhooks: WebhookStore;
  readonly webhookAction: WebhookAction;
}): readonly Route[] {
  const group = "Administration";
  return [
    administrative(
      {
        method: "GET",
        path: "/v1/admin/webhooks",
        group,
        summary: "Webhooks, with how far each has come",
        answer: { status: 200, schema: z.object({ webhooks: z.array(webhookSchema) }), says: "All of them." },
      },
      async () => json(200, { webhooks: (await webhooks.list()).map(webhookView) }),
    ),
    administrative(
      {
        method: "POST",
        path: "/v1/admin/webhooks",
        group,
        summary: "Make a webhook: it is told of every revocation from now on",
        body: z.strictObject({
          url: url.describe("https:, without a user name; http: on loopback only, where a setting allows it"),
          kinds: z
            .array(z.enum(kinds))
            .min(1)
            .max(kinds.length)
            .optional()
            .describe("which kinds of revocation; left out: all"),
        }),
        answer: { status: 201, schema: one.extend({ secret }), says: "The webhook and its secret." },
        problems: ["conflict"],
      },
      async ({ body, cause }) => {
        const told = kinds.filter((kind) => body.kinds?.includes(kind) ?? true);
        const made = await webhookAction.create({ url: body.url, kinds: told }, cause);
        if (made.ok) return json(201, { webhook: webhookView(made.webhook), secret: made.secret.reveal() });
        if (made.code === "conflict") return problem("conflict", { detail: `There are ${MOST_WEBHOOKS} already.` });
        return problem(made.code, { members: { faults: [{ pointer: "/url", detail: made.detail }] } });
      },
    ),
    administrative(
      {
        method: "DELETE",
        path: "/v1/admin/webhooks/{id}",
        group,
        summary: "Delete a webhook",
        answer: { status: 204, schema: null, says: "It is gone; nothing more is sent." },
        problems: ["not_found"],
      },
      async ({ params, cause }) =>
        (await webhookAction.delete(asId("webhook", params.id ?? ""), cause)) ? noContent() : problem("not_found"),
    ),
    administrative(
      {
        method: "POST",
        path: "/v1/admin/webhooks/{id}/rotate-secret",
        group,
        summary: "Replace a webhook's secret; the one before stays good for a while",
        body: z.strictObject({
          overlap_seconds: z
            .number()
            .int()
            .min(0)
            .max(30 * DAY_SECONDS)
            .default(DAY_SECONDS)
            .describe("for so long messages carry both signatures; 0: the secret before leaked"),
        }),
        answer: { status: 200, schema: one.extend({ secret }), says: "The webhook and its new secret." },
        problems: ["not_found"],
      },
      async ({ params, body, cause }) => {
        const overlapMs = body.overlap_seconds * 1000;
        const rotated = await webhookAction.rotateSecret(asId("webhook", params.id ?? ""), overlapMs, cause);
        if (rotated === "not_found") return problem("not_found");
        return json(200, { webhook: webhookView(rotated.webhook), secret: rotated.secret.reveal() });
      },
    ),
    administrative(
      {
        method: "POST",
        path: "/v1/admin/webhooks/{id}/replay",
        group,
        summary: "Send again from a position, or resume what is paused",
        body: z.strictObject({ after: after.optional() }),
        answer: { status: 200, schema: one, says: "The webhook as it is now. What is no longer kept is left out." },
        problems: ["not_found"],
      },
      async ({ params, body, cause }) => {
        const from = body.after === undefined ? null : positionOf(body.after);
        const changed = await webhookAction.replay(asId("webhook", params.id ?? ""), from, cause);
        if (changed.ok) return json(200, { webhook: webhookView(changed.webhook) });
        if (changed.refusal === "not_found") return problem("not_found");
        const faults = [{ pointer: "/after", detail: "must be a position that the log has reached" }];
        return problem("validation_failed", { members: { faults } });
      },
    ),
    administrative(
      {
        method: "GET",
        path: "/v1/admin/webhooks/{id}/deliveries",
        group,
        summary: `The last attempts at a webhook, newest first; ${ATTEMPTS_KEPT} are kept`,
        query: z.strictObject({ limit: z.coerce.number().int().min(1).max(ATTEMPTS_KEPT).default(50) }),
        answer: { status: 200, schema: z.object({ deliveries: z.array(attemptSchema) }), says: "The attempts." },
        problems: ["not_found"],
      },
      async ({ params, query }) => {
        const id = asId("webhook", params.id ?? "");
        if ((await webhooks.find(id)) === undefined) return problem("not_found");
        return json(200, { deliveries: (await webhooks.attempts(id, query.limit)).map(attemptView) });
      },
    ),
  ];
}

/** `mapae webhooks …`: addresses that are told of every revocation. */
import { z } from "zod";
import { attemptSchema, webhookSchema } from "../../http/api/admin-webhooks.ts";
import { parseDuration } from "../../prelude/duration.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { confirm } from "../prompt.ts";
import { when } from "./when.ts";

const PATH = "/v1/admin/webhooks";
const one = z.object({ webhook: webhookSchema });
const keyed = one.extend({ secret: z.string() });
const all = z.object({ webhooks: z.array(webhookSchema) });
const past = z.object({ deliveries: z.array(attemptSchema) });

const pathOf = (id: string, rest = ""): string => `${PATH}/${encodeURIComponent(id)}${rest}`;
const placeOf = ({ epoch, seq }: { epoch: number; seq: number }): string => `${epoch}.${seq}`;

async function* once<Row>(rows: readonly Row[]): AsyncGenerator<readonly Row[]> {
  yield rows;
}

export const createWebhook: Command = async ({ given, output, operate }) => {
  const kinds = given.texts("kind");
  const body = { url: given.required("url"), ...(kinds.length === 0 ? {} : { kinds }) };
  const made = await operate((operator) => operator.ask(keyed, { method: "POST", path: PATH, body }));
  output.result(made, `${made.webhook.id} was made\nsecret, shown this once:\n${made.secret}`);
  return exitCode("ok");
};

export const listWebhooks: Command = async ({ output, operate }) => {
  const { webhooks } = await operate((operator) => operator.ask(all, { method: "GET", path: PATH }));
  await output.list(
    once(webhooks),
    [
      { title: "ID", of: (webhook) => webhook.id },
      { title: "STATE", of: (webhook) => webhook.state },
      { title: "POSITION", of: (webhook) => placeOf(webhook.position) },
      { title: "FAILURES", of: (webhook) => String(webhook.failures) },
      { title: "NEXT ATTEMPT", of: (webhook) => when(webhook.next_attempt_at) },
      { title: "MISSED", of: (webhook) => String(webhook.missed) },
      { title: "URL", of: (webhook) => webhook.url, shrinks: true },
    ],
    "There are no webhooks.",
  );
  return exitCode("ok");
};

export const deleteWebhook: Command = async ({ given, output, keyboard, operate }) => {
  const id = given.required("id");
  await confirm(keyboard, given.flag("yes"), `This deletes the webhook ${id}: its receiver hears no more.`, id);
  await operate((operator) => operator.tell({ method: "DELETE", path: pathOf(id) }));
  output.result({ deleted: id }, `${id} is deleted`);
  return exitCode("ok");
};

export const rotateWebhook: Command = async ({ given, output, operate }) => {
  const overlap = parseDuration(given.text("overlap") ?? "1d");
  if (overlap === undefined || overlap % 1000 !== 0) {
    throw new CommandFailed("usage", "--overlap is a duration in whole seconds: 1h, 2d; 0 for none");
  }
  const path = pathOf(given.required("id"), "/rotate-secret");
  const body = { overlap_seconds: overlap / 1000 };
  const rotated = await operate((operator) => operator.ask(keyed, { method: "POST", path, body }));
  const until = rotated.webhook.previous_secret_until;
  const told = until === null ? "the one before is good no more" : `the one before is good until ${when(until)}`;
  output.result(
    rotated,
    `${rotated.webhook.id} has a new secret; ${told}\nsecret, shown this once:\n${rotated.secret}`,
  );
  return exitCode("ok");
};

export const replayWebhook: Command = async ({ given, output, operate }) => {
  const after = given.text("after");
  const body = after === undefined ? {} : { after };
  const path = pathOf(given.required("id"), "/replay");
  const { webhook } = await operate((operator) => operator.ask(one, { method: "POST", path, body }));
  output.result({ webhook }, `${webhook.id} goes on behind ${placeOf(webhook.position)}`);
  return exitCode("ok");
};

export const listDeliveries: Command = async ({ given, output, operate }) => {
  const path = pathOf(given.required("id"), "/deliveries");
  const request = { method: "GET", path, query: { limit: given.text("limit") ?? "50" } } as const;
  const { deliveries } = await operate((operator) => operator.ask(past, request));
  await output.list(
    once(deliveries),
    [
      { title: "AT", of: (delivery) => when(delivery.at) },
      { title: "OUTCOME", of: (delivery) => delivery.outcome },
      { title: "STATUS", of: (delivery) => String(delivery.status ?? "–") },
      { title: "EVENTS", of: (delivery) => String(delivery.events) },
      { title: "UP TO", of: (delivery) => placeOf(delivery.up_to) },
      { title: "MS", of: (delivery) => String(delivery.took_ms) },
      { title: "MESSAGE", of: (delivery) => delivery.message },
    ],
    "Nothing has been sent yet.",
  );
  return exitCode("ok");
};

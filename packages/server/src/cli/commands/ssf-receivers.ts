/** `mapae ssf receivers …`: other providers whose events become revocations here. */
import { z } from "zod";
import { receiverSchema } from "../../http/api/admin-ssf-receivers.ts";
import type { Command, Context } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { record } from "../output.ts";
import { confirm, readSecret } from "../prompt.ts";
import { when } from "./when.ts";

const PATH = "/v1/admin/ssf/receivers";
const one = z.object({ receiver: receiverSchema });
const added = one.extend({ push: z.object({ url: z.string(), authorization: z.string() }).nullable() });
const all = z.object({ receivers: z.array(receiverSchema) });
type Listed = z.infer<typeof receiverSchema>;

const pathOf = (id: string, rest = ""): string => `${PATH}/${encodeURIComponent(id)}${rest}`;

async function* once(rows: readonly Listed[]): AsyncGenerator<readonly Listed[]> {
  yield rows;
}

const domainsOf = ({ domains }: Listed): string => (domains.length === 0 ? "any domain" : domains.join(", "));

/** What is wrong with it, in few words, if anything is. */
function troubleOf({ state, silent, stream_status: status, last_failure: failure }: Listed): string {
  if (state === "paused") return "paused here";
  if (status !== null && status !== "enabled") return `${status} there`;
  return failure ?? (silent ? "silent" : "–");
}

export const listReceivers: Command = async ({ output, operate }) => {
  const { receivers } = await operate((operator) => operator.ask(all, { method: "GET", path: PATH }));
  await output.list(
    once(receivers),
    [
      { title: "ID", of: (receiver) => receiver.id },
      { title: "METHOD", of: (receiver) => receiver.method },
      { title: "HEARD", of: (receiver) => when(receiver.heard_at) },
      { title: "VERIFIED", of: (receiver) => when(receiver.verified_at) },
      { title: "EVENTS", of: (receiver) => String(receiver.events) },
      { title: "OF NOBODY", of: (receiver) => String(receiver.unmatched) },
      { title: "REJECTED", of: (receiver) => String(receiver.rejected) },
      { title: "TROUBLE", of: troubleOf },
      { title: "ISSUER", of: (receiver) => receiver.issuer, shrinks: true },
    ],
    "There are no receivers.",
  );
  return exitCode("ok");
};

/** What is shown to the provider: a header's value, or a client id and its secret as HTTP Basic (RFC 7617). */
async function credential({ given, keyboard }: Context): Promise<string | undefined> {
  const client = given.text("client");
  if (client !== undefined && given.flag("authorizationStdin")) {
    throw new CommandFailed("usage", "--client and --authorization-stdin are two ways to say the same: give one");
  }
  if (given.flag("authorizationStdin")) return readSecret(keyboard, "the value of an Authorization header");
  if (client === undefined) return undefined;
  const secret = (await readSecret(keyboard, "the client's secret")).trim();
  // RFC 6749 §2.3.1: each is form-encoded first.
  const encode = (text: string) => new URLSearchParams([["", text]]).toString().slice(1);
  return `Basic ${Buffer.from(`${encode(client)}:${encode(secret)}`).toString("base64")}`;
}

export const addReceiver: Command = async (context) => {
  const { given, output, operate } = context;
  if (given.flag("push") === given.flag("poll"))
    throw new CommandFailed("usage", "say how events come: --push or --poll");
  const authorization = await credential(context);
  const members = {
    stream_id: given.text("stream"),
    poll_url: given.text("pollUrl"),
    audience: given.text("audience"),
    authorization,
  };
  const body = {
    issuer: given.required("issuer"),
    method: given.flag("push") ? "push" : "poll",
    domains: given.texts("domain"),
    disable_accounts: given.flag("disableAccounts"),
    ...Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)),
  };
  const made = await operate((operator) => operator.ask(added, { method: "POST", path: PATH, body }));
  const { receiver, push } = made;
  const lines = [`${receiver.id} takes the events of ${receiver.issuer}`];
  if (push !== null) {
    lines.push("tell the provider, whose stream was not made from here:", `  address        ${push.url}`);
    lines.push(`  Authorization  ${push.authorization} (shown this once)`);
  }
  output.result(made, lines.join("\n"));
  return exitCode("ok");
};

export const showReceiver: Command = async ({ given, output, operate }) => {
  const path = pathOf(given.required("id"));
  const { receiver } = await operate((operator) => operator.ask(one, { method: "GET", path }));
  const { failures, next_attempt_at: next } = receiver;
  output.result(
    { receiver },
    record([
      ["id", receiver.id],
      ["issuer", receiver.issuer],
      ["state", receiver.state],
      ["events come", receiver.method === "push" ? "pushed" : "by polling"],
      [
        "stream",
        receiver.stream_status === null ? receiver.stream_id : `${receiver.stream_id}, ${receiver.stream_status}`,
      ],
      ["for", receiver.audience.join(", ")],
      ["names users of", domainsOf(receiver)],
      ["disables accounts", receiver.disable_accounts ? "yes" : "no"],
      ["heard", when(receiver.heard_at)],
      [
        "sign of life",
        receiver.silent ? `${when(receiver.verified_at)}, and none since it was asked` : when(receiver.verified_at),
      ],
      ["last event", when(receiver.event_at)],
      [
        "events",
        `${receiver.events} taken, ${receiver.unmatched} of them of nobody here; ${receiver.rejected} refused`,
      ],
      ["last trouble", receiver.last_failure ?? "none"],
      ["next attempt", next === null ? "as always" : `${when(next)}, after ${failures} failed`],
    ]),
  );
  return exitCode("ok");
};

export const setReceiver: Command = async ({ given, output, operate }) => {
  const domains = given.texts("domain");
  const state = given.flag("pause") ? "paused" : given.flag("resume") ? "active" : undefined;
  if (given.flag("pause") && given.flag("resume")) throw new CommandFailed("usage", "--pause or --resume, not both");
  const disables = given.flag("disableAccounts") ? true : given.flag("keepAccounts") ? false : undefined;
  if (given.flag("disableAccounts") && given.flag("keepAccounts")) {
    throw new CommandFailed("usage", "--disable-accounts or --keep-accounts, not both");
  }
  const body = {
    ...(state === undefined ? {} : { state }),
    ...(disables === undefined ? {} : { disable_accounts: disables }),
    ...(given.flag("anyDomain") ? { domains: [] } : domains.length === 0 ? {} : { domains }),
  };
  if (Object.keys(body).length === 0) throw new CommandFailed("usage", "say what to change; see --help");
  const path = pathOf(given.required("id"));
  const { receiver } = await operate((operator) => operator.ask(one, { method: "PATCH", path, body }));
  const accounts = receiver.disable_accounts ? "disables accounts" : "disables no accounts";
  output.result(
    { receiver },
    `${receiver.id} is ${receiver.state}; names users of ${domainsOf(receiver)}; ${accounts}`,
  );
  return exitCode("ok");
};

export const verifyReceiver: Command = async ({ given, output, operate }) => {
  const path = pathOf(given.required("id"), "/verify");
  const { receiver } = await operate((operator) => operator.ask(one, { method: "POST", path }));
  output.result({ receiver }, `${receiver.issuer} was asked; \`mapae ssf receivers list\` shows when it answered`);
  return exitCode("ok");
};

export const removeReceiver: Command = async ({ given, output, keyboard, operate }) => {
  const id = given.required("id");
  await confirm(keyboard, given.flag("yes"), `This removes ${id}: its provider's events are no longer taken.`, id);
  const { left } = await operate((operator) =>
    operator.ask(z.object({ left: z.string().nullable() }), { method: "DELETE", path: pathOf(id) }),
  );
  const stream = left === null ? "" : `; its stream at the provider may still be there: ${left}`;
  output.result({ removed: id, left }, `${id} is removed${stream}`);
  return exitCode("ok");
};

/** `mapae ssf streams …`: what resource servers are told of as signed events. */
import { z } from "zod";
import { streamSchema } from "../../http/api/admin-ssf.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { confirm, readSecret } from "../prompt.ts";
import { when } from "./when.ts";

const PATH = "/v1/admin/ssf/streams";
const one = z.object({ stream: streamSchema });
const all = z.object({ streams: z.array(streamSchema) });
type Listed = z.infer<typeof streamSchema>;

const pathOf = (id: string): string => `${PATH}/${encodeURIComponent(id)}`;

async function* once(rows: readonly Listed[]): AsyncGenerator<readonly Listed[]> {
  yield rows;
}

/** What was given of some options, by the member that says it in a request. */
function given(members: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

export const listStreams: Command = async ({ output, operate }) => {
  const { streams } = await operate((operator) => operator.ask(all, { method: "GET", path: PATH }));
  await output.list(
    once(streams),
    [
      { title: "ID", of: (stream) => stream.id },
      { title: "CLIENT", of: (stream) => stream.client_id },
      { title: "STATUS", of: (stream) => stream.status },
      { title: "METHOD", of: (stream) => stream.method },
      { title: "HEARD", of: (stream) => when(stream.heard_at) },
      { title: "FAILURE", of: (stream) => stream.last_failure ?? "–" },
      { title: "MISSED", of: (stream) => String(stream.missed) },
      { title: "REFUSED", of: (stream) => String(stream.refused) },
      { title: "DESCRIPTION", of: (stream) => stream.description ?? "–", shrinks: true },
    ],
    "There are no event streams.",
  );
  return exitCode("ok");
};

export const createStream: Command = async ({ given: typed, output, keyboard, operate }) => {
  const events = typed.texts("event");
  const url = typed.text("url");
  const credential = typed.flag("authorizationStdin");
  if (credential && url === undefined)
    throw new CommandFailed("usage", "--authorization-stdin is for events that are pushed: --url");
  const authorization = credential ? await readSecret(keyboard, "the value of an Authorization header") : undefined;
  const body = {
    client_id: typed.required("client"),
    ...(events.length === 0 ? {} : { events }),
    ...given({ url, authorization, naming: typed.text("naming"), description: typed.text("description") }),
  };
  const made = await operate((operator) => operator.ask(one, { method: "POST", path: PATH, body }));
  const how =
    url === undefined ? `${made.stream.client_id} can poll it` : `its events are pushed to ${new URL(url).host}`;
  output.result(made, `${made.stream.id} was made: ${how}`);
  return exitCode("ok");
};

export const setStream: Command = async ({ given: typed, output, operate }) => {
  const body = given({ status: typed.text("status"), reason: typed.text("reason"), naming: typed.text("naming") });
  if (body.status === undefined && body.naming === undefined) {
    throw new CommandFailed("usage", "say what to change: --status, --naming");
  }
  const path = pathOf(typed.required("id"));
  const { stream } = await operate((operator) => operator.ask(one, { method: "PATCH", path, body }));
  output.result({ stream }, `${stream.id} is ${stream.status}; users are called by ${stream.naming}`);
  return exitCode("ok");
};

export const deleteStream: Command = async ({ given: typed, output, keyboard, operate }) => {
  const id = typed.required("id");
  await confirm(keyboard, typed.flag("yes"), `This deletes the stream ${id}: its receiver hears no more.`, id);
  await operate((operator) => operator.tell({ method: "DELETE", path: pathOf(id) }));
  output.result({ deleted: id }, `${id} is deleted`);
  return exitCode("ok");
};

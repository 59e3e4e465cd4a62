/** `mapae clients …`: apps that sign users in, and resource servers (a client with a secret). */
import { z } from "zod";
import { clientSchema } from "../../http/api/admin-clients.ts";
import { pages } from "../connection.ts";
import type { Command } from "../context.ts";
import { exitCode } from "../exit.ts";
import { confirm } from "../prompt.ts";
import { when } from "./when.ts";

const PATH = "/v1/admin/clients";
const made = z.object({ client: clientSchema, client_secret: z.string().optional() });

export const createClient: Command = async ({ given, output, operate }) => {
  const id = given.arg("id");
  const kind = given.text("kind") ?? "resource_server";
  const scope = given.text("scope");
  const audience = given.text("audience");
  const body = {
    kind,
    name: given.text("name") ?? id ?? kind,
    ...(id === undefined ? {} : { id }),
    ...(scope === undefined ? {} : { scope }),
    ...(audience === undefined ? {} : { audience }),
  };
  const answer = await operate((operator) => operator.ask(made, { method: "POST", path: PATH, body }));
  const secret = answer.client_secret;
  const told = `${answer.client.id} was made (${answer.client.kind})`;
  output.result(answer, secret === undefined ? told : `${told}\nsecret, shown this once:\n${secret}`);
  return exitCode("ok");
};

export const listClients: Command = async ({ output, operate }) => {
  await operate((operator) =>
    output.list(
      pages(operator, clientSchema, "clients", { method: "GET", path: PATH }),
      [
        { title: "ID", of: (client) => client.id },
        { title: "KIND", of: (client) => client.kind },
        { title: "NAME", of: (client) => client.name, shrinks: true },
        { title: "SCOPE", of: (client) => client.scope || "–", shrinks: true },
        { title: "AUDIENCE", of: (client) => client.audience ?? "–", shrinks: true },
        { title: "CREATED", of: (client) => when(client.created_at) },
      ],
      "There are no clients.",
    ),
  );
  return exitCode("ok");
};

export const deleteClient: Command = async ({ given, output, keyboard, operate }) => {
  const id = given.required("id");
  const told = `This deletes the client ${id}: what signs in with it is signed out, what verifies with it is refused.`;
  await confirm(keyboard, given.flag("yes"), told, id);
  await operate((operator) => operator.tell({ method: "DELETE", path: `${PATH}/${encodeURIComponent(id)}` }));
  output.result({ deleted: id }, `${id} is deleted`);
  return exitCode("ok");
};

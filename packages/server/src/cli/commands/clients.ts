/** `mapae clients …`: apps that sign users in, and resource servers (a client with a secret). */
import { readFileSync, statSync } from "node:fs";
import { z } from "zod";
import { clientSchema } from "../../http/api/admin-clients.ts";
import { pages } from "../connection.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { confirm } from "../prompt.ts";
import { when } from "./when.ts";

const PATH = "/v1/admin/clients";
const one = z.object({ client: clientSchema });
const made = z.object({ client: clientSchema, client_secret: z.string().optional() });

export const createClient: Command = async ({ given, output, operate }) => {
  const id = given.arg("id");
  const kind = given.text("kind") ?? "resource_server";
  const scope = given.text("scope");
  const audience = given.text("audience");
  const keys = given.text("jwks");
  const body = {
    kind,
    name: given.text("name") ?? id ?? kind,
    ...(id === undefined ? {} : { id }),
    ...(scope === undefined ? {} : { scope }),
    ...(audience === undefined ? {} : { audience }),
    ...(keys === undefined ? {} : { jwks: jwksIn(keys) }),
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
        { title: "ENCRYPTED FOR", of: keysOf, shrinks: true },
        { title: "CREATED", of: (client) => when(client.created_at) },
      ],
      "There are no clients.",
    ),
  );
  return exitCode("ok");
};

export const publishKeys: Command = async ({ given, output, operate }) => {
  const id = given.required("id");
  const file = given.text("jwks");
  if ((file === undefined) !== given.flag("none")) {
    throw new CommandFailed("usage", "give the keys with --jwks <file>, or take them away with --none");
  }
  const jwks = file === undefined ? null : jwksIn(file);
  const path = `${PATH}/${encodeURIComponent(id)}`;
  const { client } = await operate((operator) => operator.ask(one, { method: "PATCH", path, body: { jwks } }));
  const told = client.jwks === null ? "signed only" : `encrypted for ${keysOf(client)}`;
  output.result({ client }, `tokens for ${id} are ${told} from now on`);
  return exitCode("ok");
};

/** Whom tokens are encrypted for: the first key, by its name. */
function keysOf({ jwks }: z.infer<typeof clientSchema>): string {
  const [first] = jwks?.keys ?? [];
  return first === undefined ? "–" : String(first.kid ?? first.alg);
}

const jwksSchema = z.looseObject({ keys: z.array(z.record(z.string(), z.unknown())) });
const KEYS_BYTES = 64 * 1024;

/** A JWK set, or one JWK. What stands in the keys is judged by the server. */
function jwksIn(file: string): z.infer<typeof jwksSchema> {
  let value: unknown;
  try {
    if (statSync(file).size > KEYS_BYTES) throw new CommandFailed("usage", `${file} is too large for a file of keys`);
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof CommandFailed) throw error;
    if (error instanceof SyntaxError) throw new CommandFailed("usage", `${file} holds no JWK set (RFC 7517 §5)`);
    throw new CommandFailed("failed", `the file ${file} cannot be read`);
  }
  const set = jwksSchema.safeParse(value);
  if (set.success) return set.data;
  const alone = z.looseObject({ kty: z.string() }).safeParse(value);
  if (alone.success) return { keys: [alone.data] };
  throw new CommandFailed("usage", `${file} holds no JWK set (RFC 7517 §5)`);
}

export const deleteClient: Command = async ({ given, output, keyboard, operate }) => {
  const id = given.required("id");
  const told = `This deletes the client ${id}: what signs in with it is signed out, what verifies with it is refused.`;
  await confirm(keyboard, given.flag("yes"), told, id);
  await operate((operator) => operator.tell({ method: "DELETE", path: `${PATH}/${encodeURIComponent(id)}` }));
  output.result({ deleted: id }, `${id} is deleted`);
  return exitCode("ok");
};

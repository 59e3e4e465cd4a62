/** `mapae keys …`: the signing keys. Rotating and retiring harm nobody; revoking refuses every token of the key. */
import { z } from "zod";
import { keySchema } from "../../http/api/admin-keys.ts";
import { pepperAnswerSchema } from "../../operator/pepper.ts";
import type { Command } from "../context.ts";
import { exitCode } from "../exit.ts";
import { confirm } from "../prompt.ts";
import { plural } from "../text.ts";
import { when } from "./when.ts";

const PATH = "/v1/admin/keys";
const all = z.object({ keys: z.array(keySchema) });
const one = z.object({ key: keySchema });

export const listKeys: Command = async ({ output, operate }) => {
  const { keys } = await operate((operator) => operator.ask(all, { method: "GET", path: PATH }));
  async function* once(): AsyncGenerator<typeof keys> {
    yield keys;
  }
  await output.list(
    once(),
    [
      { title: "KID", of: (key) => key.kid },
      { title: "ALG", of: (key) => key.alg },
      { title: "STATE", of: (key) => key.state },
      { title: "CREATED", of: (key) => when(key.created_at) },
      { title: "SIGNS SINCE", of: (key) => when(key.activated_at) },
      { title: "STOPPED", of: (key) => when(key.retired_at) },
    ],
    "There are no keys.",
  );
  return exitCode("ok");
};

export const rotateKey: Command = async ({ given, output, operate }) => {
  const request = { method: "POST", path: `${PATH}/rotate`, body: { now: given.flag("now") } } as const;
  const { key } = await operate((operator) => operator.ask(one, request));
  output.result({ key }, `${key.kid} (${key.alg}) signs now; the tokens of the key before it stay good`);
  return exitCode("ok");
};

export const retireKey: Command = async ({ given, output, operate }) => {
  const kid = given.required("kid");
  const path = `${PATH}/${encodeURIComponent(kid)}/retire`;
  await operate((operator) => operator.tell({ method: "POST", path, body: { now: given.flag("now") } }));
  output.result({ retired: kid }, `${kid} signs no more; its tokens stay good until they expire`);
  return exitCode("ok");
};

export const revokeKey: Command = async ({ given, output, keyboard, operate }) => {
  const kid = given.required("kid");
  const told = `This refuses every access token that the key ${kid} signed; apps get new ones at their next refresh.`;
  await confirm(keyboard, given.flag("yes"), told, kid);
  const path = `${PATH}/${encodeURIComponent(kid)}/revoke`;
  await operate((operator) => operator.tell({ method: "POST", path, body: { confirm: kid } }));
  output.result({ revoked: kid }, `${kid} is revoked; every token that it signed is refused`);
  return exitCode("ok");
};

export const rotatePepper: Command = async ({ output, operate }) => {
  const request = { method: "POST", path: "/v1/operator/pepper", body: {} } as const;
  const { pepper } = await operate((operator) => operator.ask(pepperAnswerSchema, request));
  output.result(
    { pepper },
    `${plural(pepper.moved, "password hash", "password hashes")} moved to pepper key ${pepper.key}`,
  );
  return exitCode("ok");
};

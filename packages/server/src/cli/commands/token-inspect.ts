/** `mapae token inspect`: what a token says, part by part, in words; with a private key also what is inside an encrypted one. */
import { type DecryptionKey, openNestedJwt } from "@mapae/verifier/jwe";
import { systemWorld } from "../../prelude/world.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { openingKeys } from "../seal/party-keys.ts";
import { type Explained, explainToken } from "../token/explain.ts";
import { readToken } from "../token/input.ts";
import { explanationDocument, explanationText } from "../token/show.ts";

export const inspectToken: Command = async (context) => {
  const { output } = context;
  const keys = await openingKeys(context);
  const token = await readToken(context, "mapae token inspect");
  const now = systemWorld.clock.now();
  const explained = explainToken(token, now);
  if (!explained.ok) throw new CommandFailed("failed", `this is no JWT: ${explained.reason}`);
  const inside = explained.kind === "JWE" && keys.length > 0 ? await opened(token, keys, now) : null;
  const document = explanationDocument(explained, inside);
  output.result(document, output.json ? "" : explanationText(explained, inside, now, output));
  return exitCode("ok");
};

async function opened(token: string, keys: readonly DecryptionKey[], now: number): Promise<Explained> {
  const inner = await openNestedJwt(token, keys);
  const explained = inner === null ? null : explainToken(inner, now);
  if (explained?.ok !== true) {
    throw new CommandFailed("failed", "the key does not open it, or there is no signed token inside (cty JWT)");
  }
  return explained;
}

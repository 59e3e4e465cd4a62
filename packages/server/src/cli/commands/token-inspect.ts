/** `mapae token inspect`: what a token says, in words. */

import { systemWorld } from "../../prelude/world.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { explainToken } from "../token/explain.ts";
import { readToken } from "../token/input.ts";
import { explanationDocument, explanationText } from "../token/show.ts";

export const inspectToken: Command = async (context) => {
  const { output } = context;
  const token = await readToken(context, "mapae token inspect");
  const now = systemWorld.clock.now();
  const explained = explainToken(token, now);
  if (!explained.ok) throw new CommandFailed("failed", `this is no JWT: ${explained.reason}`);
  output.result(explanationDocument(explained), output.json ? "" : explanationText(explained, now, output));
  return exitCode("ok");
};

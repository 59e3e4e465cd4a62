/** Where a token comes from: stdin, or a prompt. An argument would be readable by every user of the machine. */
import type { Context } from "../context.ts";
import { CommandFailed } from "../exit.ts";
import { ask, isTerminal, readSecret } from "../prompt.ts";

export async function readToken({ given, keyboard }: Context, command: string): Promise<string> {
  const argument = given.arg("token");
  if (argument !== undefined && argument !== "-") {
    throw new CommandFailed(
      "usage",
      `a token is a secret, and other users can read arguments (ps): pipe it (printf %s "$TOKEN" | ${command}), or run ${command} and paste it`,
    );
  }
  const text = isTerminal(keyboard) ? await ask(keyboard, "Token: ", true) : await readSecret(keyboard, "a token");
  const token = text.trim().replace(/^Bearer\s+/i, "");
  if (token === "") throw new CommandFailed("usage", "no token was given");
  return token;
}

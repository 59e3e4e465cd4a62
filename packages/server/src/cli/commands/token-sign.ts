/** `mapae token sign`: an access token made by hand, to try a resource server with. */
import { signedTokenSchema } from "../../operator/tokens.ts";
import { parseDuration } from "../../prelude/duration.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { span } from "../text.ts";

export const signToken: Command = async ({ given, output, operate }) => {
  const user = given.text("sub");
  if (user === undefined) throw new CommandFailed("usage", "say whose token it is: --sub <user>");
  const audience = given.text("audience");
  const scope = given.text("scope");
  const life = given.text("ttl");
  const ms = life === undefined ? undefined : parseDuration(life);
  if (life !== undefined && (ms === undefined || ms < 1000 || ms % 1000 !== 0)) {
    throw new CommandFailed("usage", "--ttl is a duration of whole seconds: 30s, 2m");
  }
  const body = {
    user,
    ...(audience === undefined ? {} : { audience }),
    ...(scope === undefined ? {} : { scope }),
    ...(ms === undefined ? {} : { ttl: ms / 1000 }),
  };
  const request = { method: "POST", path: "/v1/operator/tokens", body } as const;
  const signed = await operate((operator) => operator.ask(signedTokenSchema, request));
  output.say(`A token of ${signed.sub}, good for ${span(signed.expires_in)}; it is in the audit as ${signed.jti}.`);
  output.result(signed, signed.access_token);
  return exitCode("ok");
};

/** `mapae sessions …`: who is logged in where, and ending it. */
import { z } from "zod";
import { adminSessionSchema } from "../../http/api/admin-sessions.ts";
import { type Ask, type Operator, pages } from "../connection.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { confirm } from "../prompt.ts";
import { plural } from "../text.ts";
import { lookUp } from "./users.ts";
import { when } from "./when.ts";

const PATH = "/v1/admin/sessions";
const ended = z.object({ ended: z.number().int() });

export const listSessions: Command = async ({ given, output, operate }) => {
  const name = given.text("user");
  await operate(async (operator) => {
    const user = name === undefined ? undefined : (await lookUp(operator, name)).id;
    const query = { user, live: given.flag("live") ? "true" : undefined };
    await output.list(
      pages(operator, adminSessionSchema, "sessions", { method: "GET", path: PATH, query }),
      [
        { title: "ID", of: (session) => session.id },
        { title: "USER", of: (session) => session.user_id },
        { title: "DEVICE", of: (session) => session.device.name, shrinks: true },
        { title: "ADDRESS", of: (session) => session.ip ?? "–", shrinks: true },
        { title: "LAST SEEN", of: (session) => when(session.last_seen_at) },
        { title: "STATE", of: (session) => session.end_reason ?? "live" },
      ],
      "There are no sessions.",
    );
  });
  return exitCode("ok");
};

export const revokeSessions: Command = async ({ given, output, keyboard, operate }) => {
  const session = given.arg("session");
  const name = given.text("user");
  const all = given.flag("all");
  if ([session !== undefined, name !== undefined, all].filter(Boolean).length !== 1) {
    throw new CommandFailed("usage", "name one of: a session, --user <user>, or --all");
  }
  if (all) await confirm(keyboard, given.flag("yes"), "This logs everybody out.", "everyone");
  const request = async (operator: Operator): Promise<Ask> => {
    if (session !== undefined) return { method: "DELETE", path: `${PATH}/${encodeURIComponent(session)}` };
    const query = name === undefined ? { confirm: "everyone" } : { user: (await lookUp(operator, name)).id };
    return { method: "DELETE", path: PATH, query };
  };
  const count = await operate(async (operator) => {
    const what = await request(operator);
    if (session === undefined) return (await operator.ask(ended, what)).ended;
    await operator.tell(what);
    return 1;
  });
  output.result({ ended: count }, `${plural(count, "session")} ended`);
  return exitCode("ok");
};

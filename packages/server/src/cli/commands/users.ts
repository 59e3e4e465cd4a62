/** `mapae users …`: accounts. The same calls as the admin API, and passwords, which only the operator may set. */
import { z } from "zod";
import { userSchema } from "../../http/api/views.ts";
import { type Operator, pages } from "../connection.ts";
import type { Command, Context } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { record } from "../output.ts";
import { confirm, newPassword } from "../prompt.ts";
import { when } from "./when.ts";

type User = z.infer<typeof userSchema>;
const one = z.object({ user: userSchema });

/** The user that an id or an identifier names; `CommandFailed` (not found) where there is none. */
export async function lookUp(operator: Operator, name: string): Promise<User> {
  const { user } = await operator.ask(one, { method: "GET", path: "/v1/operator/users", query: { user: name } });
  return user;
}

function pathOf(user: User): string {
  return `/v1/admin/users/${encodeURIComponent(user.id)}`;
}

function nameOf(user: User): string {
  return user.identifier ?? user.id;
}

function describe(user: User): string {
  return record([
    ["id", user.id],
    ["identifier", user.identifier ?? "–"],
    ["name", user.name ?? "–"],
    ["state", user.state],
    ["roles", user.roles.join(" ") || "–"],
    ["created", when(user.created_at)],
  ]);
}

export const createUser: Command = async ({ given, output, keyboard, operate }) => {
  const password = await newPassword(keyboard, given.flag("passwordStdin"));
  const name = given.text("name");
  const body = {
    identifier: given.required("identifier"),
    password,
    roles: given.texts("role"),
    ...(name === undefined ? {} : { name }),
  };
  const { user } = await operate((operator) => operator.ask(one, { method: "POST", path: "/v1/operator/users", body }));
  const roles = user.roles.length > 0 ? ` with the roles ${user.roles.join(", ")}` : "";
  output.result({ user }, `${nameOf(user)} was made${roles} (${user.id})`);
  return exitCode("ok");
};

export const listUsers: Command = async ({ given, output, operate }) => {
  const query = { state: given.text("state"), identifier: given.text("startsWith") };
  await operate((operator) =>
    output.list(
      pages(operator, userSchema, "users", { method: "GET", path: "/v1/admin/users", query }),
      [
        { title: "ID", of: (user) => user.id },
        { title: "IDENTIFIER", of: (user) => user.identifier ?? "–", shrinks: true },
        { title: "NAME", of: (user) => user.name ?? "–", shrinks: true },
        { title: "STATE", of: (user) => user.state },
        { title: "ROLES", of: (user) => user.roles.join(" ") || "–", shrinks: true },
        { title: "CREATED", of: (user) => when(user.created_at) },
      ],
      "There are no users.",
    ),
  );
  return exitCode("ok");
};

export const showUser: Command = async ({ given, output, operate }) => {
  const user = await operate((operator) => lookUp(operator, given.required("user")));
  output.result({ user }, describe(user));
  return exitCode("ok");
};

/** Changes members of a user, and says what became of it. */
async function change(
  { given, output, operate }: Context,
  body: object,
  told: (user: User) => string,
): Promise<number> {
  const user = await operate(async (operator) => {
    const path = pathOf(await lookUp(operator, given.required("user")));
    return (await operator.ask(one, { method: "PATCH", path, body })).user;
  });
  output.result({ user }, told(user));
  return exitCode("ok");
}

export const disableUser: Command = (context) =>
  change(context, { state: "disabled" }, (user) => `${nameOf(user)} is disabled; every session has ended`);

export const enableUser: Command = (context) =>
  change(context, { state: "active" }, (user) => `${nameOf(user)} is active`);

export const setRoles: Command = async (context) => {
  const { given } = context;
  const roles = given.rest("roles");
  if (roles.length > 0 && given.flag("none")) throw new CommandFailed("usage", "--none goes with no role at all");
  if (roles.length === 0 && !given.flag("none")) return showUser(context);
  return change(context, { roles }, (user) => `${nameOf(user)} has ${user.roles.join(", ") || "no roles"}`);
};

export const deleteUser: Command = async ({ given, output, keyboard, operate }) => {
  const name = given.required("user");
  await confirm(keyboard, given.flag("yes"), `This deletes the account ${name} for good.`, name);
  const user = await operate(async (operator) => {
    const found = await lookUp(operator, name);
    await operator.tell({ method: "DELETE", path: pathOf(found) });
    return found;
  });
  output.result({ deleted: user.id }, `${nameOf(user)} is deleted; every session has ended`);
  return exitCode("ok");
};

export const setPassword: Command = async ({ given, output, keyboard, operate }) => {
  const password = await newPassword(keyboard, given.flag("passwordStdin"));
  const user = await operate(async (operator) => {
    const found = await lookUp(operator, given.required("user"));
    const path = `/v1/operator/users/${encodeURIComponent(found.id)}/password`;
    await operator.tell({ method: "POST", path, body: { password } });
    return found;
  });
  output.result({ password_set: user.id }, `${nameOf(user)} has a new password; every session has ended`);
  return exitCode("ok");
};

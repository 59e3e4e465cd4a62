/** Accounts, as only the operator of the machine may make and change them: with a password, by whatever name is known. */
import { z } from "zod";
import { identifier, name, password as passwordField, role } from "../http/api/fields.ts";
import { answerSignUp } from "../http/api/users.ts";
import { userSchema, userView } from "../http/api/views.ts";
import { problem } from "../http/problem.ts";
import { json, noContent } from "../http/reply.ts";
import { operational, type Route } from "../http/route.ts";
import { asId } from "../prelude/ids.ts";
import type { PasswordAction } from "../signin/password.ts";
import type { SignUp } from "../signin/sign-up.ts";
import type { Storage } from "../storage/storage.ts";
import { parseIdentifier } from "../users/identifier.ts";
import type { UserStore } from "../users/store.ts";
import type { User } from "../users/user.ts";

const group = "Operator";
const one = z.object({ user: userSchema });

/** The user that a text names: by id, or by identifier as people write it. Deleted ones by id only. */
export async function findUser(users: UserStore, text: string): Promise<User | undefined> {
  const byId = await users.find(asId("user", text));
  if (byId !== undefined) return byId;
  const parsed = parseIdentifier(text);
  return parsed.ok ? users.findByIdentifier(parsed.key) : undefined;
}

export function operatorUserRoutes(services: {
  readonly storage: Storage;
  readonly signUp: SignUp;
  readonly passwordAction: PasswordAction;
}): readonly Route[] {
  const { storage, signUp, passwordAction } = services;
  return [
    operational(
      {
        method: "GET",
        path: "/v1/operator/users",
        group,
        summary: "The user whom an id or an identifier names",
        query: z.strictObject({ user: z.string().min(1).max(400) }),
        answer: { status: 200, schema: one, says: "The user." },
        problems: ["not_found"],
      },
      async ({ query }) => {
        const user = await findUser(storage.users, query.user);
        if (user === undefined) return problem("not_found", { detail: "There is no such user." });
        return json(200, { user: userView(user) });
      },
    ),
    operational(
      {
        method: "POST",
        path: "/v1/operator/users",
        group,
        summary: "Make a user, with roles",
        body: z.strictObject({
          identifier,
          password: passwordField,
          name: name.optional(),
          roles: z.array(role).max(50).optional(),
        }),
        answer: { status: 201, schema: one, says: "The account was made." },
        problems: ["identifier_taken", "weak_password", "overloaded"],
      },
      async ({ body, cause }) => {
        const roles = [...new Set(body.roles)];
        return answerSignUp(await signUp({ ...body, name: body.name ?? null, roles }, cause));
      },
    ),
    operational(
      {
        method: "POST",
        path: "/v1/operator/users/{id}/password",
        group,
        summary: "Set a password: every session of the user ends",
        body: z.strictObject({ password: passwordField }),
        answer: { status: 204, schema: null, says: "The password was set; the sessions ended." },
        problems: ["not_found", "conflict", "weak_password", "overloaded"],
      },
      async ({ params, body, cause }) => {
        const result = await passwordAction.set(asId("user", params.id ?? ""), body.password, cause);
        if (result.ok) return noContent();
        switch (result.code) {
          case "not_found":
            return problem("not_found");
          case "weak_password":
            return problem("weak_password", { detail: result.message, members: { reason: result.reason } });
          case "invalid_credentials": // the credential changed in between
            return problem("conflict");
          default:
            return problem(result.code, { retryAfter: result.retryAfter });
        }
      },
    ),
  ];
}

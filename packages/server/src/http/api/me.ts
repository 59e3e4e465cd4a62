/** The user behind the token: `/v1/me`. */
import { z } from "zod";
import type { SessionStore } from "../../sessions/store.ts";
import type { PasswordAction } from "../../signin/password.ts";
import type { UserStore } from "../../users/store.ts";
import { problem } from "../problem.ts";
import { json, noContent } from "../reply.ts";
import { guarded, type Route } from "../route.ts";
import { name, password } from "./fields.ts";
import { sessionSchema, sessionView, userSchema, userView } from "./views.ts";

export function meRoutes(services: {
  users: UserStore;
  sessions: SessionStore;
  passwords: PasswordAction;
}): readonly Route[] {
  const { users, sessions } = services;
  const mine = z.object({ user: userSchema, session: sessionSchema });
  return [
    guarded(
      {
        method: "GET",
        path: "/v1/me",
        group: "Account",
        summary: "Who am I",
        answer: { status: 200, schema: mine, says: "The user and the session behind the token." },
      },
      async (_call, caller) => {
        const user = await users.find(caller.user);
        const session = caller.standing?.session ?? (await sessions.find(caller.session));
        if (user === undefined || session === undefined) return problem("invalid_token");
        return json(200, { user: userView(user), session: sessionView(session, caller.session) });
      },
    ),
    guarded(
      {
        method: "PATCH",
        path: "/v1/me",
        group: "Account",
        summary: "Change my display name",
        body: z.strictObject({ name }),
        answer: { status: 200, schema: z.object({ user: userSchema }), says: "The user after the change." },
      },
      async ({ body, cause }, caller) => {
        const changed = await users.change(caller.user, { kind: "rename", name: body.name }, cause);
        return changed.ok ? json(200, { user: userView(changed.user) }) : problem("invalid_token");
      },
    ),
    guarded(
      {
        method: "POST",
        path: "/v1/me/password",
        group: "Account",
        summary: "Change my password",
        body: z.strictObject({
          current_password: password,
          new_password: password,
          end_other_sessions: z.boolean().optional().describe("true unless told otherwise"),
        }),
        answer: { status: 204, schema: null, says: "The password was changed; the other sessions ended." },
        problems: ["invalid_credentials", "weak_password", "rate_limited", "overloaded"],
      },
      async ({ body, cause }, caller) => {
        const result = await services.passwords.change(
          {
            user: caller.user,
            session: caller.session,
            current: body.current_password,
            next: body.new_password,
            endOthers: body.end_other_sessions ?? true,
          },
          cause,
        );
        if (result.ok) return noContent();
        switch (result.code) {
          case "weak_password":
            return problem("weak_password", { detail: result.message, members: { reason: result.reason } });
          case "invalid_credentials":
            return problem("invalid_credentials", { detail: "The current password is wrong." });
          default:
            return problem(result.code, { retryAfter: result.retryAfter });
        }
      },
    ),
  ];
}

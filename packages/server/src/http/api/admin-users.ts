/**
 * `/v1/admin/users`: what an administrator may do to an account. There is no call that sets or reads a password: an
 * administrator must not know one (ASVS 6.4.6).
 */
import { z } from "zod";
import type { Cause } from "../../audit/event.ts";
import type { Confirming } from "../../feed/confirming.ts";
import { asId, type UserId } from "../../prelude/ids.ts";
import { fold } from "../../users/identifier.ts";
import type { UserStore } from "../../users/store.ts";
import { USER_STATES, type User, type UserChange } from "../../users/user.ts";
import { problem } from "../problem.ts";
import { json, type Reply } from "../reply.ts";
import { administrative, type Route } from "../route.ts";
import { ended, type Wait, waitQuery } from "./confirmation.ts";
import { name, page, role } from "./fields.ts";
import { userSchema, userView } from "./views.ts";

const one = z.object({ user: userSchema });

export function adminUserRoutes({
  users,
  confirming,
}: {
  readonly users: UserStore;
  readonly confirming: Confirming;
}): readonly Route[] {
  /** Applies wishes one after the other; the first refusal stops. */
  const apply = async (id: UserId, wishes: readonly UserChange[], cause: Cause, wait: Wait): Promise<Reply> => {
    let user: User | undefined = await users.find(id);
    if (user === undefined || user.state === "deleted") return problem("not_found");
    for (const wish of wishes) {
      const changed = await users.change(id, wish, cause);
      if (!changed.ok) return problem(changed.refusal);
      user = changed.user;
    }
    return ended(confirming, wait, true, { user: userView(user) });
  };
  return [
    administrative(
      {
        method: "GET",
        path: "/v1/admin/users",
        group: "Administration",
        summary: "Users, oldest first",
        query: z.strictObject({
          ...page,
          state: z.enum(USER_STATES).optional(),
          identifier: z.string().max(320).optional().describe("what the normalised identifier begins with"),
        }),
        answer: {
          status: 200,
          schema: z.object({ users: z.array(userSchema), next: z.string().nullable() }),
          says: "A page of users.",
        },
      },
      async ({ query }) => {
        const filter = {
          ...(query.state === undefined ? {} : { state: query.state }),
          ...(query.identifier === undefined ? {} : { startsWith: fold(query.identifier) }),
        };
        const { items, next } = await users.list(filter, { limit: query.limit, after: query.after ?? null });
        return json(200, { users: items.map(userView), next });
      },
    ),
    administrative(
      {
        method: "GET",
        path: "/v1/admin/users/{id}",
        group: "Administration",
        summary: "One user",
        answer: { status: 200, schema: one, says: "The user." },
        problems: ["not_found"],
      },
      async ({ params }) => {
        const user = await users.find(asId("user", params.id ?? ""));
        return user === undefined ? problem("not_found") : json(200, { user: userView(user) });
      },
    ),
    administrative(
      {
        method: "PATCH",
        path: "/v1/admin/users/{id}",
        group: "Administration",
        summary: "Change a user: name, roles, state",
        query: z.strictObject(waitQuery),
        body: z.strictObject({
          name: name.optional(),
          roles: z.array(role).max(50).optional(),
          state: z.enum(["active", "disabled"]).optional().describe("disabling ends every session at once"),
        }),
        answer: {
          status: 200,
          schema: one,
          says: "The user after the change; with `wait=all` also how far that has come.",
        },
        problems: ["not_found", "conflict"],
      },
      ({ params, body, query, cause }) => {
        const wishes: UserChange[] = [];
        if (body.name !== undefined) wishes.push({ kind: "rename", name: body.name });
        if (body.roles !== undefined) wishes.push({ kind: "set_roles", roles: [...new Set(body.roles)] });
        if (body.state !== undefined) wishes.push({ kind: body.state === "disabled" ? "disable" : "enable" });
        return apply(asId("user", params.id ?? ""), wishes, cause, query);
      },
    ),
    administrative(
      {
        method: "DELETE",
        path: "/v1/admin/users/{id}",
        group: "Administration",
        summary: "Delete a user: every session ends, the identifier is free again",
        query: z.strictObject(waitQuery),
        answer: {
          status: 204,
          schema: null,
          says: "The account is gone. With `wait=all`: 200, and how far that has come.",
        },
        problems: ["not_found"],
      },
      async ({ params, query, cause }) => {
        const changed = await users.change(asId("user", params.id ?? ""), { kind: "delete" }, cause);
        return changed.ok ? ended(confirming, query, true) : problem(changed.refusal);
      },
    ),
  ];
}

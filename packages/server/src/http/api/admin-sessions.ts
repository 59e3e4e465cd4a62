/** `/v1/admin/sessions`: whose sessions there are, and ending one, a user's, or everyone's (ASVS 7.4.5). */
import { z } from "zod";
import type { Confirming } from "../../feed/confirming.ts";
import { asId } from "../../prelude/ids.ts";
import { END_REASONS } from "../../revocation/entry.ts";
import type { Session } from "../../sessions/session.ts";
import type { SessionStore } from "../../sessions/store.ts";
import { problem } from "../problem.ts";
import { json } from "../reply.ts";
import { administrative, type Route } from "../route.ts";
import { ended, waitQuery } from "./confirmation.ts";
import { id, page } from "./fields.ts";
import { invalid } from "./log-in.ts";
import { sessionSchema, sessionView, time } from "./views.ts";

export const adminSessionSchema = sessionSchema.omit({ current: true }).extend({
  user_id: z.string(),
  ended_at: z.iso.datetime().nullable(),
  end_reason: z.enum(END_REASONS).nullable(),
});

export function adminSessionView(session: Session): z.infer<typeof adminSessionSchema> {
  const { current: _, ...view } = sessionView(session, null);
  const { ended } = session;
  return {
    ...view,
    user_id: session.user,
    ended_at: ended === null ? null : time(ended.at),
    end_reason: ended?.reason ?? null,
  };
}

export function adminSessionRoutes({
  sessions,
  confirming,
}: {
  readonly sessions: SessionStore;
  readonly confirming: Confirming;
}): readonly Route[] {
  return [
    administrative(
      {
        method: "GET",
        path: "/v1/admin/sessions",
        group: "Administration",
        summary: "Sessions, newest first",
        query: z.strictObject({ ...page, user: id.optional(), live: z.stringbool().optional() }),
        answer: {
          status: 200,
          schema: z.object({ sessions: z.array(adminSessionSchema), next: z.string().nullable() }),
          says: "A page of sessions.",
        },
      },
      async ({ query }) => {
        const filter = {
          ...(query.user === undefined ? {} : { user: asId("user", query.user) }),
          ...(query.live === undefined ? {} : { live: query.live }),
        };
        const { items, next } = await sessions.list(filter, { limit: query.limit, after: query.after ?? null });
        return json(200, { sessions: items.map(adminSessionView), next });
      },
    ),
    administrative(
      {
        method: "DELETE",
        path: "/v1/admin/sessions/{id}",
        group: "Administration",
        summary: "End one session",
        query: z.strictObject(waitQuery),
        answer: {
          status: 204,
          schema: null,
          says: "It has ended. With `wait=all`: 200, and how far that has come.",
        },
        problems: ["not_found"],
      },
      async ({ params, query, cause }) => {
        const session = asId("session", params.id ?? "");
        if ((await sessions.find(session)) === undefined) return problem("not_found");
        await sessions.end({ session }, "admin", cause);
        return ended(confirming, query, true);
      },
    ),
    administrative(
      {
        method: "DELETE",
        path: "/v1/admin/sessions",
        group: "Administration",
        summary: "End all sessions of a user, or of everyone",
        query: z.strictObject({
          user: id.optional(),
          confirm: z.literal("everyone").optional().describe("asked for where no user is named"),
          ...waitQuery,
        }),
        answer: {
          status: 200,
          schema: z.object({ ended: z.number().int() }),
          says: "How many sessions ended; with `wait=all` also how far that has come.",
        },
      },
      async ({ query, cause }) => {
        if (query.user === undefined && query.confirm === undefined) {
          return invalid("/confirm", "must be `everyone` where no user is named: it logs everybody out");
        }
        const target = query.user === undefined ? { everyone: true as const } : { user: asId("user", query.user) };
        return ended(confirming, query, true, { ended: await sessions.end(target, "admin", cause) });
      },
    ),
  ];
}

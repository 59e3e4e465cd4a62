/** My devices: `GET /v1/sessions`, and logging out here, there and everywhere. */
import { z } from "zod";
import type { Cause } from "../../audit/event.ts";
import type { Confirming } from "../../feed/confirming.ts";
import { asId } from "../../prelude/ids.ts";
import type { EndTarget, SessionStore } from "../../sessions/store.ts";
import { clearCookie } from "../cookies.ts";
import { problem } from "../problem.ts";
import { json, type Reply } from "../reply.ts";
import { guarded, type Route } from "../route.ts";
import { ended, type Wait, waitQuery } from "./confirmation.ts";
import { sessionSchema, sessionView } from "./views.ts";

export function sessionRoutes(
  { sessions, confirming }: { readonly sessions: SessionStore; readonly confirming: Confirming },
  base: string,
): readonly Route[] {
  const end = async (target: EndTarget, cause: Cause, here: boolean, wait: Wait): Promise<Reply> => {
    await sessions.end(target, "logout", cause);
    const answer = await ended(confirming, wait, false);
    if (here) answer.cookies.push(clearCookie("refresh", base), clearCookie("session", base));
    return answer;
  };
  const gone = {
    status: 204,
    schema: null,
    says: "It has ended, and this server honours it no more. With `wait=all`: 200, and how far that has come.",
  };
  const query = z.strictObject(waitQuery);
  return [
    guarded(
      {
        method: "GET",
        path: "/v1/sessions",
        group: "Sessions",
        summary: "My devices: the live sessions, newest first",
        answer: { status: 200, schema: z.object({ sessions: z.array(sessionSchema) }), says: "The live sessions." },
      },
      async (_call, caller) => {
        const live = await sessions.listLive(caller.user);
        return json(200, { sessions: live.map((session) => sessionView(session, caller.session)) });
      },
    ),
    guarded(
      {
        method: "DELETE",
        path: "/v1/sessions/current",
        group: "Sessions",
        summary: "Log out here",
        query,
        answer: gone,
      },
      (call, caller) => end({ session: caller.session, owner: caller.user, shown: true }, call.cause, true, call.query),
    ),
    guarded(
      {
        method: "DELETE",
        path: "/v1/sessions/{id}",
        group: "Sessions",
        summary: "Log out there: end one session",
        query,
        answer: gone,
        problems: ["not_found"],
      },
      async (call, caller) => {
        const session = asId("session", call.params.id ?? "");
        const found = await sessions.find(session);
        // Another user's session is answered like none at all.
        if (found?.user !== caller.user) return problem("not_found");
        return end({ session, owner: caller.user }, call.cause, session === caller.session, call.query);
      },
    ),
    guarded(
      {
        method: "DELETE",
        path: "/v1/sessions",
        group: "Sessions",
        summary: "Log out everywhere",
        query: z.strictObject({
          keep: z.literal("current").optional().describe("keep=current spares this session"),
          ...waitQuery,
        }),
        answer: gone,
      },
      (call, caller) => {
        const keep = call.query.keep === "current";
        const target = keep ? { user: caller.user, except: caller.session } : { user: caller.user };
        return end(target, call.cause, !keep, call.query);
      },
    ),
  ];
}

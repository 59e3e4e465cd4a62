/** `POST /v1/sessions`: log in. */
import { z } from "zod";
import { CLIENT_KINDS, DEFAULT_CLIENT } from "../../clients/client.ts";
import type { ClientStore } from "../../clients/store.ts";
import { asId } from "../../prelude/ids.ts";
import type { LogInAction, LogInRefusal } from "../../signin/log-in.ts";
import { deviceCookie, readCookie, setCookie } from "../cookies.ts";
import { problem } from "../problem.ts";
import { json, type Reply } from "../reply.ts";
import { open, type Route } from "../route.ts";
import { id, identifier, name, password, scope, token } from "./fields.ts";
import { sessionSchema, sessionView, tokenSchema, tokenView, userSchema, userView } from "./views.ts";

export interface SessionRouteOptions {
  /** The path under which the API is mounted; empty at the root. */
  readonly base: string;
  readonly now: () => number;
}

export const mode = z.strictObject({ mode: z.enum(["json", "cookie"]).optional() });

function refusal(result: LogInRefusal): Reply {
  switch (result.code) {
    case "invalid_credentials":
      return problem("invalid_credentials");
    case "invalid_scope":
      return invalid("/scope", "asks for more than the client may have");
    case "rate_limited":
      return problem("rate_limited", { retryAfter: result.retryAfter });
    case "overloaded":
      return problem("overloaded", { retryAfter: result.retryAfter });
    case "session_limit":
      return problem("session_limit", {
        members: { sessions: result.sessions.map((session) => sessionView(session, null)) },
      });
  }
}

export function invalid(pointer: string, detail: string): Reply {
  return problem("validation_failed", { members: { faults: [{ pointer, detail }] } });
}

export function logInRoute(
  services: { logIn: LogInAction; clients: ClientStore },
  options: SessionRouteOptions,
): Route {
  return open(
    {
      method: "POST",
      path: "/v1/sessions",
      group: "Sessions",
      summary: "Log in",
      query: mode,
      body: z.strictObject({
        identifier,
        password,
        device: z
          .strictObject({ name: name.optional(), token: token.optional() })
          .optional()
          .describe("`token`: the device_token of an earlier log-in here, which the account's throttle does not block"),
        end_session: id.optional().describe("the session to end for this one, where the limit asks"),
        client_id: id.optional(),
        scope: scope.optional(),
      }),
      answer: {
        status: 201,
        schema: tokenSchema.extend({
          session: sessionSchema,
          user: userSchema,
          device_token: z.string().optional(),
        }),
        says: "A session began.",
      },
      problems: ["invalid_credentials", "session_limit", "rate_limited", "overloaded"],
    },
    async ({ body, query, headers, cause, network }) => {
      const client = await services.clients.find(asId("client", body.client_id ?? DEFAULT_CLIENT));
      if (client === undefined || !CLIENT_KINDS[client.kind].signsIn) {
        return invalid("/client_id", "is no client that users sign in with");
      }
      const result = await services.logIn(
        {
          identifier: body.identifier,
          password: body.password,
          client,
          scope: body.scope?.split(" ") ?? null,
          deviceName: body.device?.name ?? null,
          deviceToken: body.device?.token ?? readCookie(headers, "device"),
          userAgent: headers.get("user-agent"),
          network,
          endSession: body.end_session === undefined ? null : asId("session", body.end_session),
        },
        cause,
      );
      if (!result.ok) return refusal(result);
      const { tokens, session, user, deviceToken } = result;
      const cookies = query.mode === "cookie";
      const answer = json(201, {
        session: sessionView(session, session.id),
        user: userView(user),
        ...tokenView(tokens, query.mode ?? "json"),
        ...(cookies ? {} : { device_token: deviceToken }),
      });
      if (cookies) {
        const age = (tokens.refreshExpiresAt - options.now()) / 1000;
        answer.cookies.push(setCookie("refresh", options.base, tokens.refreshToken, age));
        answer.cookies.push(deviceCookie(deviceToken, options.base));
      }
      return answer;
    },
  );
}

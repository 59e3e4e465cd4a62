/** `POST /v1/sessions`: log in. */
import { z } from "zod";
import { CLIENT_KINDS, DEFAULT_CLIENT } from "../../clients/client.ts";
import type { ClientStore } from "../../clients/store.ts";
import { asId } from "../../prelude/ids.ts";
import type { Session } from "../../sessions/session.ts";
import type { Held, LogInAction, LogInRefusal } from "../../signin/log-in.ts";
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
  /** What a log-in gets that does not say what it wants. */
  readonly usual: LogInMode;
}

/** `json`: both tokens in the body. `cookie`: the refresh token in a cookie. `session`: one session token, in a cookie. */
export const LOG_IN_MODES = ["json", "cookie", "session"] as const;
export type LogInMode = (typeof LOG_IN_MODES)[number];

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
      query: z.strictObject({ mode: z.enum(LOG_IN_MODES).optional() }),
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
        schema: tokenSchema.partial().extend({
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
      const mode = query.mode ?? options.usual;
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
          holds: mode === "session" ? "session_token" : "tokens",
        },
        cause,
      );
      if (!result.ok) return refusal(result);
      const { held, session, user, deviceToken } = result;
      const answer = json(201, {
        session: sessionView(session, session.id),
        user: userView(user),
        ...(held.holds === "tokens" ? tokenView(held.tokens, mode === "json") : {}),
        ...(mode === "json" ? { device_token: deviceToken } : {}),
      });
      if (mode === "json") return answer;
      answer.cookies.push(credentialCookie(held, session, options));
      answer.cookies.push(deviceCookie(deviceToken, options.base));
      return answer;
    },
  );
}

function credentialCookie(held: Held, session: Session, { base, now }: SessionRouteOptions): string {
  if (held.holds === "tokens") {
    return setCookie("refresh", base, held.tokens.refreshToken, (held.tokens.refreshExpiresAt - now()) / 1000);
  }
  // Whether it went idle is looked up: the cookie need not be set anew at every use.
  return setCookie("session", base, held.sessionToken, (session.expiresAt - now()) / 1000);
}

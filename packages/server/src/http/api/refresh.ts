/** `POST /v1/sessions/refresh`: a new access token and the next refresh token. */
import { z } from "zod";
import { DEFAULT_CLIENT } from "../../clients/client.ts";
import { asId } from "../../prelude/ids.ts";
import type { RefreshAction, RefreshRequest, RefreshResult } from "../../signin/refresh.ts";
import type { Throttle } from "../../throttle/throttle.ts";
import { clearCookie, readCookie, setCookie } from "../cookies.ts";
import type { HeaderReader } from "../incoming.ts";
import { problem } from "../problem.ts";
import { json, type Reply } from "../reply.ts";
import { open, type Route } from "../route.ts";
import { id, token, url } from "./fields.ts";
import { invalid, LOG_IN_MODES, type SessionRouteOptions } from "./log-in.ts";
import { sessionSchema, sessionView, tokenSchema, tokenView } from "./views.ts";

function refusal(result: RefreshResult & { ok: false }): Reply {
  switch (result.code) {
    case "session_ended":
      return problem("session_ended", { members: { reason: result.reason } });
    case "invalid_audience":
      return invalid("/audience", "is no audience that tokens are issued for");
    default:
      return problem(result.code);
  }
}

/** A refusal that ends the matter, so that a cookie holding the token is of no more use. */
const DEFINITE: readonly string[] = ["invalid_refresh_token", "refresh_token_replayed", "session_ended"];

export function refreshRoute(
  services: { refresh: RefreshAction; throttle: Throttle },
  options: SessionRouteOptions,
): Route {
  return open(
    {
      method: "POST",
      path: "/v1/sessions/refresh",
      group: "Sessions",
      summary: "Refresh: a new access token and the next refresh token; by a session token, an access token",
      query: z.strictObject({ mode: z.enum(LOG_IN_MODES).optional() }),
      body: z.strictObject({
        refresh_token: token.optional().describe("or the cookie"),
        audience: url.optional(),
        client_id: id.optional(),
        device_token: token.optional().describe("proof of the same device, beside the Idempotency-Key header"),
      }),
      answer: { status: 200, schema: tokenSchema.extend({ session: sessionSchema }), says: "The tokens were renewed." },
      problems: ["invalid_refresh_token", "refresh_token_replayed", "session_ended", "forbidden", "rate_limited"],
    },
    async ({ body, headers, cause, network }) => {
      const given = presentedBy(body.refresh_token, headers);
      if (given === null)
        return problem("invalid_refresh_token", { detail: "There is no refresh token in the request." });
      const idempotencyKey = headers.get("idempotency-key");
      if (idempotencyKey !== null && !/^[\x21-\x7e]{8,200}$/.test(idempotencyKey)) {
        return problem("malformed_request", { detail: "The Idempotency-Key is not 8 to 200 visible characters." });
      }
      const admission = await services.throttle.admit("refused_refreshes_of_address", network);
      if (!admission.allowed) return problem("rate_limited", { retryAfter: admission.retryAfter });
      try {
        const result = await services.refresh(
          {
            presented: given.presented,
            client: asId("client", body.client_id ?? DEFAULT_CLIENT),
            audience: body.audience ?? null,
            idempotencyKey,
            deviceToken: body.device_token ?? readCookie(headers, "device"),
          },
          cause,
        );
        if (!result.ok) {
          const answer = refusal(result);
          if (given.cookie !== null && DEFINITE.includes(result.code)) {
            answer.cookies.push(clearCookie(given.cookie, options.base));
          }
          return answer;
        }
        await admission.permit.giveBack();
        const { tokens, standing } = result;
        const answer = json(200, {
          ...tokenView(tokens, given.cookie === null),
          session: sessionView(standing.session, standing.session.id),
        });
        if (given.cookie === "refresh") {
          const age = (tokens.refreshExpiresAt - options.now()) / 1000;
          answer.cookies.push(setCookie("refresh", options.base, tokens.refreshToken, age));
        }
        return answer;
      } finally {
        admission.permit.keep();
      }
    },
  );
}

interface Given {
  readonly presented: RefreshRequest["presented"];
  /** The cookie that it came in. */
  readonly cookie: "refresh" | "session" | null;
}

function presentedBy(refreshToken: string | undefined, headers: HeaderReader): Given | null {
  if (refreshToken !== undefined) return { presented: { refreshToken }, cookie: null };
  const refresh = readCookie(headers, "refresh");
  if (refresh !== null) return { presented: { refreshToken: refresh }, cookie: "refresh" };
  const session = readCookie(headers, "session");
  return session === null ? null : { presented: { sessionToken: session }, cookie: "session" };
}

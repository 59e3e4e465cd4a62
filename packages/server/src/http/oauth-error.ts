/**
 * Refusals as the OAuth endpoints word them (RFC 6749 §5.2, RFC 7009 §2.2.1): the same "no", in the words that every OAuth
 * library reads.
 */
import type { ProblemCode } from "./problem.ts";
import type { Reply } from "./reply.ts";

type OAuthError =
  | "invalid_request"
  | "invalid_client"
  | "invalid_grant"
  | "unsupported_token_type"
  | "access_denied"
  | "temporarily_unavailable"
  | "server_error";

/** What is not named here is a mistake in the request. A wrong method or path stays what it is in HTTP. */
const ERRORS: ReadonlyMap<string, OAuthError> = table({
  invalid_client: "invalid_client",
  forbidden: "access_denied",
  rate_limited: "temporarily_unavailable",
  unavailable: "temporarily_unavailable",
  overloaded: "temporarily_unavailable",
  internal_error: "server_error",
});
const STATUS: ReadonlyMap<string, number> = table({
  validation_failed: 400,
  unsupported_media_type: 400,
  payload_too_large: 413,
});

function table<Value>(rows: Partial<Record<ProblemCode, Value>>): ReadonlyMap<string, Value> {
  return new Map(Object.entries(rows));
}

export function oauthError(status: number, error: OAuthError, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
    cookies: [],
    body: JSON.stringify({ error }),
  };
}

/** A problem document becomes an OAuth error; anything else stays as it is. */
export function oauthReply(reply: Reply): Reply {
  if (reply.problem === undefined) return reply;
  const headers = { ...reply.headers, "content-type": "application/json" };
  return oauthError(STATUS.get(reply.problem) ?? reply.status, ERRORS.get(reply.problem) ?? "invalid_request", headers);
}

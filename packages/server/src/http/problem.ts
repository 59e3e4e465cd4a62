/**
 * Every "no" that the first-party API says, as one table: RFC 9457 problem documents with a stable `code`. The client
 * learns little; what the log learns is the caller's business.
 */

import type { Reply } from "./reply.ts";

interface ProblemRow {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
}

export const PROBLEMS = {
  malformed_json: { status: 400, title: "Malformed JSON", detail: "The body is not JSON in valid UTF-8." },
  malformed_request: { status: 400, title: "Malformed request", detail: "The request cannot be read." },
  missing_token: { status: 401, title: "Unauthorized", detail: "This needs an access token." },
  invalid_token: { status: 401, title: "Unauthorized", detail: "The access token is not valid here." },
  invalid_credentials: { status: 401, title: "Unauthorized", detail: "The identifier or the password is wrong." },
  invalid_refresh_token: { status: 401, title: "Unauthorized", detail: "The refresh token is not valid." },
  refresh_token_replayed: {
    status: 401,
    title: "Unauthorized",
    detail: "The refresh token had been used already. The session was ended to protect its owner: log in again.",
  },
  session_ended: { status: 401, title: "Unauthorized", detail: "The session has ended: log in again." },
  invalid_client: {
    status: 401,
    title: "Unauthorized",
    detail: "This needs the id and secret of a resource server (HTTP Basic).",
  },
  forbidden: { status: 403, title: "Forbidden", detail: "This is not allowed." },
  not_found: { status: 404, title: "Not found", detail: "There is nothing here." },
  method_not_allowed: { status: 405, title: "Method not allowed", detail: "This address answers other methods." },
  not_acceptable: { status: 406, title: "Not acceptable", detail: "This is not to be had in a form that is accepted." },
  identifier_taken: { status: 409, title: "Conflict", detail: "There is an account with this identifier." },
  client_id_taken: { status: 409, title: "Conflict", detail: "There is a client with this id." },
  conflict: { status: 409, title: "Conflict", detail: "Something else changed this at the same time: read it again." },
  session_limit: {
    status: 409,
    title: "Conflict",
    detail:
      "The account has as many sessions as it may have. End one of them, or name it in end_session where the server asks.",
  },
  payload_too_large: { status: 413, title: "Payload too large", detail: "The body is larger than 64 KiB." },
  unsupported_media_type: { status: 415, title: "Unsupported media type", detail: "Send application/json." },
  upgrade_required: { status: 426, title: "Upgrade required", detail: "This address speaks WebSocket." },
  validation_failed: {
    status: 422,
    title: "Unprocessable content",
    detail: "The request has members that are not as they should be.",
  },
  weak_password: { status: 422, title: "Unprocessable content", detail: "The password is too easy to guess." },
  rate_limited: { status: 429, title: "Too many requests", detail: "Too many attempts: wait, then try again." },
  internal_error: {
    status: 500,
    title: "Internal server error",
    detail: "The request failed here. Trying again will not help; the request id names it in the log.",
  },
  not_implemented: { status: 501, title: "Not implemented", detail: "This server does not do that." },
  unavailable: {
    status: 503,
    title: "Service unavailable",
    detail: "This cannot be done at the moment. Nothing was changed: try again.",
  },
  overloaded: {
    status: 503,
    title: "Service unavailable",
    detail: "Too many log-ins are waiting. Nothing was changed: try again.",
  },
} as const satisfies Record<string, ProblemRow>;

export type ProblemCode = keyof typeof PROBLEMS;

export interface ProblemOptions {
  readonly detail?: string;
  /** Further members of the document. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Seconds. */
  readonly retryAfter?: number;
}

/** RFC 6750 §3: what a protected resource answers beside 401 and 403. */
function challengeOf(code: ProblemCode): string | undefined {
  if (code === "missing_token") return 'Bearer realm="mapae"';
  if (code === "invalid_token") return 'Bearer realm="mapae", error="invalid_token"';
  // RFC 6749 §5.2, RFC 7617 §2.1.
  if (code === "invalid_client") return 'Basic realm="mapae", charset="UTF-8"';
  return undefined;
}

export function problem(code: ProblemCode, options: ProblemOptions = {}): Reply {
  const row = PROBLEMS[code];
  const body = {
    type: "about:blank",
    title: row.title,
    status: row.status,
    code,
    detail: options.detail ?? row.detail,
    ...options.members,
  };
  const headers: Record<string, string> = {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    ...options.headers,
  };
  const challenge = challengeOf(code);
  if (challenge !== undefined) headers["www-authenticate"] = challenge;
  if (options.retryAfter !== undefined) headers["retry-after"] = String(Math.max(1, Math.ceil(options.retryAfter)));
  return { status: row.status, headers, cookies: [], body: JSON.stringify(body), problem: code };
}

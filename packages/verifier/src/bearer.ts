/**
 * The bearer scheme on the wire: how a token is read from a request, and the one place where a refusal becomes an HTTP
 * answer. Adapters only carry what this file says into their framework.
 *
 *   Authorization ──► readBearer ──► token ──► verifier ──► guards ──► handler
 *                         │                       │            │
 *                         └───────── Denial ◄─────┴────────────┘ ──► answerDenial ──► status, headers, problem+json
 *
 * The client learns little (that the token is of no use, that it expired or was revoked and why, what more is needed);
 * which check failed is in the denial's own `code`, for the log.
 */
import type { GuardRefusal } from "./guards.ts";
import type { Refusal, Revoked } from "./refusals.ts";
import type { Undecided } from "./verdict.ts";

/** The request brought no token, or brought it in a way that cannot be read. */
export interface NoToken {
  readonly ok: false;
  readonly code: "missing_token" | "malformed_authorization";
  readonly message: string;
}

/** Every reason for which a request does not reach its handler. */
export type Denial = NoToken | Refusal | Revoked | Undecided | GuardRefusal;

export type Credentials = { readonly ok: true; readonly token: string } | NoToken;

const MISSING: NoToken = Object.freeze({
  ok: false,
  code: "missing_token",
  message: "The request has no bearer token.",
});
const MALFORMED: NoToken = Object.freeze({
  ok: false,
  code: "malformed_authorization",
  message: "The request does not have exactly one well-formed Authorization header.",
});

const SCHEME = /^Bearer(?: |$)/i;
// RFC 6750 §2.1: credentials = "Bearer" 1*SP b64token, and RFC 9110 §11.1: the scheme's name is case-insensitive.
const CREDENTIALS = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * The token of a request, from its header only: RFC 9700 §4.3.2 forbids the query, and a body is not read for it.
 *
 * @param values every `Authorization` header of the request, each as its own string, in any order
 */
export function readBearer(values: readonly string[]): Credentials {
  const [value, second] = values;
  if (value === undefined) return MISSING;
  // Two headers: servers on a path disagree about which one counts (RFC 9110 §5.3), so neither does.
  if (second !== undefined) return MALFORMED;
  // RFC 6750 §3.1: a request with another scheme is one without a token, and gets no error code.
  if (!SCHEME.test(value)) return MISSING;
  const token = CREDENTIALS.exec(value)?.[1];
  return token === undefined ? MALFORMED : { ok: true, token };
}

interface Wire {
  readonly status: 400 | 401 | 403 | 500 | 503;
  /** `error` of the challenge (RFC 6750 §3.1, RFC 9470 §3); null where a challenge carries none. */
  readonly error:
    | "invalid_request"
    | "invalid_token"
    | "insufficient_scope"
    | "insufficient_user_authentication"
    | null;
  /** `code` of the problem document: stable, for programs. */
  readonly code: string;
  /** For people; also the challenge's `error_description`, so it keeps to the characters of RFC 6750 §3. */
  readonly says: string;
}

const INVALID: Wire = {
  status: 401,
  error: "invalid_token",
  code: "invalid_token",
  says: "The access token is not valid here.",
};
const EXPIRED: Wire = { ...INVALID, says: "The access token has expired." };
const UNAVAILABLE: Wire = {
  status: 503,
  error: null,
  code: "unavailable",
  says: "The access token cannot be verified at the moment. It may be good: try again with the same one.",
};
const FAULT: Wire = { status: 500, error: null, code: "internal_error", says: "The request failed on the server." };

/** Total: a new code does not compile until it has its row. */
const WIRE = {
  missing_token: { status: 401, error: null, code: "missing_token", says: "This needs an access token." },
  malformed_authorization: {
    status: 400,
    error: "invalid_request",
    code: "invalid_request",
    says: "Send exactly one Authorization header: Bearer, a space, the token.",
  },
  malformed_token: INVALID,
  not_decryptable: INVALID,
  token_too_large: INVALID,
  malformed_header: INVALID,
  unsupported_header: INVALID,
  unsupported_algorithm: INVALID,
  algorithm_mismatch: INVALID,
  unknown_key: INVALID,
  invalid_signature: INVALID,
  malformed_claims: INVALID,
  invalid_type: INVALID,
  missing_claim: INVALID,
  invalid_claim: INVALID,
  invalid_issuer: INVALID,
  invalid_audience: INVALID,
  token_expired: EXPIRED,
  token_not_yet_valid: INVALID,
  token_lifetime_exceeded: INVALID,
  token_revoked: { ...INVALID, code: "token_revoked", says: "The access token was revoked." },
  insufficient_scope: {
    status: 403,
    error: "insufficient_scope",
    code: "insufficient_scope",
    says: "The access token lacks a scope that this needs.",
  },
  insufficient_role: {
    status: 403,
    error: "insufficient_scope",
    code: "insufficient_role",
    says: "The user lacks a role that this needs.",
  },
  login_too_old: {
    status: 401,
    error: "insufficient_user_authentication",
    code: "insufficient_user_authentication",
    says: "This needs a more recent login.",
  },
  keys_unavailable: UNAVAILABLE,
  revocation_unknown: UNAVAILABLE,
  verifier_closed: UNAVAILABLE,
  check_required: FAULT,
  verification_fault: FAULT,
} as const satisfies Record<Denial["code"], Wire>;

const TITLES: Record<Wire["status"], string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** How long a client should wait after a 503: about as long as the verifier waits before it asks the issuer again. */
const RETRY_AFTER_SECONDS = 2;

/** RFC 9457. */
export interface Problem {
  readonly type: "about:blank";
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** Of a token that was revoked: why, so that the client can tell its user. */
  readonly reason?: string;
}

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly problem: Problem;
}

/** A quoted-string (RFC 9110 §5.6.4) of the characters that need no escape; any other is left out. */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "")}"`;
}

/** RFC 6750 §3: the scheme is followed by at least one parameter, so `realm` always stands. */
function challenge(denial: Denial, wire: Wire, realm: string): string {
  const parameters = [`realm=${quoted(realm)}`];
  if (wire.error !== null) parameters.push(`error="${wire.error}"`, `error_description=${quoted(wire.says)}`);
  if (denial.code === "insufficient_scope") parameters.push(`scope=${quoted(denial.scope)}`);
  if (denial.code === "login_too_old") parameters.push(`max_age=${quoted(String(denial.maxAge))}`);
  return `Bearer ${parameters.join(", ")}`;
}

/** @param realm names what is protected; by convention the resource server's audience */
export function answerDenial(denial: Denial, realm: string): Answer {
  const wire: Wire = WIRE[denial.code];
  const headers: Record<string, string> = {
    "content-type": "application/problem+json",
    "cache-control": "no-store",
  };
  // RFC 9110 §15.6.4. Never a challenge here: it would send the client to the login although its token may be good.
  if (wire.status === 503) headers["retry-after"] = String(RETRY_AFTER_SECONDS);
  else if (wire.status !== 500) headers["www-authenticate"] = challenge(denial, wire, realm);
  const problem: Problem = {
    type: "about:blank",
    title: TITLES[wire.status],
    status: wire.status,
    code: wire.code,
    detail: wire.says,
    ...(denial.code === "token_revoked" ? { reason: denial.reason } : {}),
  };
  return { status: wire.status, headers, problem };
}

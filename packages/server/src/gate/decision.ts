/**
 * The gate itself: from a request's credentials and its route's requirements to an answer that a proxy understands.
 *
 *   Authorization ──► token ──► verifier ──► guards ──► 204, who it is
 *                       │           │           │
 *                       └───────────┴───────────┴────► 401 · 403 · 503 · 500, what to tell the client
 *
 * `auth_request` of nginx knows 2xx, 401 and 403; all else it calls a failure. So a malformed header, which is 400 where
 * an API answers for itself, is 401 here, and 503 is what the proxy's configuration makes of a failure.
 */
import { answerDenial, type Denial, type Problem, readBearer, type Verifier } from "@mapae/verifier";
import { identityOf } from "./identity.ts";
import type { Requirements } from "./requirements.ts";

export interface Answer {
  readonly status: number;
  /** Names and values by turns. */
  readonly headers: readonly string[];
  readonly body: string | null;
}

/** How a request ended, for the count: `accepted`, `anonymous`, or why not. */
export type Outcome = "accepted" | "anonymous" | "invalid_requirement" | Denial["code"];

export interface Decision {
  readonly outcome: Outcome;
  readonly answer: Answer;
}

/**
 * @param authorization the one `Authorization` header of the request; several are joined by commas and so none is one
 * @param query the requirements, as they came
 */
export type Decide = (authorization: string | undefined, query: string) => Promise<Decision>;

const NO_STORE = ["Cache-Control", "no-store"] as const;
const ANONYMOUS: Decision = { outcome: "anonymous", answer: { status: 204, headers: NO_STORE, body: null } };

/** @param read requirements by their query (requirements.ts) */
export function createDecide(
  verifier: Verifier,
  read: (
    query: string,
  ) => { readonly ok: true; readonly requirements: Requirements } | { readonly ok: false; readonly fault: string },
  realm: string,
): Decide {
  // Refusals are one object for each code, and guards' one for each guard: their answers are written once.
  const denied = new WeakMap<Denial, Decision>();
  const deny = (denial: Denial): Decision => {
    let decision = denied.get(denial);
    if (decision === undefined) {
      decision = { outcome: denial.code, answer: answerOf(denial, realm) };
      denied.set(denial, decision);
    }
    return decision;
  };
  return async (authorization, query) => {
    const asked = read(query);
    if (!asked.ok) return misconfigured(asked.fault);
    const { guards, anonymous, onStale } = asked.requirements;
    // Only a request without the header is nobody's: an API might believe a scheme that is not looked at here.
    if (authorization === undefined && anonymous) return ANONYMOUS;
    const credentials = readBearer(authorization === undefined ? [] : [authorization]);
    if (!credentials.ok) return deny(credentials);
    const verdict = await verifier.check(credentials.token, { onStale });
    if (!verdict.ok) return deny(verdict);
    const now = verifier.clock() / 1000;
    for (const guard of guards) {
      const guarded = guard(verdict.claims, now);
      if (!guarded.ok) return deny(guarded);
    }
    return accepted(verdict.claims);
  };
}

function accepted(claims: Parameters<typeof identityOf>[0]): Decision {
  return { outcome: "accepted", answer: { status: 204, headers: [...NO_STORE, ...identityOf(claims)], body: null } };
}

function misconfigured(fault: string): Decision {
  const problem: Problem = {
    type: "about:blank",
    title: "Internal Server Error",
    status: 500,
    code: "invalid_requirement",
    detail: `The proxy asks for something that the gate does not understand: ${fault}`,
  };
  return { outcome: "invalid_requirement", answer: answerWith(problem, {}) };
}

function answerOf(denial: Denial, realm: string): Answer {
  const { status, headers, problem } = answerDenial(denial, realm);
  if (status !== 400) return answerWith(problem, headers);
  return answerWith({ ...problem, status: 401, title: "Unauthorized" }, headers);
}

/** The problem document stands in a header as well: a proxy drops the body of what it asks, and tells the client. */
function answerWith(problem: Problem, headers: Readonly<Record<string, string>>): Answer {
  const body = JSON.stringify(problem);
  const all = [
    "X-Mapae-Problem",
    /^[\x20-\x7e]*$/.test(body) ? body : "{}",
    "Content-Type",
    "application/problem+json",
  ];
  all.push(...NO_STORE);
  for (const [name, value] of [
    ["WWW-Authenticate", headers["www-authenticate"]],
    ["Retry-After", headers["retry-after"]],
  ]) {
    if (name !== undefined && value !== undefined) all.push(name, value);
  }
  return { status: problem.status, headers: all, body };
}

/**
 * Refusals as the endpoints of Shared Signals have them: the problem documents of the API, under the statuses that the
 * framework lists (SSF 1.0 §8.1): a request that is not as it should be is 400, whatever is wrong with it.
 */
import { PROBLEMS, type ProblemCode } from "./problem.ts";
import type { Reply } from "./reply.ts";

const BAD_REQUESTS: ReadonlySet<string> = new Set<ProblemCode>(["validation_failed", "unsupported_media_type"]);

/** The status under which the endpoints of Shared Signals give a refusal. */
export function ssfStatus(code: ProblemCode): number {
  return BAD_REQUESTS.has(code) ? 400 : PROBLEMS[code].status;
}

export function ssfReply(reply: Reply): Reply {
  if (reply.problem === undefined || !BAD_REQUESTS.has(reply.problem)) return reply;
  // The document repeats its status (RFC 9457 §3.1.2).
  const document = { ...(JSON.parse(String(reply.body)) as object), status: 400 };
  return { ...reply, status: 400, body: JSON.stringify(document) };
}

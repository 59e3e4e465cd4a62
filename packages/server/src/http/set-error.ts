/**
 * Refusals as whoever pushes an event reads them (RFC 8935 §2.3): 400 with the error's name, in JSON. What is no fault of
 * the event (this server cannot say at the moment, or too much came at once) keeps its status and says when to come again.
 */
import { PROBLEMS, type ProblemCode } from "./problem.ts";
import type { Reply } from "./reply.ts";

/** What the event, or the request that carries it, is refused for. */
const OF_THE_EVENT: ReadonlySet<string> = new Set<ProblemCode>([
  "malformed_request",
  "payload_too_large",
  "unsupported_media_type",
  "validation_failed",
]);

/** @param err a name of RFC 8935 §2.4 or SSF 1.0 §8.1.4.1 @param status 400, or 401 where nobody was authenticated */
export function setError(err: string, description: string, status: 400 | 401 = 400): Reply {
  return {
    status,
    headers: {
      "content-type": "application/json",
      "content-language": "en",
      "cache-control": "no-store",
      ...(status === 401 ? { "www-authenticate": 'Bearer realm="mapae"' } : {}),
    },
    cookies: [],
    body: JSON.stringify({ err, description }),
  };
}

export function setErrorStatus(code: ProblemCode): number {
  return OF_THE_EVENT.has(code) ? 400 : PROBLEMS[code].status;
}

export function setErrorReply(reply: Reply): Reply {
  if (reply.problem === undefined || !OF_THE_EVENT.has(reply.problem)) return reply;
  return setError("invalid_request", "The body is no signed event of the type application/secevent+jwt.");
}

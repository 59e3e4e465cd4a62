/** Status lists (Token Status List, draft-ietf-oauth-status-list-21 §8, §9): for whoever was shown a token. */
import { z } from "zod";
import { STATUS_LIST_TYPE } from "../../status/encode.ts";
import type { SignedList, StatusLists } from "../../status/lists.ts";
import { LISTS_PATH } from "../../status/slot.ts";
import type { HeaderReader } from "../incoming.ts";
import { problem } from "../problem.ts";
import { json, type Reply, text } from "../reply.ts";
import { open, type Route } from "../route.ts";

const ID = /^[1-9]\d{0,14}$/;

export function statusListRoutes(lists: StatusLists): readonly Route[] {
  // §8.1: browsers may read it. A cache in between keeps it for half of the time for which its reader may.
  const cached = {
    "cache-control": `public, max-age=${Math.floor(lists.ttlSeconds / 2)}`,
    "access-control-allow-origin": "*",
  };
  return [
    open(
      {
        method: "GET",
        path: `${LISTS_PATH}/{list}`,
        group: "Discovery",
        summary: "A status list: which tokens were taken back, one bit each",
        query: z.strictObject({
          time: z
            .string()
            .regex(/^\d{1,15}$/, "must be seconds since 1970")
            .optional()
            .describe("a moment of the past: not told"),
        }),
        answer: {
          status: 200,
          schema: null,
          says: `\`${STATUS_LIST_TYPE}\`, as the \`status\` of an access token names it.`,
        },
        problems: ["not_found", "not_acceptable", "not_implemented"],
      },
      async ({ params, query, headers }) => {
        // §8.4, §12.7: who was shown a token once should not be able to watch it for ever.
        if (query.time !== undefined) return problem("not_implemented");
        if (!accepts(headers.get("accept"))) return problem("not_acceptable");
        const { list = "" } = params;
        const signed = ID.test(list) ? await lists.signed(Number(list)) : undefined;
        return signed === undefined ? problem("not_found") : reply(signed, headers, cached);
      },
    ),
    open(
      {
        method: "GET",
        path: LISTS_PATH,
        group: "Discovery",
        summary: "The addresses of all status lists",
        answer: {
          status: 200,
          schema: z.object({ status_lists: z.array(z.string()) }),
          says: "To have them before a token names one.",
        },
      },
      async () => json(200, { status_lists: await lists.uris() }, cached),
    ),
  ];
}

/** Whether an Accept header allows the one form that there is (RFC 9110 §12.5.1); none allows any. */
function accepts(accept: string | null): boolean {
  if (accept === null) return true;
  return accept.split(",").some((range) => {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const none = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
    return !none && [STATUS_LIST_TYPE, "application/*", "*/*"].includes(type);
  });
}

function reply({ text: plain, gzip, tag }: SignedList, headers: HeaderReader, cached: Record<string, string>): Reply {
  const packed =
    gzip !== null && /(^|,)\s*gzip\s*(,|;\s*q=(?!0(\.0*)?\s*(,|$))|$)/i.test(headers.get("accept-encoding") ?? "");
  const etag = `"${tag}${packed ? "-gzip" : ""}"`;
  const shared = { ...cached, etag, vary: "Accept-Encoding" };
  const known = headers.get("if-none-match");
  if (known !== null && (known === "*" || known.split(",").some((each) => each.trim().replace(/^W\//, "") === etag))) {
    return { status: 304, headers: shared, cookies: [], body: null };
  }
  const described = { ...shared, "content-type": STATUS_LIST_TYPE };
  return packed ? text(gzip, { ...described, "content-encoding": "gzip" }) : text(plain, described);
}

/** `POST /v1/revocations`: taking something back. feed.ts has the feed that tells every verifier. */
import { parsePosition } from "@mapae/verifier/revocation";
import { z } from "zod";
import { type Owner, type RevocationAction, WIDE } from "../../admin/revocations.ts";
import type { Confirming } from "../../feed/confirming.ts";
import { asId } from "../../prelude/ids.ts";
import { END_REASONS, REVOCATION_KINDS, type RevocationKind } from "../../revocation/entry.ts";
import type { Throttle } from "../../throttle/throttle.ts";
import type { Caller } from "../authenticate.ts";
import { problem } from "../problem.ts";
import { json } from "../reply.ts";
import { administrative, type Route, revoking } from "../route.ts";
import { confirmationSchema, confirmationView, waitBody } from "./confirmation.ts";
import { id } from "./fields.ts";
import { invalid } from "./log-in.ts";

const kinds = Object.keys(REVOCATION_KINDS) as [RevocationKind, ...RevocationKind[]];
/** What stands for the id where everyone is meant. */
const EVERYONE = "everyone";

function ownerOf({ user, claims }: Caller): Owner {
  if (claims === null) return { user, token: null };
  const { jti, gid = "", aud } = claims;
  return { user, token: { jti, grant: asId("grant", gid), audience: typeof aud === "string" ? aud : null } };
}

export interface RevocationServices {
  readonly revoke: RevocationAction;
  readonly confirming: Confirming;
  readonly throttle: Throttle;
}

/** Behind the operator's socket too. */
export function revocationRoutes({ revoke, confirming, throttle }: RevocationServices): readonly Route[] {
  return [
    revoking(
      {
        method: "POST",
        path: "/v1/revocations",
        group: "Revocation",
        summary: "Take something back: a token, session or grant of mine; as an administrator, anything",
        body: z.strictObject({
          kind: z.enum(kinds),
          id: id.optional().describe("jti, sid, gid, user id, client id or kid; none for `all`"),
          reason: z.enum(END_REASONS).optional(),
          confirm: z.string().max(200).optional().describe("for client and key the id again, for all `everyone`"),
          ...waitBody,
        }),
        answer: {
          status: 201,
          schema: confirmationSchema,
          says: "It stands in the log, if there was anything to take back.",
        },
        problems: ["validation_failed", "rate_limited"],
      },
      async ({ body, cause }, caller) => {
        const { kind, id: named = "", confirm, reason, wait = "none", timeout_ms: timeout } = body;
        if ((kind === "all") !== (named === "")) {
          return invalid("/id", kind === "all" ? "is not for `all`" : "must name what is taken back");
        }
        const expected = kind === "all" ? EVERYONE : named;
        if (WIDE[kind] === true && caller === null && confirm !== expected) {
          return invalid(
            "/confirm",
            `must be \`${kind === "all" ? EVERYONE : "id"}\` again: this concerns many at once`,
          );
        }
        if (caller !== null) {
          const admission = await throttle.admit("revocations_of_user", caller.user);
          if (!admission.allowed) return problem("rate_limited", { retryAfter: admission.retryAfter });
          admission.permit.keep();
        }
        const owner = caller === null ? null : ownerOf(caller);
        const outcome = await revoke(
          { kind, id: named, reason: owner === null ? (reason ?? null) : null },
          owner,
          cause,
        );
        if (outcome === "forbidden") return problem("forbidden");
        const progress = await confirming.confirm(wait, timeout ?? null);
        return json(201, confirmationView(progress, owner === null));
      },
    ),
    administrative(
      {
        method: "GET",
        path: "/v1/admin/revocations/{position}",
        group: "Administration",
        summary: "How far a revocation has come, of those of the last minutes",
        answer: {
          status: 200,
          schema: confirmationSchema.extend({ settled: z.boolean().describe("nobody waits for it any more") }),
          says: "Who has acknowledged it by now.",
        },
        problems: ["not_found"],
      },
      async ({ params }) => {
        const asked = parsePosition(params.position);
        const progress = asked === null ? undefined : confirming.look(asked);
        if (progress === undefined) return problem("not_found");
        return json(200, { ...confirmationView(progress, true), settled: progress.settled });
      },
    ),
  ];
}

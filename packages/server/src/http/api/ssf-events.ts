/** `/ssf/events/{id}`: where other providers push their events to (RFC 8935), each with the credential made for it. */
import { z } from "zod";
import { SYSTEM } from "../../audit/event.ts";
import { asId } from "../../prelude/ids.ts";
import { sameBytes } from "../../prelude/secret.ts";
import { type Intake, stateHash as sha256 } from "../../ssf/intake.ts";
import type { ReceiverStore } from "../../ssf/receiver-store.ts";
import { problem } from "../problem.ts";
import { provided, type Route } from "../route.ts";
import { setError } from "../set-error.ts";

export interface EventServices {
  readonly receivers: ReceiverStore;
  readonly intake: Intake;
}

/** What no credential has as its hash. */
const NOBODY = Buffer.alloc(32);

export function eventRoute({ receivers, intake }: EventServices): Route {
  return provided(
    {
      method: "POST",
      path: "/ssf/events/{id}",
      group: "Shared Signals",
      summary: "Take an event of another provider (RFC 8935)",
      body: z.string().min(1),
      answer: { status: 202, schema: null, says: "It was taken, or had been." },
    },
    async ({ params, body, headers, cause }) => {
      const receiver = await receivers.find(asId("receiver", params.id ?? ""));
      const shown = sha256(headers.get("authorization") ?? "");
      // The same for a receiver that does not exist, and for one that is paused or not pushed to.
      const known = sameBytes(shown, receiver?.pushHash ?? NOBODY);
      if (receiver === undefined || !known || receiver.state !== "active") {
        return setError("authentication_failed", "Nobody pushes here with this credential.", 401);
      }
      // Whoever carries it: what an event does is the provider's doing, which no account stands for.
      const taken = await intake.take(receiver, body, { ...cause, actor: SYSTEM.actor });
      if (taken.ok) return { status: 202, headers: { "cache-control": "no-store" }, cookies: [], body: null };
      if (taken.error !== null) return setError(taken.error, taken.description);
      return problem("unavailable", { retryAfter: taken.retryAfter });
    },
  );
}

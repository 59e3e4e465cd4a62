/** How far a revocation has come, on the wire; and the `wait` that every route takes which ends something. */
import { z } from "zod";
import type { Named } from "../../feed/confirm.ts";
import type { Confirming, Progress } from "../../feed/confirming.ts";
import { json, noContent, type Reply } from "../reply.ts";
import { time } from "./views.ts";

/** The longest that a caller may ask to wait: far beyond the longest N. */
const TIMEOUT_MAX_MS = 300_000;

const wait = z
  .enum(["none", "all"])
  .optional()
  .describe("`all`: answer once no verifier anywhere can accept what was taken back, at the latest after N");
const says = "stop waiting after so many milliseconds, unconfirmed";

export const waitQuery = {
  wait,
  timeout_ms: z.coerce.number().int().min(0).max(TIMEOUT_MAX_MS).optional().describe(says),
};
export const waitBody = {
  wait,
  timeout_ms: z.number().int().min(0).max(TIMEOUT_MAX_MS).optional().describe(says),
};

export interface Wait {
  readonly wait?: "none" | "all" | undefined;
  readonly timeout_ms?: number | undefined;
}

const named = z.object({
  client_id: z.string(),
  instance: z.string().optional().describe("the process; told to administrators"),
  verifiers: z.number().int().optional().describe("of a relay: how many behind it are meant"),
});

export const positionSchema = z.object({ epoch: z.number().int(), seq: z.number().int() });

export const confirmationSchema = z.object({
  position: positionSchema,
  confirmed: z.boolean().describe("from now on no verifier under the guarantee accepts it"),
  waited_ms: z.number().int(),
  acknowledged: z.number().int().describe("how many verifiers have said that they applied it"),
  outstanding: z.array(named).describe("those that have not; confirmed all the same once their leases have ended"),
  unbound: z.array(named).describe("those that have not, and may accept without a lease because their owners chose so"),
  unheard_nodes: z
    .number()
    .int()
    .optional()
    .describe("of several nodes: how many have not answered; their verifiers are not counted above, and covered by N"),
  failover_may_undo: z
    .literal(true)
    .optional()
    .describe("the database's standby follows asynchronously: a failover to it may lose this revocation"),
  everywhere_at: z.iso
    .datetime()
    .describe("when the last token concerned is over for those who know the key set alone"),
});

/** @param inFull for an administrator: which process, too */
export function confirmationView(progress: Progress, inFull: boolean): z.infer<typeof confirmationSchema> {
  const { position, confirmed, waitedMs, acknowledged, outstanding, unbound, unheard, undoable, everywhereAt } =
    progress;
  const view = ({ client, instance, verifiers }: Named): z.infer<typeof named> => ({
    client_id: client,
    ...(inFull ? { instance } : {}),
    ...(verifiers === undefined ? {} : { verifiers }),
  });
  return {
    position,
    confirmed,
    waited_ms: waitedMs,
    acknowledged,
    outstanding: outstanding.map(view),
    unbound: unbound.map(view),
    ...(unheard.length === 0 ? {} : { unheard_nodes: unheard.length }),
    ...(undoable && { failover_may_undo: true as const }),
    everywhere_at: time(everywhereAt),
  };
}

/** The answer of a route that ended something: empty, or with how far that has come where the caller waits. */
export async function ended(
  confirming: Confirming,
  { wait: how, timeout_ms: timeout }: Wait,
  inFull: boolean,
  also: Readonly<Record<string, unknown>> | null = null,
): Promise<Reply> {
  if (how !== "all") return also === null ? noContent() : json(200, also);
  const progress = await confirming.confirm("all", timeout ?? null);
  return json(200, { ...also, ...confirmationView(progress, inFull) });
}

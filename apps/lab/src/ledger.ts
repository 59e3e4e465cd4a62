/**
 * What a client is entitled to, in the client's own monotonic time, and what an answer then was. The servers' word counts
 * for nothing here.
 *
 *   log-in answered ──────────────────── end requested ┄┄┄┄ end answered ──── + δ ──────────────►
 *   │            entitled               │        anything may be         │       not entitled
 *
 * A request that lies wholly in the first part must be let in, one that begins in the last must be refused; what touches
 * the uncertain part is left out.
 */

/** How an end was asked for. `evicted`: by another log-in of the same kind of device. */
export type EndCause = "logout" | "evicted";

export interface Entitlement {
  readonly user: string;
  /** When its log-in was asked for. */
  readonly begun: number;
  endRequestedAt: number | null;
  endedAt: number | null;
  cause: EndCause | null;
}

/** How a server answered, as far as a client can tell. */
export type Answered =
  | {
      readonly is: "accepted" /** Whose account it showed; `null` where it showed none. */;
      readonly user: string | null;
    }
  | { readonly is: "refused" }
  /** 5xx, a connection that broke, a time-out. */
  | { readonly is: "error" };

export const VERDICTS = [
  "right",
  "wrong_refusal",
  "zombie",
  "kept_device",
  "wrong_user",
  "error",
  "uncertain",
] as const;
/** `kept_device`: a device that another one has replaced is still let in. */
export type Verdict = (typeof VERDICTS)[number];

/** After an end was answered, so long passes before an acceptance counts: milliseconds. */
export const DELTA_MS = 1_000;

export function newEntitlement(user: string): Entitlement {
  return { user, begun: performance.now(), endRequestedAt: null, endedAt: null, cause: null };
}

/** @param sent and @param received of the request, in the ledger's milliseconds */
export function judge(entitled: Entitlement, sent: number, received: number, answered: Answered): Verdict {
  if (answered.is === "accepted" && answered.user !== null && answered.user !== entitled.user) return "wrong_user";
  if (answered.is === "error") return "error";
  const { endRequestedAt, endedAt } = entitled;
  if (endRequestedAt === null || received < endRequestedAt) {
    return answered.is === "accepted" ? "right" : "wrong_refusal";
  }
  if (endedAt !== null && sent > endedAt + DELTA_MS) {
    if (answered.is === "refused") return "right";
    return entitled.cause === "evicted" ? "kept_device" : "zombie";
  }
  return "uncertain";
}

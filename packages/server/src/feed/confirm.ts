/**
 * Confirmation: from when on can no verifier accept what a revocation took back?
 *
 *   commit ──► read the registry ──► each of those instances is safe once it
 *                                      acknowledged the position, or
 *                                      holds no lease any more (a next one needs a head that has the revocation)
 *          ──► or simply: N has passed since the commit, for the slowest verifier's clock
 *
 * Acknowledgements turn seconds into milliseconds; waiting alone is enough. Who registers after the commit is not looked
 * at: the head that gives it its first lease is read after that (docs/revocation.md, statement 2).
 *
 * The decision is a pure function of what the registry says now; the rest is asking it again at the right time.
 */
import type { ClientId, InstanceId } from "../prelude/ids.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import { outlast } from "./lease.ts";
import type { Standing } from "./registry.ts";

/** One who waits. All times are milliseconds of this node's monotonic clock. */
export interface Question {
  /** Of the revocation; everything up to it counts. */
  readonly position: Position;
  /** Taken after the commit was acknowledged. */
  readonly committedAt: number;
  /** The longest N under which any lease may still run. */
  readonly leaseMs: number;
  /** Until then leases may run that this process did not give: others did before it started, or do for ever. */
  readonly knowsAllFrom: number;
  /** `null`: until it is confirmed. */
  readonly timeoutMs: number | null;
  /** Who was registered after the commit; and who was given a ticket since, for what he may accept without a lease. */
  readonly instances: readonly InstanceId[];
}

/** An instance in an answer. */
export interface Named {
  readonly instance: InstanceId;
  readonly client: ClientId;
  /** Of a relay: how many stand behind it that have not. */
  readonly verifiers?: number;
}

export interface Tally {
  /** How many verifiers have acknowledged: instances, and those for whom a relay has. */
  readonly acknowledged: number;
  /** Who has not. Once it is confirmed, none of these can accept it all the same: they hold no lease. */
  readonly outstanding: readonly Named[];
  /** Who has not, and may go on accepting without a lease, because its owner chose so: outside the guarantee. */
  readonly unbound: readonly Named[];
}

export type Decision = Tally &
  (
    | { readonly settled: true; readonly by: "acknowledgements" | "leases" | "time" | "timeout" }
    /** Look again at this time, or when somebody acknowledges. */
    | { readonly settled: false; readonly lookAt: number }
  );

/** @param find what the registry says of an instance now; `undefined` where it counts no more */
export function decide(question: Question, find: (id: InstanceId) => Standing | undefined, now: number): Decision {
  const { position, committedAt, knowsAllFrom, timeoutMs } = question;
  let acknowledged = 0;
  let nextEnd = Number.POSITIVE_INFINITY;
  const outstanding: Named[] = [];
  const unbound: Named[] = [];
  for (const id of question.instances) {
    const standing = find(id);
    if (standing === undefined) continue;
    const { client, behind } = standing;
    const hasAcked = !isBefore(standing.acked, position);
    const named = { instance: id, client };
    if (standing.announced) {
      // Its leases come from a relay, whose acknowledgement waits for them.
      if (!hasAcked) unbound.push(named);
      continue;
    }
    if (hasAcked) {
      acknowledged += behind?.verifiers ?? 1;
      // Those behind a relay that hold no lease any more, and have not said more than that.
      if (behind !== null && behind.silent > 0) outstanding.push({ ...named, verifiers: behind.silent });
      continue;
    }
    outstanding.push(behind === null ? named : { ...named, verifiers: behind.verifiers + behind.silent });
    if (standing.acceptMs > 0) unbound.push(named);
    if (standing.leaseEnds > now) nextEnd = Math.min(nextEnd, standing.leaseEnds);
  }
  const tally = { acknowledged, outstanding, unbound };
  const coveredAt = committedAt + outlast(question.leaseMs);
  if (now >= coveredAt) return { ...tally, settled: true, by: "time" };
  if (nextEnd === Number.POSITIVE_INFINITY && now >= knowsAllFrom) {
    return { ...tally, settled: true, by: outstanding.length === 0 ? "acknowledgements" : "leases" };
  }
  const givesUpAt = timeoutMs === null ? Number.POSITIVE_INFINITY : committedAt + timeoutMs;
  if (now >= givesUpAt) return { ...tally, settled: true, by: "timeout" };
  const knows = now < knowsAllFrom ? knowsAllFrom : Number.POSITIVE_INFINITY;
  return { ...tally, settled: false, lookAt: Math.min(coveredAt, givesUpAt, nextEnd, knows) };
}

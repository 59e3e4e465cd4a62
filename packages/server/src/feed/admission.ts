/**
 * Who is let in by a hello, and who has to go: what one showed is believed once at the door, and looked at again as long as
 * the connection stands.
 */
import type { Hello } from "@mapae/verifier/revocation";
import { newId } from "../prelude/ids.ts";
import type { World } from "../prelude/world.ts";
import { type ConnectionEvent, resyncReason } from "./connection.ts";
import type { Leases } from "./leases.ts";
import type { FeedSource } from "./source.ts";
import type { Tail } from "./tail.ts";
import { mayAccept, nameOfShown, unboundTicket, type Verifier, type Verifiers } from "./verifiers.ts";

export interface AdmissionParts {
  readonly source: FeedSource;
  readonly leases: Leases;
  readonly verifiers: Verifiers;
  readonly world: World;
  /** Hears of positions that lie ahead of the log. */
  readonly tail: Tail;
}

/** What a hello comes to. @param isWaiting whether somebody still waits for it */
export async function admit(
  { source, leases, verifiers, world, tail }: AdmissionParts,
  hello: Hello,
  isWaiting: () => boolean,
): Promise<readonly [ConnectionEvent, Verifier | null]> {
  const { after, acceptMs, checkpoint } = hello;
  const verifier = await verifiers.authenticate(hello);
  if (verifier === null || !mayAccept(verifier, acceptMs)) return [{ type: "declined", reason: "unauthorized" }, null];
  await source.loaded();
  // What it is compared with must be the log's head and not an earlier one, or it would seem to be ahead of it.
  await source.reach(after);
  if (await tail.hear(verifier.client, after, checkpoint ?? null, source.mirror.head)) await source.reach(after);
  const { mirror } = source;
  const why = resyncReason(after, mirror.head, mirror.countAfter(after));
  if (why !== null) return [{ type: "behind", why }, null];
  if (!isWaiting()) return [{ type: "declined", reason: "unavailable" }, null];
  const instance = newId("instance", world.random);
  // Counted before the first head is read for it. What it may accept without a lease is remembered beyond this process.
  const known = { id: instance, client: verifier.client, acceptMs, ...unboundTicket(verifier, acceptMs) };
  await leases.register(known, after);
  return [{ type: "admitted", instance, after, now: world.clock.monotonic() }, verifier];
}

/** One that was let in with a ticket shows the next: the same resource server as before, or `null`. */
export async function readmit(
  { verifiers }: AdmissionParts,
  earlier: Verifier,
  ticket: string,
  acceptMs: number,
): Promise<Verifier | null> {
  // Where it cannot be judged now, the one before counts until its time is over.
  const verifier = await verifiers.authenticate({ ticket }).catch(() => earlier);
  if (verifier === null || !mayAccept(verifier, acceptMs)) return null;
  return verifier.client === earlier.client && verifier.audience === earlier.audience ? verifier : null;
}

/** Those whose credentials would not be taken again. What was shown is looked at once, however many showed it. */
export async function dismissed<One extends { readonly verifier: Verifier | null }>(
  verifiers: Verifiers,
  connections: Iterable<One>,
): Promise<readonly One[]> {
  const gone: One[] = [];
  const byShown = Map.groupBy(connections, ({ verifier }) => (verifier === null ? "" : nameOfShown(verifier)));
  for (const [, those] of byShown) {
    const verifier = those[0]?.verifier ?? null;
    if (verifier === null) continue;
    // Where the store does not answer, the head is not known either, and leases end by themselves.
    if (!(await verifiers.stands(verifier).catch(() => true))) gone.push(...those);
  }
  return gone;
}

/**
 * Who is counted and for how long, across restarts of this node and changes of N: the registry (registry.ts), those who
 * wait for it (waiting.ts), and what the store remembers of both.
 *
 *   before this process   leases may run that it did not give: nobody confirms by acknowledgements until they have ended
 *   N raised              stored before the first longer lease is given
 *   N lowered             the longer one counts until the last lease of that length has ended
 *   accept when stale     remembered by name, because its owner's window can be longer than a restart
 */
import type { Behind } from "@mapae/verifier/revocation";
import { type ClientId, type InstanceId, isTicketId } from "../prelude/ids.ts";
import type { Clock, SetAlarm } from "../prelude/world.ts";
import type { Position } from "../revocation/entry.ts";
import { LEASE_LONGEST_MS, outlast } from "./lease.ts";
import type { Nodes } from "./nodes.ts";
import { Others, UNKNOWN } from "./others.ts";
import { type Instance, Registry, type Standing } from "./registry.ts";
import type { FeedStore } from "./store.ts";
import { type Follow, followNobody, type Waiting, WaitingRoom } from "./waiting.ts";

/** How long a ticket for relays lives, in milliseconds (tickets.ts); its owner gets another when half of that is over. */
export const TICKET_LIFE_MS = 600_000;

export interface LeaseParts {
  readonly store: FeedStore;
  readonly clock: Clock;
  readonly alarm: SetAlarm;
  /** N: how long a lease runs, in milliseconds. */
  readonly leaseMs: number;
  /**
   * Who else serves this log, and can be asked about verifiers of his own; `null`: nobody. `unknown`: others that cannot,
   * so that acknowledgements confirm nothing and N is waited for.
   */
  readonly nodes: Nodes | null | "unknown";
  /** Told of what failed and matters to nobody who waits. */
  readonly failed: (error: unknown) => void;
}

export class Leases {
  readonly leaseMs: number;
  readonly #parts: LeaseParts;
  readonly #registry = new Registry();
  readonly #room: WaitingRoom;
  /** The N of an earlier process, and when its last lease has ended. */
  #earlier: { readonly leaseMs: number; readonly endsAt: number };
  readonly #openedAt: number;

  readonly #others: Others | null;
  readonly #follow: Follow;
  #lowered = false;

  private constructor(parts: LeaseParts, stored: number | null) {
    const { clock, alarm, leaseMs, nodes } = parts;
    this.#parts = parts;
    this.leaseMs = leaseMs;
    this.#openedAt = clock.monotonic();
    const endsAt = stored === null ? Number.NEGATIVE_INFINITY : this.#openedAt + outlast(stored);
    this.#earlier = { leaseMs: stored ?? leaseMs, endsAt };
    this.#room = new WaitingRoom(this.#registry, clock, alarm);
    const others = nodes === null || nodes === "unknown" ? null : new Others(nodes, alarm);
    this.#others = others;
    if (others !== null) this.#follow = (position, changed) => others.follow(position, changed);
    else this.#follow = nodes === null ? followNobody : () => ({ look: () => UNKNOWN, stop: () => {} });
  }

  static async open(parts: LeaseParts): Promise<Leases> {
    const { store, clock, leaseMs, nodes } = parts;
    if (nodes !== null && nodes !== "unknown") await nodes.declare(leaseMs);
    const stored = await store.leaseMs();
    const leases = new Leases(parts, stored);
    if (stored === null || stored < leaseMs) await store.setLeaseMs(leaseMs);
    for (const instance of await store.unbound()) {
      if (isTicketId(instance.id)) leases.#registry.announce(instance, clock.monotonic() + outlast(TICKET_LIFE_MS));
      else leases.#registry.recall(instance, leases.#earlier.endsAt);
    }
    return leases;
  }

  /** What the store remembered of an earlier process was out of date: that one may have given leases of any length. */
  distrust(): void {
    this.#earlier = { leaseMs: LEASE_LONGEST_MS, endsAt: this.#openedAt + outlast(LEASE_LONGEST_MS) };
  }

  /** Counts an instance from now on; what it has applied when it comes is its first acknowledgement. */
  async register(instance: Instance, applied: Position): Promise<void> {
    this.#sweep();
    if (instance.acceptMs > 0) await this.#parts.store.addUnbound(instance);
    this.#registry.register(instance);
    this.#registry.acked(instance.id, applied);
  }

  /**
   * Notes a lease that is about to be given.
   * @param most the longest that the head allows on which it is given, in milliseconds
   * @returns how long it is; `null` for who is not counted, and must get none
   */
  grant(id: InstanceId, most: number): number | null {
    if (!this.#registry.stands(id)) return null;
    const given = Math.min(most, this.leaseMs);
    this.#registry.granted(id, this.#parts.clock.monotonic(), given);
    return given;
  }

  /**
   * Counts a resource server that is about to be told of a token and may act on that for a while, as on a lease; before
   * the token is judged, so that nothing is confirmed in between.
   * @param asked for how long it wants to, in milliseconds
   * @returns for how long it may
   */
  lend(id: InstanceId, asked: number): number {
    const ms = Math.min(asked, this.leaseMs);
    this.#registry.granted(id, this.#parts.clock.monotonic(), ms);
    this.#registry.lost(id);
    return ms;
  }

  /** One that polls asks again under the id that it was given; `false`: nobody of that resource server has it. */
  resume(id: string | null, client: ClientId): id is InstanceId {
    const known = id === null ? undefined : this.#registry.find(id);
    if (known?.polls !== true || known.client !== client) return false;
    this.#registry.returned(known.id);
    return true;
  }

  /** @param behind of a relay: for whom it speaks */
  acked(id: InstanceId, position: Position, behind: Behind | null = null): void {
    this.#registry.acked(id, position, behind);
    const ticket = this.#registry.find(id)?.ticket;
    for (const one of [...(behind?.unbound ?? []), ...(ticket === undefined ? [] : [ticket])]) {
      if (this.#registry.find(one)?.announced === true) this.#registry.acked(one, position);
    }
    // Last: it may settle an answer, which names who is missing then.
    this.#room.acked(id, position);
  }

  /**
   * Remembers one that may accept without a lease and is given a ticket, before it has it.
   * @param earlier the id that an earlier ticket of it had
   * @param lifeMs of the ticket
   * @returns the id for the ticket
   */
  async announce(earlier: string | null, instance: Instance, lifeMs: number): Promise<InstanceId> {
    this.#sweep();
    const known = earlier === null ? undefined : this.#registry.find(earlier);
    const isSame = known?.announced === true && known.client === instance.client;
    const id = isSame ? known.id : instance.id;
    await this.#parts.store.addUnbound({ id, client: instance.client, acceptMs: instance.acceptMs });
    this.#registry.announce({ ...instance, id }, this.#parts.clock.monotonic() + outlast(lifeMs + this.leaseMs));
    return id;
  }

  /** It showed another ticket. */
  renamed(id: InstanceId, ticket: string | undefined): void {
    if (ticket !== undefined) this.#registry.renamed(id, ticket);
  }

  /** `released`: the verifier holds no lease any more, by its own word. */
  left(id: InstanceId, how: "lost" | "released"): void {
    if (how === "lost") {
      this.#registry.lost(id);
      return;
    }
    const known = this.#registry.find(id);
    this.#registry.released(id);
    this.#room.released(id);
    if (known !== undefined) this.#forget([known]);
  }

  find(id: InstanceId): Standing | undefined {
    return this.#registry.find(id);
  }

  /** Waits until no verifier can accept what an entry up to the position took back. Only after its commit. */
  wait(position: Position, timeoutMs: number | null): Waiting {
    this.#sweep();
    const { clock } = this.#parts;
    const earlier = this.#earlier;
    const leaseMs = clock.monotonic() < earlier.endsAt ? Math.max(this.leaseMs, earlier.leaseMs) : this.leaseMs;
    return this.#room.wait(position, timeoutMs, { leaseMs, knowsAllFrom: earlier.endsAt }, this.#follow);
  }

  /** The same of the leases that this process has given, and no other: what it says to another node. */
  waitHere(position: Position): Waiting {
    this.#sweep();
    const settings = { leaseMs: this.leaseMs, knowsAllFrom: Number.NEGATIVE_INFINITY };
    return this.#room.wait(position, null, settings, followNobody);
  }

  /** Has the other nodes ask their verifiers for it. */
  ask(position: Position): void {
    this.#others?.ask(position);
  }

  /** Everyone who is counted. */
  all(): readonly Standing[] {
    return this.#registry.all();
  }

  close(): void {
    const { nodes, clock } = this.#parts;
    const now = clock.monotonic();
    const owes = this.#registry.all().some(({ leaseEnds }) => leaseEnds > now);
    if (owes && nodes !== null && nodes !== "unknown") nodes.keep();
    this.#room.close();
  }

  #sweep(): void {
    const { store, clock, failed, leaseMs } = this.#parts;
    this.#forget(this.#registry.sweep(clock.monotonic()));
    if (this.#earlier.leaseMs > leaseMs && clock.monotonic() >= this.#earlier.endsAt && !this.#lowered) {
      this.#lowered = true;
      store.setLeaseMs(leaseMs).catch(failed);
    }
  }

  #forget(gone: readonly Instance[]): void {
    const { store, failed } = this.#parts;
    for (const { id, acceptMs } of gone) if (acceptMs > 0) store.removeUnbound(id).catch(failed);
  }
}

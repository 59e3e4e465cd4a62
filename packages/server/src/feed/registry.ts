/**
 * The registry: which verifiers may hold a lease of this node, and what each has applied.
 *
 *   register ──► connected ──► gone ──────────► forgotten
 *     │              │           │ lost: counted until its last lease has surely ended
 *     │              │           └ closed by the verifier itself, which drops its lease with it: not counted any more
 *     │              └ each heartbeat that is handed to the network moves the end of the lease
 *     └ before the first head is read for it: who is not here when a revocation has been committed can only get a lease
 *       from a head that has it
 *
 * An instance is one connection: its id is given here and never taken over, so that a process that was cloned, or two
 * that claim one id, are two. Pure bookkeeping: every time is an argument, of this node's monotonic clock.
 */
import type { Behind } from "@mapae/verifier/revocation";
import type { ClientId, InstanceId } from "../prelude/ids.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import { outlast } from "./lease.ts";

/** A verifier process as this node knows it. */
export interface Instance {
  readonly id: InstanceId;
  /** The resource server that it authenticated as. */
  readonly client: ClientId;
  /** How long after its lease its owner lets it go on accepting, in milliseconds; 0: not at all. */
  readonly acceptMs: number;
  /** It has no connection but asks from time to time. Then it is counted by its leases alone. */
  readonly polls?: boolean;
  /** Under which the issuer counts it, where it may accept without a lease and came with a ticket. */
  readonly ticket?: string;
}

/** What can be said of an instance and a revocation. */
export interface Standing extends Instance {
  /** Everything up to here is applied, as it said itself. */
  readonly acked: Position;
  /** From this time on it holds no lease that this node gave; −∞ where it was given none. */
  readonly leaseEnds: number;
  readonly connected: boolean;
  /** Of a relay: the verifiers behind it, as of `acked`. */
  readonly behind: Behind | null;
  /** It follows a relay, if anyone: no lease of its is given here, and it is known for what it may accept without one. */
  readonly announced: boolean;
}

/** An answer that waited for somebody's lease to end should still be able to name him. */
const LINGER_MS = 10_000;

const NOTHING: Position = { epoch: 0, seq: 0 };

interface Known {
  instance: Instance;
  acked: Position;
  leaseEnds: number;
  connected: boolean;
  behind: Behind | null;
  announced: boolean;
}

export class Registry {
  readonly #known = new Map<string, Known>();

  register(instance: Instance): void {
    if (this.#known.has(instance.id)) throw new Error("an instance id was given twice");
    this.#known.set(instance.id, { ...begun(instance), connected: true });
  }

  /** An instance of an earlier process of this node, that may accept until some time after a lease it had then. */
  recall(instance: Instance, leaseEnds: number): void {
    this.#known.set(instance.id, { ...begun(instance), leaseEnds });
  }

  /** One that was given a ticket for relays, and may accept without a lease. @param until it can get leases by it */
  announce(instance: Instance, until: number): void {
    const known = this.#known.get(instance.id);
    const acked = known?.acked ?? NOTHING;
    this.#known.set(instance.id, { ...begun(instance), acked, leaseEnds: until, announced: true });
  }

  /** One that polls asks again: it is connected until it has its answer. */
  returned(id: string): void {
    const known = this.#known.get(id);
    if (known !== undefined) known.connected = true;
  }

  /** Whether a lease may be given to it: it is registered and connected. */
  stands(id: string): boolean {
    return this.#known.get(id)?.connected === true;
  }

  /** Before a heartbeat is handed to the network: its lease ends at the latest N after the ping, which was sent before. */
  granted(id: string, now: number, leaseMs: number): void {
    const known = this.#known.get(id);
    if (known === undefined) throw new Error("a lease was given to an instance that is not registered");
    known.leaseEnds = Math.max(known.leaseEnds, now + outlast(leaseMs));
  }

  /** It says that it has applied everything up to a position. Never goes back. */
  acked(id: string, position: Position, behind: Behind | null = null): void {
    const known = this.#known.get(id);
    if (known === undefined || isBefore(position, known.acked)) return;
    known.acked = position;
    known.behind = behind;
  }

  /** It showed another ticket. */
  renamed(id: string, ticket: string): void {
    const known = this.#known.get(id);
    if (known !== undefined) known.instance = { ...known.instance, ticket };
  }

  /** The connection is over, and nobody knows what the verifier does: it stays counted while a lease can run. */
  lost(id: string): void {
    const known = this.#known.get(id);
    if (known !== undefined) known.connected = false;
  }

  /** The verifier said that it holds no lease any more and accepts nothing by it. */
  released(id: string): void {
    this.#known.delete(id);
  }

  /** Forgets who is gone and has accepted nothing for a while, neither by a lease nor by what its owner allows beyond it; says whom. */
  sweep(now: number): readonly Instance[] {
    const gone = [...this.#known.values()].filter(
      ({ connected, leaseEnds, instance }) => !connected && leaseEnds + outlast(instance.acceptMs) + LINGER_MS <= now,
    );
    for (const { instance } of gone) this.#known.delete(instance.id);
    return gone.map(({ instance }) => instance);
  }

  find(id: string): Standing | undefined {
    const known = this.#known.get(id);
    return known === undefined ? undefined : standingOf(known);
  }

  /** Those who follow relays, if anyone, and may accept without a lease. */
  announced(): readonly InstanceId[] {
    return [...this.#known.values()].flatMap(({ announced, instance }) => (announced ? [instance.id] : []));
  }

  /** Everyone who is counted. */
  all(): readonly Standing[] {
    return [...this.#known.values()].map(standingOf);
  }

  get size(): number {
    return this.#known.size;
  }
}

function begun(instance: Instance): Known {
  const leaseEnds = Number.NEGATIVE_INFINITY;
  return { instance, acked: NOTHING, leaseEnds, connected: false, behind: null, announced: false };
}

function standingOf({ instance, ...known }: Known): Standing {
  return { ...instance, ...known };
}

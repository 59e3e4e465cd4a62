/**
 * Those who wait for a confirmation (confirm.ts decides): each reads the registry once its revocation is committed, is
 * looked at again when somebody acknowledges or goes away, and otherwise when a lease ends.
 */
import type { NodeId } from "../prelude/ids.ts";
import type { Clock, SetAlarm } from "../prelude/world.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import { type Decision, decide, type Question, type Tally } from "./confirm.ts";
import { type Elsewhere, type Following, NOWHERE } from "./others.ts";
import type { Registry, Standing } from "./registry.ts";

/** Over all nodes. */
export interface WholeTally extends Tally {
  /** Nodes that have not answered: their verifiers are covered by the time. */
  readonly unheard: readonly NodeId[];
}

export interface Confirmation extends WholeTally {
  /** From now on no verifier under the guarantee accepts what was revoked. */
  readonly confirmed: boolean;
  readonly by: "acknowledgements" | "leases" | "time" | "timeout" | "closing";
  /** Since the commit. */
  readonly waitedMs: number;
}

/** One confirmation under way. */
export interface Waiting {
  readonly settled: Promise<Confirmation>;
  /** How it stands now. */
  look(): WholeTally;
}

/** What the nodes beside this one say, to one who waits. @param changed to be told when that is something else */
export type Follow = (position: Position, changed: () => void) => Following;

export const followNobody: Follow = () => ({ look: () => NOWHERE, stop: () => {} });

type Whole = Decision & WholeTally;

export interface WaitingSettings {
  readonly leaseMs: number;
  /** See `Question`. */
  readonly knowsAllFrom: number;
}

interface Open {
  readonly question: Question;
  /** Who has not acknowledged yet. */
  readonly missing: Set<string>;
  readonly settle: (confirmation: Confirmation) => void;
  following: Following;
  callOff: () => void;
}

export class WaitingRoom {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #alarm: SetAlarm;
  readonly #open = new Set<Open>();

  constructor(registry: Registry, clock: Clock, alarm: SetAlarm) {
    this.#registry = registry;
    this.#clock = clock;
    this.#alarm = alarm;
  }

  /** Begins to wait for a position that is committed by now. @param timeoutMs `null`: until it is confirmed */
  wait(position: Position, timeoutMs: number | null, settings: WaitingSettings, follow: Follow): Waiting {
    // The registry is read now, after the commit: who comes later gets no lease from a head without the revocation.
    const standings = this.#registry.all();
    const instances = standings.map(({ id }) => id);
    const committedAt = this.#clock.monotonic();
    const question: Question = { position, committedAt, timeoutMs, instances, ...settings };
    const isMissing = ({ acked, announced }: Standing) => !announced && isBefore(acked, position);
    const missing = new Set(standings.filter(isMissing).map(({ id }) => id));
    const { promise: settled, resolve: settle } = Promise.withResolvers<Confirmation>();
    const following = follow(position, () => {
      if (this.#open.has(open)) this.#look(open);
    });
    const open: Open = { question, missing, settle, following, callOff: () => {} };
    this.#open.add(open);
    this.#look(open);
    return { settled, look: () => this.#decide(open) };
  }

  /** An instance said that it applied everything up to a position. */
  acked(id: string, position: Position): void {
    for (const open of this.#open) {
      if (!isBefore(position, open.question.position)) this.#strike(open, id);
    }
  }

  /** An instance is not counted any more. */
  released(id: string): void {
    for (const open of this.#open) this.#strike(open, id);
  }

  /** Ends every wait without confirming: this process ends. */
  close(): void {
    for (const open of this.#open) this.#settle(open, this.#decide(open), false, "closing");
  }

  #strike(open: Open, id: string): void {
    if (open.missing.delete(id) && open.missing.size === 0) this.#look(open);
  }

  #decide({ question, following }: Open): Whole {
    const elsewhere = following.look();
    const leaseMs = Math.max(question.leaseMs, elsewhere.leaseMs);
    const knowsAllFrom = elsewhere.settled ? question.knowsAllFrom : Number.POSITIVE_INFINITY;
    // Who was given a ticket since may get a lease of a relay that has not heard of it yet, and accept beyond that one.
    const since = this.#registry.announced().filter((id) => !question.instances.includes(id));
    const instances = since.length === 0 ? question.instances : [...question.instances, ...since];
    const here = { ...question, instances, leaseMs, knowsAllFrom };
    return together(
      decide(here, (id) => this.#registry.find(id), this.#clock.monotonic()),
      elsewhere,
    );
  }

  #look(open: Open): void {
    open.callOff();
    const decision = this.#decide(open);
    if (decision.settled) {
      this.#settle(open, decision, decision.by !== "timeout", decision.by);
      return;
    }
    const inMs = decision.lookAt - this.#clock.monotonic();
    open.callOff = this.#alarm(Math.max(0, Math.ceil(inMs)), () => this.#look(open));
  }

  #settle(open: Open, tally: WholeTally, confirmed: boolean, by: Confirmation["by"]): void {
    open.callOff();
    open.following.stop();
    this.#open.delete(open);
    const { acknowledged, outstanding, unbound, unheard } = tally;
    const waitedMs = this.#clock.monotonic() - open.question.committedAt;
    open.settle({ confirmed, by, waitedMs, acknowledged, outstanding, unbound, unheard });
  }
}

/** What is known here, with what the others say. */
function together(here: Decision, elsewhere: Elsewhere): Whole {
  const tally = {
    acknowledged: here.acknowledged + elsewhere.acknowledged,
    outstanding: [...here.outstanding, ...elsewhere.outstanding],
    unbound: [...here.unbound, ...elsewhere.unbound],
    unheard: elsewhere.unheard,
  };
  if (!here.settled || here.by !== "acknowledgements") return { ...here, ...tally };
  const all = tally.outstanding.length === 0 && tally.unheard.length === 0;
  return { ...here, ...tally, by: all ? "acknowledgements" : "leases" };
}

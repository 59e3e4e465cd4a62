/**
 * Those who wait for a confirmation (confirm.ts decides): each reads the registry once its revocation is committed, is
 * looked at again when somebody acknowledges or goes away, and otherwise when a lease ends.
 */
import type { Clock, SetAlarm } from "../prelude/world.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import { type Decision, decide, type Question, type Tally } from "./confirm.ts";
import type { Registry, Standing } from "./registry.ts";

export interface Confirmation extends Tally {
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
  look(): Tally;
}

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
  callOff: () => void;
}

export class WaitingRoom {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #alarm: SetAlarm;
  readonly #settings: () => WaitingSettings;
  readonly #open = new Set<Open>();

  constructor(registry: Registry, clock: Clock, alarm: SetAlarm, settings: () => WaitingSettings) {
    this.#registry = registry;
    this.#clock = clock;
    this.#alarm = alarm;
    this.#settings = settings;
  }

  /** Begins to wait for a position that is committed by now. @param timeoutMs `null`: until it is confirmed */
  wait(position: Position, timeoutMs: number | null): Waiting {
    // The registry is read now, after the commit: who comes later gets no lease from a head without the revocation.
    const standings = this.#registry.all();
    const instances = standings.map(({ id }) => id);
    const committedAt = this.#clock.monotonic();
    const question: Question = { position, committedAt, timeoutMs, instances, ...this.#settings() };
    const isMissing = ({ acked, announced }: Standing) => !announced && isBefore(acked, position);
    const missing = new Set(standings.filter(isMissing).map(({ id }) => id));
    const settled = new Promise<Confirmation>((settle) => {
      const open: Open = { question, missing, settle, callOff: () => {} };
      this.#open.add(open);
      this.#look(open);
    });
    return { settled, look: () => this.#decide(question) };
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
    for (const open of this.#open) this.#settle(open, this.#decide(open.question), false, "closing");
  }

  #strike(open: Open, id: string): void {
    if (open.missing.delete(id) && open.missing.size === 0) this.#look(open);
  }

  #decide(question: Question): Decision {
    // Who was given a ticket since may get a lease of a relay that has not heard of it yet, and accept beyond that one.
    const since = this.#registry.announced().filter((id) => !question.instances.includes(id));
    const instances = since.length === 0 ? question.instances : [...question.instances, ...since];
    return decide({ ...question, instances }, (id) => this.#registry.find(id), this.#clock.monotonic());
  }

  #look(open: Open): void {
    open.callOff();
    const decision = this.#decide(open.question);
    if (decision.settled) {
      this.#settle(open, decision, decision.by !== "timeout", decision.by);
      return;
    }
    const inMs = decision.lookAt - this.#clock.monotonic();
    open.callOff = this.#alarm(Math.max(0, Math.ceil(inMs)), () => this.#look(open));
  }

  #settle(open: Open, tally: Tally, confirmed: boolean, by: Confirmation["by"]): void {
    open.callOff();
    this.#open.delete(open);
    const { acknowledged, outstanding, unbound } = tally;
    const waitedMs = this.#clock.monotonic() - open.question.committedAt;
    open.settle({ confirmed, by, waitedMs, acknowledged, outstanding, unbound });
  }
}

/**
 * A relay: a machine on which the real one runs (packages/server/src/relay/), between the nodes, or another relay, and
 * whoever follows it. It keeps nothing, so that nothing survives its crash.
 */

import { handlerOf } from "../../packages/server/src/http/app.ts";
import { newId } from "../../packages/server/src/prelude/ids.ts";
import { createRelayApp } from "../../packages/server/src/relay/app.ts";
import { openRelay, type Relay } from "../../packages/server/src/relay/relay.ts";
import { openIssuerKeys } from "../../packages/verifier/src/issuer-keys.ts";
import { acceptorOf, SILENT } from "./doors.ts";
import type { Machine } from "./machine.ts";
import { outsideOf } from "./outside.ts";
import { ISSUER } from "./people.ts";
import type { RelayPlan } from "./plan.ts";
import type { Dice } from "./random.ts";
import type { Answerer } from "./requests.ts";
import type { Stage } from "./stage.ts";
import type { Acceptor } from "./transport.ts";

const CONNECTIONS_MAX = 100;
const ENTRIES_MAX = 100_000;

export class RelayHost {
  readonly machine: Machine;
  /** Where it answers. */
  readonly base: string;
  readonly #plan: RelayPlan;
  readonly #stage: Stage;
  readonly #dice: Dice;
  #relay: Relay | null = null;
  acceptor: Acceptor | null = null;
  answerer: Answerer | null = null;

  constructor(stage: Stage, machine: Machine, plan: RelayPlan, dice: Dice) {
    this.#stage = stage;
    this.machine = machine;
    this.#plan = plan;
    this.#dice = dice;
    this.base = `https://${machine.name}.example.com`;
  }

  /** Whom it follows: another relay, or any node. */
  get above(): RelayHost | null {
    const { above } = this.#plan;
    return above === null ? null : (this.#stage.relays[above] ?? null);
  }

  boot(): void {
    const { machine } = this;
    if (machine.alive) return;
    machine.boot();
    const life = { over: false };
    machine.onCrash(() => {
      life.over = true;
    });
    const world = machine.world();
    const outside = outsideOf(this.#stage, machine, this.#dice, this.#plan.streams);
    const opening = openRelay({
      id: newId("relay", world.random),
      issuer: ISSUER,
      issuerBase: ISSUER,
      upstreamBase: this.above?.base ?? ISSUER,
      ...this.#stage.credentials(this.#plan.audience),
      keys: openIssuerKeys({ jwksUri: `${ISSUER}/.well-known/jwks.json` }, outside),
      maxConnections: CONNECTIONS_MAX,
      maxEntries: ENTRIES_MAX,
      world,
      alarm: (ms, ring) => machine.timer(ms, ring),
      outside,
      notice: () => {},
    });
    opening.then(
      (relay) => {
        if (!life.over) this.#serve(relay);
      },
      (error: unknown) => this.#stage.timeline.fail(error),
    );
  }

  #serve(relay: Relay): void {
    const { machine } = this;
    this.#relay = relay;
    this.acceptor = acceptorOf(relay);
    this.answerer = handlerOf(
      createRelayApp({
        ...{ relay, issuer: ISSUER, metricsTokens: [], logger: SILENT, world: machine.world() },
        draining: () => false,
        metrics: async () => ({ type: "text/plain", text: "" }),
      }),
    );
    this.#stage.note(`${machine.name} serves`);
  }

  crash(silently: boolean): void {
    if (!this.machine.alive) return;
    this.#stage.note(`${this.machine.name} crashes${silently ? ", machine and all" : ""}`);
    this.#end(silently);
  }

  /** It is stopped, as the command is: everyone is asked to leave, then it says good-bye upstream. */
  drain(afterMs: number): void {
    const relay = this.#relay;
    if (relay === null || !this.machine.running) return;
    this.#stage.note(`${this.machine.name} drains`);
    void relay.drain(afterMs).then(() => {
      if (this.#relay !== relay) return;
      this.#stage.note(`${this.machine.name} ends`);
      relay.close();
      this.#end(false);
    });
  }

  #end(silently: boolean): void {
    this.acceptor = null;
    this.answerer = null;
    this.#relay = null;
    this.machine.crash(silently);
  }

  status(): string {
    return JSON.stringify(this.#relay?.status() ?? null);
  }
}

/**
 * A resource server: a machine on which the real verifier runs, with simulated clocks, timers, sockets and requests. What
 * survives its crash is its disk, where some owners let it keep the last snapshot.
 */
import type { Verdict } from "@mapae/verifier";
import { nodeEngine } from "../../packages/verifier/src/engine.ts";
import type { ParsedJws } from "../../packages/verifier/src/jose/jws.ts";
import type { BoundKey } from "../../packages/verifier/src/jose/keys.ts";
import { resolveOptions } from "../../packages/verifier/src/options.ts";
import type { Refusal } from "../../packages/verifier/src/refusals.ts";
import type { SnapshotKeeper } from "../../packages/verifier/src/revocation/feed.ts";
import type { KeptSnapshot } from "../../packages/verifier/src/revocation/load.ts";
import { TICKET_PATH } from "../../packages/verifier/src/revocation/ticket.ts";
import type { FeedWorld } from "../../packages/verifier/src/revocation/world.ts";
import { type Verifier, verifierOn } from "../../packages/verifier/src/verifier.ts";
import type { Machine } from "./machine.ts";
import { type Answer, type Oracle, Violation, type Witness } from "./oracle.ts";
import { outsideOf } from "./outside.ts";
import { AUDIENCES, ISSUER } from "./people.ts";
import { CLOCK_RATE_ERROR, type VerifierPlan } from "./plan.ts";
import type { Dice } from "./random.ts";
import type { RelayHost } from "./relay.ts";
import type { Stage } from "./stage.ts";
import type { Token } from "./truth.ts";

/** How soon after a token is called revoked its connections hear of it. */
const TOLD_WITHIN_MS = 1_000;
/** How many snapshots there are copies of. */
const KEPT_MAX = 4;
/** How far a token's own times may be off by a verifier's clock, in seconds. */
const TOLERANCE_S = 60;

/** A connection that outlives the request that opened it. */
interface OpenConnection {
  isClosed: boolean;
  /** When the token was first called revoked. */
  revokedAt: number;
}

interface Life {
  readonly verifier: Verifier;
  readonly witness: Witness;
}

export class VerifierHost {
  readonly machine: Machine;
  readonly plan: VerifierPlan;
  readonly #stage: Stage;
  readonly #dice: Dice;
  #life: Life | null = null;
  /** What the owner keeps on disk, and what a copy of the disk may hold: the newest last. */
  #kept: KeptSnapshot[] = [];
  /** Something happened here since the oracle asked. */
  touched = false;

  constructor(stage: Stage, machine: Machine, plan: VerifierPlan, dice: Dice) {
    this.#stage = stage;
    this.machine = machine;
    this.plan = plan;
    this.#dice = dice;
    machine.onTurn = () => {
      this.touched = true;
    };
    // A request that was in the socket is answered before anything that tells the process how long it was away.
    machine.onResume = () => this.ask(stage.oracle);
  }

  get witness(): Witness | null {
    return this.#life?.witness ?? null;
  }

  boot(): void {
    const { machine, plan } = this;
    if (machine.alive) return;
    machine.boot();
    const audience = AUDIENCES[plan.audience] ?? AUDIENCES[0];
    const instances = new Set<string>();
    const seconds = (ms: number): number => ms / 1_000;
    const verifier = verifierOn(
      ENGINE,
      resolveOptions({
        issuer: ISSUER,
        audience,
        keys: plan.keysConfigured
          ? { jwks: this.#stage.firstKeys }
          : { jwksUri: `${ISSUER}/.well-known/jwks.json`, cooldown: 1, timeout: 2 },
        clock: () => machine.wall(),
        clockTolerance: TOLERANCE_S,
        credentials: this.#stage.credentials(plan.audience),
        revocation: {
          onStale: plan.onStale,
          ...(plan.acceptMs > 0 ? { acceptFor: seconds(plan.acceptMs) } : {}),
          ...(plan.maxStaleness < Number.POSITIVE_INFINITY ? { maxStaleness: seconds(plan.maxStaleness) } : {}),
          ...(plan.keeps ? { keep: this.#keeper() } : {}),
          ...(this.above === null ? {} : { feed: this.above.base }),
        },
      }),
      this.#world(instances),
    );
    const open = new Map<Token, OpenConnection>();
    const trusted = Math.min(this.#stage.longestLeaseMs, plan.maxStaleness) + plan.acceptMs;
    this.#life = {
      verifier,
      witness: {
        name: machine.name,
        audience,
        boundMs: trusted / (1 - CLOCK_RATE_ERROR),
        isBound: plan.acceptMs === 0,
        isNamed: this.#stage.nodes.length === 1,
        refused: new Set(),
        instances,
        clockError: () => machine.wallError(),
        answer: (token) => this.#answer(verifier, open, token),
      },
    };
    this.#stage.note(`${machine.name} starts`);
  }

  /** What it says of a token now. For each that it accepts it keeps a connection open, until it hears that it is revoked. */
  #answer(verifier: Verifier, open: Map<Token, OpenConnection>, token: Token): Answer {
    const verdict = verifier.verify(token.text);
    const connection = open.get(token);
    if (verdict.ok && connection === undefined) {
      const opened: OpenConnection = { isClosed: false, revokedAt: Number.POSITIVE_INFINITY };
      open.set(token, opened);
      verifier.onRevoked(verdict.claims, () => {
        opened.isClosed = true;
        this.#stage.attempt(() => this.#stage.oracle.closed(this.machine.name, token, this.#stage.timeline.now));
      });
    }
    if (
      connection?.isClosed === false &&
      !verdict.ok &&
      verdict.code === "token_revoked" &&
      verdict.revocation !== null
    ) {
      const { now } = this.#stage.timeline;
      connection.revokedAt = Math.min(connection.revokedAt, now);
      if (connection.revokedAt + TOLD_WITHIN_MS < now) {
        throw new Violation("a connection was left open", `${token.label} at ${this.machine.name}`);
      }
    }
    return answerOf(verdict);
  }

  crash(silently: boolean): void {
    if (!this.machine.alive) return;
    this.#stage.note(`${this.machine.name} crashes${silently ? ", machine and all" : ""}`);
    this.machine.crash(silently);
    this.#life = null;
  }

  /** Now and then a machine comes back with an older copy of its disk, or with a damaged one. */
  spoilDisk(dice: Dice): void {
    const newest = this.#kept.at(-1);
    if (newest === undefined || dice.chance(0.5)) return;
    if (dice.chance(0.5)) {
      this.#stage.note(`${this.machine.name} has an older disk`);
      this.#kept = this.#kept.slice(0, 1);
      return;
    }
    this.#stage.note(`the disk of ${this.machine.name} is damaged`);
    const { snapshot, checkpoint } = newest;
    const at = dice.below(snapshot.length);
    const damaged = dice.chance(0.5)
      ? snapshot.slice(0, at)
      : snapshot.map((octet, index) => (index === at ? ~octet : octet));
    this.#kept = [{ snapshot: damaged, checkpoint }];
  }

  /** Whom it follows: a relay, or any node. */
  get above(): RelayHost | null {
    const { relay } = this.plan;
    return relay === null ? null : (this.#stage.relays[relay] ?? null);
  }

  /** Whether it answers requests now. */
  get isServing(): boolean {
    return this.machine.running && this.#life !== null;
  }

  ask(oracle: Oracle): void {
    this.touched = false;
    const life = this.#life;
    if (!this.isServing || life === null) return;
    const instance = life.verifier.status()?.instance ?? null;
    if (instance !== null) life.witness.instances.add(instance);
    oracle.ask(life.witness, this.#stage.timeline.now);
  }

  /** A request that can wait: what the verifier answers when it has asked the issuer, if need be. */
  check(token: Token): void {
    const life = this.#life;
    if (!this.isServing || life === null) return;
    void life.verifier.check(token.text).then((verdict) => {
      if (this.#life !== life || !this.machine.running) return;
      this.#stage.later(life.witness, token, answerOf(verdict));
    });
  }

  /** Whether it accepts the token that is meant for it. Asking makes it look for a key that it does not have. */
  trusts(tokens: ReadonlyMap<string, Token>): boolean {
    const audience = AUDIENCES[this.plan.audience] ?? AUDIENCES[0];
    const token = tokens.get(audience);
    if (token === undefined || this.#life === null) return false;
    // Keys that are configured are not those that sign now: whoever did so has to configure others.
    if (this.plan.keysConfigured && !this.#stage.firstKeys.keys.some(({ kid }) => kid === token.kid)) return true;
    const answer = this.#life.witness.answer(token);
    this.check(token);
    return answer === "accepted" && this.#life.verifier.status()?.trust === "live";
  }

  status(): string {
    return JSON.stringify(this.#life?.verifier.status() ?? null);
  }

  #keeper(): SnapshotKeeper {
    return {
      read: async () => this.#kept.at(-1) ?? null,
      write: async (kept) => {
        this.#kept = [...this.#kept.slice(1 - KEPT_MAX), kept];
      },
    };
  }

  #world(instances: Set<string>): FeedWorld {
    const world = outsideOf(this.#stage, this.machine, this.#dice, this.plan.streams);
    return {
      ...world,
      fetch: async (url, init) => {
        const response = await world.fetch(url, init);
        // Who follows a relay is known to the issuer by the ticket that he was given.
        if (response.ok && url.endsWith(TICKET_PATH)) instances.add((await response.clone().json()).instance);
        return response;
      },
    };
  }
}

function answerOf(verdict: Verdict): Answer {
  return verdict.ok ? "accepted" : verdict.code;
}

/**
 * The engine as it is, but a signature that was checked once is not checked again: five verifiers would do so for every
 * token, and its result rests on nothing that is simulated.
 */
const checked = new Map<string, Refusal | null>();
const CHECKED_MAX = 4_096;

function checkOnce(jws: ParsedJws, key: BoundKey): Refusal | null {
  const name = `${key.kid} ${jws.signingInput}.${jws.signature}`;
  const known = checked.get(name);
  if (known !== undefined) return known;
  const result = nodeEngine.checkNow?.(jws, key) ?? null;
  if (checked.size >= CHECKED_MAX) checked.clear();
  checked.set(name, result);
  return result;
}

const ENGINE = {
  ...nodeEngine,
  checkNow: checkOnce,
  check: async (jws: ParsedJws, key: BoundKey) => checkOnce(jws, key),
};

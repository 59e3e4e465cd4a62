/**
 * Everything that a seed needs, put together: machines, network, database, nodes, verifiers, people, and the oracle that
 * looks at them after every event.
 */
import type { Jwk } from "@mapae/verifier";
import type { SigningKey } from "@mapae/verifier/jose";
import { type Client, DEFAULT_CLIENT, newClientSecret } from "../../packages/server/src/clients/client.ts";
import type { Progress } from "../../packages/server/src/feed/confirming.ts";
import { Unavailable } from "../../packages/server/src/prelude/fault.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import type { Secret } from "../../packages/server/src/prelude/secret.ts";
import { beginEpoch } from "../../packages/server/src/storage/begin-epoch.ts";
import { MapRows } from "../../packages/server/src/storage/memory/maps.ts";
import { openMemory } from "../../packages/server/src/storage/memory/memory.ts";
import { Database } from "./database.ts";
import { EPOCH_MS, Machine } from "./machine.ts";
import { Network } from "./network.ts";
import { NodeHost, type Server } from "./node.ts";
import { type Answer, Oracle, Violation, type Witness } from "./oracle.ts";
import { AUDIENCES, CAUSE, CLIENTS, People } from "./people.ts";
import { LEASES, type Plan } from "./plan.ts";
import type { Dice } from "./random.ts";
import { RelayHost } from "./relay.ts";
import type { Timeline } from "./timeline.ts";
import { type Token, Truth, type Wish } from "./truth.ts";
import { VerifierHost } from "./verifier.ts";

/** How often a backup is made. */
const BACKUP_EVERY_MS = 3_000;
/** A moment after a token falls due for a verifier, it is asked. */
const JUST_AFTER_MS = 5;
/** Clocks that are no further apart agree about when a token is good. */
const CLOCKS_AGREE_MS = 30_000;

export class Stage {
  readonly plan: Plan;
  readonly timeline: Timeline;
  readonly network: Network;
  readonly database: Database;
  readonly truth = new Truth();
  readonly oracle: Oracle;
  readonly people: People;
  readonly nodes: readonly NodeHost[];
  readonly relays: readonly RelayHost[];
  readonly verifiers: readonly VerifierHost[];
  readonly #dice: Dice;
  readonly #secrets: Secret[] = [];
  readonly #stolen = new Map<string, SigningKey>();
  readonly #backups: { readonly at: number; readonly turn: number; readonly rows: MapRows }[] = [];
  #aside: Promise<unknown> = Promise.resolve();
  #rows = new MapRows(Math.floor(EPOCH_MS / 1000));
  #feedKeyIsOld = false;
  /** An older copy has taken the place of the database: leases of any length may run. */
  wasRestored = false;
  /** N as the nodes are configured now. */
  leaseMs: number;
  firstKeys: { readonly keys: readonly Jwk[] } = { keys: [] };

  constructor(plan: Plan, timeline: Timeline, dice: Dice) {
    this.plan = plan;
    this.leaseMs = plan.leaseMs;
    this.timeline = timeline;
    this.#dice = dice;
    const machine = (name: string, rates = { mono: 1, wall: 1 }, wallOffset = 0): Machine =>
      new Machine(name, timeline, dice.split(name), rates, wallOffset);
    this.network = new Network(timeline, dice.split("network"), (from, to) =>
      from.name === "database" || to.name === "database" ? plan.databaseWeather : plan.weather,
    );
    const traits = {
      lostNotifications: plan.lostNotifications,
      serialCursor: 0,
      roll: plan.roll && plan.nodes.length > 1,
    };
    this.database = new Database(machine("database"), this.network, traits, dice.split("database"), (commit) => {
      this.truth.committed(commit, timeline.now);
      for (const { kind, seq } of commit.entries) this.note(`committed ${kind} at ${seq}, turn ${commit.turn}`);
      this.#lookWhenDue();
    });
    this.oracle = new Oracle(this.truth);
    this.people = new People(this.database, this.truth, timeline, dice.split("people"));
    this.nodes = plan.nodes.map(
      (node, index) => new NodeHost(this, machine(`node-${index}`, node.rates, node.wallOffset)),
    );
    this.relays = plan.relays.map((relay, index) => {
      const name = `relay-${index}`;
      const on = machine(name, relay.rates, relay.wallOffset);
      return new RelayHost(this, on, relay, dice.split(`${name} chance`));
    });
    this.verifiers = plan.verifiers.map((verifier, index) => {
      const name = `api-${index}`;
      return new VerifierHost(
        this,
        machine(name, verifier.rates, verifier.wallOffset),
        verifier,
        dice.split(`${name} chance`),
      );
    });
  }

  /** What is there before time begins. */
  async prepare(): Promise<void> {
    const world = this.database.machine.world();
    this.database.use(openMemory(this.database.world(), this.#rows));
    const { clients } = this.database.storage;
    const bare: Omit<Client, "id" | "kind"> = {
      name: "",
      secretHash: null,
      scope: [],
      audience: null,
      jwks: null,
      createdAt: world.clock.now(),
    };
    for (const id of CLIENTS) await clients.create({ ...bare, id, kind: "first_party" }, []);
    for (const [index, audience] of AUDIENCES.entries()) {
      const { secret, hash } = newClientSecret(world.random);
      const id = asId("client", `cli_api${index}`);
      await clients.create({ ...bare, id, kind: "resource_server", secretHash: hash, audience }, []);
      this.#secrets.push(secret);
    }
    for (let index = 0; index < this.plan.users; index += 1) await this.people.signUp(world);
    const back = (): void => {
      this.#backups.push({ at: this.timeline.now, turn: this.database.turn, rows: this.#rows.copy() });
      this.timeline.after(BACKUP_EVERY_MS, back);
    };
    back();
    for (const host of this.nodes) {
      host.machine.crash(true);
      host.boot();
    }
    // The first of them makes the keys that are there from the beginning.
    await this.#aside;
    const { keys } = await this.database.storage.keys.all();
    this.firstKeys = { keys: keys.map(({ publicJwk }) => ({ ...publicJwk })) };
    for (const host of this.relays) {
      host.machine.crash(true);
      host.boot();
    }
    for (const host of this.verifiers) {
      host.machine.crash(true);
      this.timeline.after(this.#dice.between(0, 2_000), () => host.boot());
    }
  }

  credentials(audience: number): { clientId: string; clientSecret: string } {
    return { clientId: `cli_api${audience}`, clientSecret: this.#secrets[audience]?.reveal() ?? "" };
  }

  note(line: string): void {
    this.timeline.note(line);
  }

  /** Real work on other threads (keys are made there): one after the other, and time stands still. */
  aside<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#aside.then(work, work);
    this.#aside = done;
    this.timeline.hold(done);
    return done;
  }

  /** After every event: whoever had a turn is asked. */
  look(): void {
    for (const host of this.verifiers) if (host.touched) host.ask(this.oracle);
  }

  askAll(): void {
    for (const host of this.verifiers) host.ask(this.oracle);
  }

  /** What is due for a verifier falls due without anything happening there. */
  #lookWhenDue(): void {
    for (const bound of new Set(this.verifiers.map(({ witness }) => witness?.boundMs ?? 0))) {
      this.timeline.after(bound + JUST_AFTER_MS, () => this.askAll());
    }
  }

  /** Somebody was told that nobody accepts what he took back, nor what was revoked up to a position. */
  confirmed(wish: Wish, { position, unbound }: Progress): void {
    const names = new Set<string>(unbound.map(({ instance }) => instance));
    this.truth.confirmed(wish, position, { at: this.timeline.now, unbound: names });
    this.askAll();
  }

  /** An answer that took its time. */
  later(witness: Witness, token: Token, answer: Answer): void {
    this.attempt(() => this.oracle.judge(witness, token, answer, this.timeline.now));
  }

  /** Runs what may find something. */
  attempt(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.timeline.fail(error);
    }
  }

  /** Does something at a server that serves, as a request would. What the database refuses is an answer too. */
  atServer(dice: Dice, run: (server: Server) => Promise<void>): void {
    const { machine, server } = dice.pick(this.nodes);
    if (server === null) return;
    machine.deliver(() => {
      run(server).catch((error: unknown) => {
        if (error instanceof Violation || !(error instanceof Unavailable)) this.timeline.fail(error);
      });
    });
  }

  /** Somebody signs in, for an audience. */
  logIn(dice: Dice, audience: string): void {
    const user = dice.pick(this.people.users);
    this.atServer(dice, async (server) => {
      await this.people.logIn(server, user, DEFAULT_CLIENT, audience);
    });
  }

  /** Revokes a key, which somebody has stolen while it signed. Keys are changed beside the node's view of the log. */
  async revokeKey(server: Server, kid: string): Promise<void> {
    const key = server.keyring.signer(0);
    if (!(key instanceof Promise) && key.kid === kid) this.#stolen.set(kid, key);
    await this.aside(() => server.revoke({ kind: "key", id: kid, reason: null }, null, CAUSE));
    await server.storage.revocation.readHead();
  }

  forge(dice: Dice): void {
    const keys = [...this.#stolen.values()];
    if (keys.length > 0) this.people.forge(this.database.machine.world(), dice.pick(keys));
  }

  /** Puts the copy that is nearest to `age` old in place of the database. Nobody serves meanwhile. */
  restore(age: number, wantsToKeep: boolean): void {
    const wanted = this.timeline.now - age;
    const backup = this.#backups.findLast(({ at }) => at <= wanted) ?? this.#backups[0];
    if (backup === undefined) return;
    // What came after it has not happened: a later backup holds what the truth has forgotten.
    this.#backups.splice(this.#backups.indexOf(backup) + 1);
    // Who keeps the sessions says that no key was revoked since: it would sign again, and be refused by who remembers.
    const keepSessions = wantsToKeep && !this.truth.hasSince("key", backup.turn);
    const rows = backup.rows.copy();
    const world = this.database.machine.world();
    const [{ epoch }, highestExp] = [this.#rows.position(), this.#rows.highestExp()];
    const replaced = { epoch, highestExp, sessionsUntil: this.#rows.sessionsUntil() };
    const when = `${((this.timeline.now - backup.at) / 1000).toFixed(1)} s ago`;
    this.wasRestored = true;
    this.note(`restored, as it was ${when}${keepSessions ? ", sessions and all" : ""}`);
    this.#rows = rows;
    this.database.use(openMemory(this.database.world(), rows));
    this.database.apart(rows, () => beginEpoch(rows, replaced, keepSessions, world.clock.now()));
    // The operator has said that nothing was taken back since: whoever does not know better may accept it again.
    if (keepSessions) this.truth.forgot(backup.turn, new Set(rows.keySet().keys.map(({ kid }) => kid)));
    this.#feedKeyIsOld = this.#dice.chance(0.5);
  }

  /** Once, for the first node that starts after a restore by an operator who changes the feed key as well. */
  takesNewFeedKey(): boolean {
    const takes = this.#feedKeyIsOld;
    this.#feedKeyIsOld = false;
    return takes;
  }

  /** The longest N that there may be in this run. */
  get longestLeaseMs(): number {
    return this.plan.troubles["change the lease"] === undefined ? this.plan.leaseMs : Math.max(...LEASES);
  }

  /** For so long, in true milliseconds, somebody may go on trusting what he learnt from his clocks. */
  get longestTrust(): number {
    return 1.1 * (this.longestLeaseMs + Math.max(...this.plan.verifiers.map(({ acceptMs }) => acceptMs)));
  }

  /** Of the nodes that start from now on. */
  setLease(leaseMs: number): void {
    this.note(`N is ${leaseMs} ms from now on`);
    this.leaseMs = leaseMs;
  }

  /** Sets a wall clock to so much ahead of true time. */
  setClock(machine: Machine, error: number): void {
    machine.setWall(error);
    // While a node's clock is off, tokens that it makes or is asked about are over before their time, or not yet good.
    this.truth.setDoubtful(this.nodes.some((node) => Math.abs(node.machine.wallError()) > CLOCKS_AGREE_MS));
  }

  bootDatabase(): void {
    if (this.database.machine.alive) return;
    this.note("the database is there again");
    this.database.machine.boot();
  }

  /** Now, or when its clocks may be set back by what is assumed of them. */
  whenSteady(machine: Machine, run: () => void): void {
    if (machine.isSteady(this.longestTrust)) run();
    else this.timeline.after(500, () => this.whenSteady(machine, run));
  }

  /** No more trouble from now on. */
  healed = false;

  heal(): void {
    this.healed = true;
    this.note("everything is healed");
    this.network.heal();
    this.bootDatabase();
    this.database.machine.resume();
    for (const { machine } of [...this.nodes, ...this.relays, ...this.verifiers]) {
      machine.resume();
      this.whenSteady(machine, () => this.setClock(machine, 0));
    }
    for (const host of [...this.nodes, ...this.relays, ...this.verifiers]) host.boot();
  }
}

/**
 * A node of the login server: its feed, keyring and issuer as they are, over its view of the database. What it knows dies
 * with its process; the database is what it finds again.
 */
import { encodeClientFrame } from "@mapae/verifier/revocation";
import { createRevocationAction, type RevocationAction } from "../../packages/server/src/admin/revocations.ts";
import { type Confirming, createConfirming } from "../../packages/server/src/feed/confirming.ts";
import { type Feed, openFeed } from "../../packages/server/src/feed/feed.ts";
import { createVerifiers, type Verifiers } from "../../packages/server/src/feed/verifiers.ts";
import { type Keyring, openKeyring } from "../../packages/server/src/keys/keyring.ts";
import { Secret } from "../../packages/server/src/prelude/secret.ts";
import type { World } from "../../packages/server/src/prelude/world.ts";
import { LiveSet } from "../../packages/server/src/revocation/live-set.ts";
import { createFeedSigner, createTicketJudge } from "../../packages/server/src/server/feed-service.ts";
import { watchClock } from "../../packages/server/src/server/maintenance.ts";
import { createIssuer, type Issuer } from "../../packages/server/src/signin/issue.ts";
import type { Storage } from "../../packages/server/src/storage/storage.ts";
import { createAccessTokens } from "../../packages/server/src/tokens/access-token.ts";
import { createEncrypt } from "../../packages/server/src/tokens/encryption.ts";
import { openVault, type Vault } from "../../packages/server/src/vault/vault.ts";
import { acceptorOf, answererOf } from "./doors.ts";
import type { Machine } from "./machine.ts";
import { AUDIENCES, ISSUER, TOKEN_LIFE_MS } from "./people.ts";
import type { Answerer } from "./requests.ts";
import type { RollNode } from "./roll.ts";
import type { Stage } from "./stage.ts";
import type { Acceptor } from "./transport.ts";

const SECRET = new Secret("A".repeat(43));
/** As the server does it in the background, but more often. */
const UPKEEP_MS = 5_000;
const FIRST_UPKEEP_MS = 1_000;
/** How soon a connection of the crowd comes again. */
const IDLE_AGAIN_MS = 1_000;
/** Further ahead or behind than this no machine's clock is when it starts. */
const WRONG_AT_START_MS = 300_000;
/** How long a process that could not start waits before it tries again: whoever supervises it. */
const RESTART_MS = 1_000;

/** One life of a node's process. */
export interface Server {
  readonly machine: Machine;
  readonly world: World;
  readonly storage: Storage;
  readonly row: RollNode | null;
  readonly vault: Vault;
  readonly keyring: Keyring;
  readonly tokens: Issuer;
  readonly verifiers: Verifiers;
  readonly live: LiveSet;
  readonly feed: Feed;
  readonly revoke: RevocationAction;
  readonly confirming: Confirming;
}

export class NodeHost {
  readonly machine: Machine;
  readonly #stage: Stage;
  #server: Server | null = null;
  acceptor: Acceptor | null = null;
  answerer: Answerer | null = null;

  constructor(stage: Stage, machine: Machine) {
    this.#stage = stage;
    this.machine = machine;
  }

  /** The present process, once it serves. */
  get server(): Server | null {
    return this.machine.alive ? this.#server : null;
  }

  boot(): void {
    const { machine } = this;
    if (machine.alive) return;
    machine.boot();
    if (Math.abs(machine.wallError()) > WRONG_AT_START_MS) this.#stage.setClock(machine, 0);
    this.#stage.note(`${machine.name} starts`);
    const life = { over: false };
    machine.onCrash(() => {
      life.over = true;
    });
    this.#open().then(
      (server) => {
        if (!life.over) this.#serve(server);
      },
      (error: unknown) => {
        if (life.over) return;
        this.#stage.note(`${machine.name} could not start: ${error instanceof Error ? error.message : "?"}`);
        this.crash(false);
        this.#stage.timeline.after(RESTART_MS, () => this.boot());
      },
    );
  }

  crash(silently: boolean): void {
    if (!this.machine.alive) return;
    this.#stage.note(`${this.machine.name} crashes${silently ? ", machine and all" : ""}`);
    this.acceptor = null;
    this.answerer = null;
    this.#server = null;
    this.machine.crash(silently);
  }

  drain(afterMs: number): void {
    this.#stage.note(`${this.machine.name} drains`);
    void this.#server?.feed.drain(afterMs);
  }

  /** Ends in order: without a lease left, its row goes with it. */
  async end(): Promise<void> {
    const ends = this.machine.toThisProcess();
    const server = this.#server;
    server?.feed.close();
    await server?.row?.leave().catch(() => {});
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    ends(() => {
      this.crash(false);
      resolve();
    });
    await ended;
  }

  #serve(server: Server): void {
    this.#server = server;
    this.acceptor = acceptorOf(server.feed);
    this.answerer = answererOf(server);
    this.#stage.note(`${this.machine.name} serves`);
    // What another node did to the keys is read at once: between two rounds of upkeep this one would sign with a dead key.
    server.storage.revocation.onCommit((entries) => {
      if (entries.some(({ kind }) => kind === "key")) void this.#stage.aside(() => server.keyring.tick());
    });
    this.#upkeep(server, watchClock(server.world.clock));
    for (let index = 0; index < this.#stage.plan.crowd; index += 1) this.#idle(server);
  }

  /** One of many connections that do nothing: it says hello, is cut for its silence, and comes again. */
  #idle(server: Server): void {
    const { clientId, clientSecret } = this.#stage.credentials(0);
    const again = (): void => {
      if (this.#server === server) this.#idle(server);
    };
    const connection = server.feed.connect({
      send: () => {},
      waiting: () => 0,
      close: () => void this.machine.timer(IDLE_AGAIN_MS, again),
    });
    const after = server.feed.head;
    connection.received(
      encodeClientFrame({ type: "hello", clientId, clientSecret, after, instance: null, acceptMs: 0 }),
    );
  }

  async #open(): Promise<Server> {
    const { machine } = this;
    const { database, plan, leaseMs } = this.#stage;
    const world = machine.world();
    const { clock } = world;
    const { vault, keyring } = await this.#stage.aside(() => this.#secrets(world));
    const { storage, row } = database.connect(machine);
    const { revocation: log } = storage;
    const live = await LiveSet.load(log);
    const tickets = createTicketJudge({ keyring, live, clock }, ISSUER);
    const verifiers = createVerifiers(storage.clients, AUDIENCES[0], tickets);
    const feed = await openFeed({
      log,
      store: storage.feed,
      verifiers,
      feedKey: vault.current("feed").key,
      sign: createFeedSigner(keyring, ISSUER),
      issuer: ISSUER,
      leaseMs,
      nodes: plan.nodes.length === 1 ? null : (row ?? "unknown"),
      maxConnections: plan.connectionsMax + plan.crowd,
      world,
      alarm: (ms, ring) => machine.timer(ms, ring),
      notice: () => {},
    });
    const confirming = createConfirming({ feed, log, clock, nodes: row }, () => 0);
    const issuing = { issuer: ISSUER, ttlMs: TOKEN_LIFE_MS, mark: null, encrypt: createEncrypt() };
    const tokens = createIssuer(createAccessTokens(keyring, issuing, world), vault);
    const revoke = createRevocationAction({ ...storage, keyring });
    return { machine, world, storage, row, vault, keyring, tokens, verifiers, live, feed, revoke, confirming };
  }

  async #secrets(world: World): Promise<{ vault: Vault; keyring: Keyring }> {
    const storage = this.#stage.database.atOnce(this.machine);
    const vault = await openVault(storage.vault, [SECRET], world);
    if (this.#stage.takesNewFeedKey()) await vault.rotate("feed");
    const options = {
      rotateAfterMs: 0,
      publishLeadMs: 0,
      cachedMs: 300_000,
      toleranceSeconds: 60,
      alg: "ES256",
      sharedSecrets: [],
    } as const;
    return { vault, keyring: await openKeyring(storage.keys, vault, options, world) };
  }

  #upkeep(server: Server, believable: () => boolean, inMs = FIRST_UPKEEP_MS): void {
    this.machine.timer(inMs, () => {
      if (this.#server !== server) return;
      this.#upkeep(server, believable, UPKEEP_MS);
      if (believable()) upkeep(server, server.world.clock.now()).catch(() => {});
    });
  }
}

/** What the server does in the background (maintenance.ts), as far as the log is concerned. */
async function upkeep({ storage, live, feed }: Server, now: number): Promise<void> {
  await storage.revocation.compact(now);
  live.compact(now / 1000);
  feed.compact(now / 1000);
}

/**
 * A node of the login server: its feed, keyring and issuer as they are, over its view of the database. What it knows dies
 * with its process; the database is what it finds again.
 */
import { signJws } from "@mapae/verifier/jose";
import { CHECKPOINT_TYP, checkpointClaims } from "@mapae/verifier/revocation";
import { type Feed, openFeed } from "../../packages/server/src/feed/feed.ts";
import { createVerifiers, type Verifiers } from "../../packages/server/src/feed/verifiers.ts";
import { type Keyring, openKeyring } from "../../packages/server/src/keys/keyring.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import { Secret } from "../../packages/server/src/prelude/secret.ts";
import type { World } from "../../packages/server/src/prelude/world.ts";
import type { Position, RevocationKind } from "../../packages/server/src/revocation/entry.ts";
import { LiveSet } from "../../packages/server/src/revocation/live-set.ts";
import { createIssuer, type Issuer } from "../../packages/server/src/signin/issue.ts";
import type { Storage } from "../../packages/server/src/storage/storage.ts";
import { createAccessTokens } from "../../packages/server/src/tokens/access-token.ts";
import { openVault, type Vault } from "../../packages/server/src/vault/vault.ts";
import { acceptorOf, answererOf } from "./doors.ts";
import type { Machine } from "./machine.ts";
import { AUDIENCES, CAUSE, TOKEN_LIFE_MS } from "./people.ts";
import type { Answerer } from "./requests.ts";
import type { Stage } from "./stage.ts";
import type { Acceptor } from "./transport.ts";
import { nameOf, type Token } from "./truth.ts";
import { ISSUER } from "./verifier.ts";

const SECRET = new Secret("A".repeat(43));
/** As the server does it in the background. */
const UPKEEP_MS = 30_000;

/** One life of a node's process. */
export interface Server {
  readonly machine: Machine;
  readonly world: World;
  readonly storage: Storage;
  readonly vault: Vault;
  readonly keyring: Keyring;
  readonly tokens: Issuer;
  readonly verifiers: Verifiers;
  readonly live: LiveSet;
  readonly feed: Feed;
}

export interface Revoked {
  readonly position: Position;
  readonly confirmed: boolean;
  readonly waitedMs: number;
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
    this.#stage.note(`${machine.name} starts`);
    const life = { over: false };
    machine.onCrash(() => {
      life.over = true;
    });
    this.#open().then(
      (server) => {
        if (life.over) return;
        this.#server = server;
        server.storage.revocation.onCommit((entries) => {
          if (entries.some(({ kind }) => kind === "key")) void this.#stage.aside(() => server.keyring.tick());
        });
        this.acceptor = acceptorOf(server);
        this.answerer = answererOf(server);
        this.#stage.note(`${machine.name} serves`);
        this.#upkeep(server);
      },
      (error: unknown) => {
        if (life.over) return;
        // It cannot reach the database: it ends, and is started again.
        this.crash(false);
        this.#stage.note(`${machine.name} could not start: ${error instanceof Error ? error.message : "?"}`);
        this.#stage.timeline.after(1_000, () => this.boot());
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
    this.#server?.feed.drain(afterMs);
  }

  async #open(): Promise<Server> {
    const { machine } = this;
    const { database, plan } = this.#stage;
    const world = machine.world();
    const { vault, keyring } = await this.#stage.aside(() => openSecrets(database.atOnce(), world));
    const storage = database.connect(machine);
    const live = await LiveSet.load(storage.revocation);
    const verifiers = createVerifiers(storage.clients, AUDIENCES[0]);
    const feed = await openFeed({
      log: storage.revocation,
      store: storage.feed,
      verifiers,
      feedKey: this.#stage.feedKey,
      sign: async (position, count, sha256) => {
        const iat = Math.floor(world.clock.now() / 1000);
        const claims = checkpointClaims({ iss: ISSUER, position, count, sha256, iat });
        return signJws({ typ: CHECKPOINT_TYP }, claims, await keyring.signer(iat));
      },
      issuer: ISSUER,
      leaseMs: plan.leaseMs,
      maxConnections: 100,
      world,
      alarm: (ms, ring) => machine.timer(ms, ring),
      notice: () => {},
    });
    const tokens = createIssuer(
      createAccessTokens(keyring, { issuer: ISSUER, ttlMs: TOKEN_LIFE_MS, mark: null }, world),
      vault,
    );
    return { machine, world, storage, vault, keyring, tokens, verifiers, live, feed };
  }

  #upkeep(server: Server): void {
    this.machine.timer(UPKEEP_MS, () => {
      if (this.#server !== server) return;
      this.#upkeep(server);
      void upkeep(server).catch(() => {});
    });
  }
}

async function openSecrets(storage: Storage, world: World): Promise<{ vault: Vault; keyring: Keyring }> {
  const vault = await openVault(storage.vault, [SECRET], world);
  const schedule = { rotateAfterMs: 0, publishLeadMs: 0, toleranceSeconds: 60 };
  return {
    vault,
    keyring: await openKeyring(storage.keys, vault, { ...schedule, alg: "ES256", sharedSecrets: [] }, world),
  };
}

/** One round of what the server does in the background. */
export async function upkeep({ storage, live, feed, world }: Server): Promise<void> {
  await storage.revocation.compact();
  live.compact(world.clock.now() / 1000);
  feed.compact();
}

/** Takes back what an entry of a kind names of a token, the way the server's routes do, and waits if asked. */
export async function revoke(
  stage: Stage,
  server: Server,
  kind: RevocationKind,
  token: Token,
  wait: { readonly timeoutMs: number | null } | null,
): Promise<Revoked> {
  await carryOut(stage, server, kind, token);
  // A write of its own is told before it is answered. Keys are changed beside the node's view.
  const { revocation } = server.storage;
  const position = kind === "key" ? await revocation.readHead() : revocation.head();
  if (wait === null) return { position, confirmed: false, waitedMs: 0 };
  const { confirmed, waitedMs } = await server.feed.wait(position, wait.timeoutMs).settled;
  return { position, confirmed, waitedMs };
}

async function carryOut(stage: Stage, server: Server, kind: RevocationKind, token: Token): Promise<void> {
  const { storage, keyring } = server;
  const value = nameOf(kind, token);
  switch (kind) {
    case "token":
      await storage.revocation.apply([
        {
          effect: "revoke_token",
          jti: value,
          grant: asId("grant", token.gid),
          audience: token.audience,
          reason: "admin",
        },
      ]);
      return;
    case "session":
      await storage.sessions.end({ session: asId("session", value) }, "logout", CAUSE);
      return;
    case "grant":
      await storage.revocation.apply([{ effect: "end_grant", grant: asId("grant", value), reason: "admin" }]);
      return;
    case "user":
      await storage.sessions.end({ user: asId("user", value) }, "admin", CAUSE);
      return;
    case "client":
      await storage.revocation.apply([{ effect: "revoke", kind, value, reason: "admin" }]);
      return;
    case "key": {
      stage.steal(server, value);
      await stage.aside(() => keyring.revoke(value, CAUSE));
      return;
    }
    case "all":
      await storage.sessions.end({ everyone: true }, "admin", CAUSE);
      return;
  }
}

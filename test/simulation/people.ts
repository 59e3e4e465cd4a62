/**
 * What people and operators do: they sign in, renew, sign out, and take tokens back. Rows and tokens are made by the
 * code of the server: the step that opens a session, the step of a refresh, the issuer of tokens.
 */
import { type SigningKey, signJws } from "@mapae/verifier/jose";
import type { Cause } from "../../packages/server/src/audit/event.ts";
import { DEFAULT_CLIENT } from "../../packages/server/src/clients/client.ts";
import type { Standing } from "../../packages/server/src/grants/grant.ts";
import type { RefreshSettings } from "../../packages/server/src/grants/refresh-rule.ts";
import { asId, type ClientId, newId, type UserId } from "../../packages/server/src/prelude/ids.ts";
import type { World } from "../../packages/server/src/prelude/world.ts";
import { ACCESS_TOKEN_TYPE } from "../../packages/server/src/tokens/access-token.ts";
import type { User } from "../../packages/server/src/users/user.ts";
import type { Database } from "./database.ts";
import type { Server } from "./node.ts";
import { Violation } from "./oracle.ts";
import type { Dice } from "./random.ts";
import type { Timeline } from "./timeline.ts";
import type { Token, Truth } from "./truth.ts";

export const ISSUER = "https://login.example.com";
export const AUDIENCES = ["https://orders.example.com", "https://files.example.com"] as const;
export const CLIENTS: readonly ClientId[] = [DEFAULT_CLIENT, asId("client", "cli_partner")];
export const TOKEN_LIFE_MS = 300_000;
export const CAUSE: Cause = { actor: { kind: "anyone" }, address: null, requestId: null };
export const REFRESH: RefreshSettings = { graceMs: 10_000, idleMs: 14 * 86_400_000 };

const SESSION_MS = 90 * 86_400_000;
/** How far a machine's clock may be ahead or behind when a token is called over for everyone. */
const CLOCKS_APART_MS = 2 * 3_600_000;
/** How far the clocks of those that are right are apart. */
const CLOCKS_NEAR_MS = 60_000;

/** Someone who is signed in, as his app sees it. */
export interface SignedIn {
  readonly user: UserId;
  readonly audience: string;
  /** The turn of the log-in. */
  readonly openedIn: number;
  /** As the last refresh left it. */
  standing: Standing;
}

export class People {
  readonly users: UserId[] = [];
  readonly signedIn: SignedIn[] = [];
  readonly #database: Database;
  readonly #truth: Truth;
  readonly #timeline: Timeline;
  readonly #dice: Dice;
  #count = 0;

  constructor(database: Database, truth: Truth, timeline: Timeline, dice: Dice) {
    this.#database = database;
    this.#truth = truth;
    this.#timeline = timeline;
    this.#dice = dice;
  }

  /** Signs somebody up, before time begins. */
  async signUp(world: World): Promise<void> {
    const now = world.clock.now();
    const id = newId("user", world.random);
    const user: User = {
      id,
      identifier: `user-${this.users.length}`,
      identifierKey: `user-${this.users.length}`,
      name: null,
      state: "active",
      roles: [],
      createdAt: now,
      updatedAt: now,
      password: null,
      credentialVersion: 1,
    };
    await this.#database.storage.users.create(user, []);
    this.users.push(id);
  }

  /** Signs in at a server. Rejects with what the server's storage rejects with. */
  async logIn(
    server: Server,
    user: UserId,
    client: ClientId,
    audience: string = this.#dice.pick(AUDIENCES),
  ): Promise<Token> {
    const { world, storage } = server;
    await server.tokens.reserve();
    const now = world.clock.now();
    const times = { createdAt: now, idleExpiresAt: now + REFRESH.idleMs, ended: null };
    const session = newId("session", world.random);
    const outcome = await storage.grants.open({
      session: {
        ...times,
        id: session,
        user,
        client,
        device: { id: newId("device", world.random), name: "", class: "desktop" },
        address: null,
        amr: ["pwd"],
        lastSeenAt: now,
        expiresAt: now + SESSION_MS,
      },
      grant: {
        ...times,
        secretId: world.random.bytes(16),
        id: newId("grant", world.random),
        session,
        client,
        scope: [],
        policy: { rotates: true, replayEnds: "session" },
        generation: 1,
        macKey: server.vault.current("refresh-mac").id,
        rotatedAt: now,
        proof: null,
        usedAt: now,
      },
      credentialVersion: 1,
      limit: { max: 0, action: "evict", per: "user" },
      chosen: null,
      listSeed: null,
      cause: CAUSE,
    });
    if (outcome.kind !== "opened") throw new Error(`the log-in came to ${outcome.kind}`);
    const openedIn = this.#database.turnOf(outcome);
    const signedIn: SignedIn = { user, audience, openedIn, standing: outcome.standing };
    this.signedIn.push(signedIn);
    return this.#issue(server, signedIn, openedIn);
  }

  /** Renews; `null` where the server says that the session is over. */
  async refresh(server: Server, signedIn: SignedIn): Promise<Token | null> {
    const { grant } = signedIn.standing;
    const { secretId, generation, client } = grant;
    const macKey = server.vault.current("refresh-mac").id;
    const none = { proof: null, device: null, requiredRole: null, listSeed: null };
    const presented = { secretId, generation, client, macKey, ...none };
    await server.tokens.reserve();
    const outcome = await server.storage.grants.use(presented, REFRESH, CAUSE);
    if (!outcome.allow) {
      this.#forget(signedIn);
      return null;
    }
    signedIn.standing = outcome.standing;
    return this.#issue(server, signedIn, this.#database.turnOf(outcome));
  }

  /** A token made by whoever stole a signing key: signed as the server signs, and nothing in it is true. */
  forge(world: World, key: SigningKey): Token {
    const now = Math.floor(world.clock.now() / 1000);
    const claims = {
      iss: ISSUER,
      sub: "usr_forged",
      aud: this.#dice.pick(AUDIENCES),
      iat: now,
      exp: now + TOKEN_LIFE_MS / 1000,
      jti: world.random.bytes(16).toString("base64url"),
      client_id: DEFAULT_CLIENT,
      sid: "ses_forged",
      gid: "grt_forged",
      rsq: [2 ** 47, 0],
    };
    const never = Number.POSITIVE_INFINITY;
    return this.#known(signJws({ typ: ACCESS_TOKEN_TYPE }, claims, key), { turn: never, openedIn: never });
  }

  #forget(signedIn: SignedIn): void {
    const at = this.signedIn.indexOf(signedIn);
    if (at >= 0) this.signedIn.splice(at, 1);
  }

  async #issue(server: Server, { standing, audience, openedIn }: SignedIn, turn: number): Promise<Token> {
    const { accessToken } = await server.tokens.tokens(standing, audience, null);
    return this.#known(accessToken, { turn, openedIn });
  }

  #known(text: string, { turn, openedIn }: Pick<Token, "turn" | "openedIn">): Token {
    this.#count += 1;
    const [header, claims] = text.split(".", 2).map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
    const { now } = this.#timeline;
    const token = this.#truth.issued({
      text,
      label: `t${this.#count}`,
      jti: claims.jti,
      sid: claims.sid,
      gid: claims.gid,
      sub: claims.sub,
      audience: claims.aud,
      client: claims.client_id,
      kid: header.kid,
      turn,
      openedIn,
      issuedAt: now,
      mayExpire: now + TOKEN_LIFE_MS - CLOCKS_NEAR_MS,
      gone: now + TOKEN_LIFE_MS + CLOCKS_APART_MS,
    });
    this.#timeline.note(
      `${token.label} issued, in turn ${turn}${token.deadAt < Number.POSITIVE_INFINITY ? ", dead" : ""}`,
    );
    const objection = this.#truth.objection(token, now);
    if (objection !== null) {
      throw new Violation("a revocation was acknowledged and is not there", `${token.label} is ${objection}`);
    }
    return token;
  }
}

/**
 * One `mapae serve` on SQLite, twenty verifier processes each behind a proxy of its own, and the oracle at all of them.
 *
 *   test ──► mapae serve ◄── proxy ◄── verifier.ts ◄── oracle
 *                        ◄── proxy ◄── verifier.ts ◄──┘
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { askSocket } from "../../../packages/server/src/operator/socket.ts";
import { placesIn } from "../../../packages/server/src/settings/places.ts";
import { LOGIN_SERVER } from "../../processes.ts";
import { claimsOf, type Json, object, text } from "../../stage.ts";
import { ChildVerifier, type Kind, later } from "./child.ts";
import { clock, Oracle, type Truth } from "./oracle.ts";
import { Program } from "./program.ts";
import { startProxy } from "./proxy.ts";
import type { VerifierSettings } from "./settings.ts";

/** N. Short, so that what must be waited for fits a test. */
export const N = 1_500;
/** N(1+2ρ) with ρ = 1 %. */
export const BOUND = N * 1.02;
export const PASSWORD = "one horse, two batteries";

/** Of every six verifiers. */
const KINDS: readonly Kind[] = ["streams", "streams", "streams", "keeps", "polls", "introspects"];
const PAUSABLE = pathToFileURL(join(import.meta.dirname, "pausable.ts")).href;

/**
 * A port that was free a moment ago: the server must come back to the same one. Below those that the kernel gives to
 * connections, one of which could have it while the server is away.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 30_000);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve(true));
    });
    await new Promise((resolve) => probe.close(resolve));
    if (free) return port;
  }
}

function turning(verifiers: readonly ChildVerifier[], turn: number): ChildVerifier {
  const verifier = verifiers[turn % verifiers.length];
  if (verifier === undefined) throw new Error("there is no verifier of that kind");
  return verifier;
}

export interface Confirmed {
  readonly confirmed: boolean;
  readonly acknowledged: number;
  readonly outstanding: number;
  readonly waitedMs: number;
}

export class Stage {
  readonly oracle = new Oracle(BOUND);
  /** Those that are to follow. */
  readonly verifiers: ChildVerifier[] = [];
  readonly #everyone: ChildVerifier[] = [];
  readonly folder: string;
  readonly issuer: string;
  readonly port: number;
  readonly #more: Readonly<Record<string, string>>;
  readonly #watches: Promise<void>[] = [];
  #server: Program | null = null;
  #named = 0;
  #turn = 0;

  private constructor(folder: string, port: number, more: Readonly<Record<string, string>>) {
    this.folder = folder;
    this.port = port;
    this.#more = more;
    this.issuer = `http://localhost:${port}`;
  }

  /** @param count verifiers, as KINDS says @param more settings of the server */
  static async open(folder: string, count: number, more: Readonly<Record<string, string>> = {}): Promise<Stage> {
    const stage = new Stage(folder, await freePort(), more);
    await stage.startServer();
    await stage.request("POST", "/v1/users", { identifier: "kim", password: PASSWORD });
    await stage.mint("first");
    for (let index = 0; index < count; index += 1) await stage.#makeVerifier(index);
    // Two at a time: as many as there are cores to start them on.
    for (let index = 0; index < count; index += 2) {
      await Promise.all(stage.verifiers.slice(index, index + 2).map((verifier) => verifier.start()));
    }
    for (const verifier of stage.verifiers) stage.#watches.push(stage.oracle.watch(verifier));
    await stage.settle();
    return stage;
  }

  async #makeVerifier(index: number): Promise<void> {
    const kind = KINDS[index % KINDS.length] ?? "streams";
    const clientId = `api-${index}`;
    const body = { kind: "resource_server", id: clientId, name: clientId };
    const made = await this.operator("POST", "/v1/admin/clients", body);
    const proxy = await startProxy(this.port);
    const settings: VerifierSettings = {
      issuer: this.issuer,
      feed: `http://localhost:${proxy.port}`,
      clientId,
      clientSecret: text(made.client_secret),
      onStale: kind === "introspects" ? "introspect" : "reject",
      stream: kind !== "polls",
      keep: kind === "keeps" ? join(this.folder, `${clientId}.json`) : null,
    };
    const verifier = new ChildVerifier(kind, proxy, settings, this.folder, this.oracle);
    this.#everyone.push(verifier);
    this.verifiers.push(verifier);
  }

  /** One of each kind, and one more that streams; at each call the next ones. The others are left in peace. */
  some(): readonly ChildVerifier[] {
    this.#turn += 1;
    const [turn, streams] = [this.#turn, this.of("streams")];
    const picked = (["keeps", "polls", "introspects"] as const).map((kind) => turning(this.of(kind), turn));
    return [turning(streams, 2 * turn), turning(streams, 2 * turn + 1), ...picked];
  }

  of(kind: Kind): readonly ChildVerifier[] {
    return this.verifiers.filter((verifier) => verifier.kind === kind);
  }

  /** Expects nothing more of a verifier. */
  async dismiss(verifier: ChildVerifier): Promise<void> {
    this.verifiers.splice(this.verifiers.indexOf(verifier), 1);
    await verifier.kill();
  }

  get settings(): Readonly<Record<string, string>> {
    return {
      MAPAE_PORT: String(this.port),
      MAPAE_ISSUER: this.issuer,
      MAPAE_LOG_LEVEL: "error",
      MAPAE_RATE_LIMIT: "off",
      MAPAE_LOGIN_FLOOR: "0s",
      // Longer than any clock here is set ahead.
      MAPAE_ACCESS_TTL: "4h",
      MAPAE_REVOCATION_LEASE: `${N}ms`,
      ...this.#more,
    };
  }

  async startServer(): Promise<void> {
    const settings = { ...this.settings, NODE_OPTIONS: `--import=${PAUSABLE}` };
    this.#server = await Program.start([LOGIN_SERVER, "serve"], settings, this.folder);
  }

  async endServer(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await this.#server?.end(signal);
    this.#server = null;
  }

  signalServer(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#server?.signal(signal);
  }

  /** Its event loop stands still for a second; what is under way in its threads goes on. */
  pauseServerLoop(): void {
    this.#server?.signal("SIGUSR2");
  }

  async request(method: string, path: string, body: unknown): Promise<Json> {
    const init = { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const answer = await fetch(`${this.issuer}${path}`, init);
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
    return object(await answer.json());
  }

  /** As `mapae` on the command line asks. */
  async operator(method: string, path: string, body: unknown): Promise<Json> {
    const socket = placesIn(join(this.folder, "data")).socket;
    const answer = await askSocket(socket, method, path, body === null ? null : JSON.stringify(body));
    if (answer.status >= 400) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.body}`);
    return answer.body === "" ? {} : object(JSON.parse(answer.body));
  }

  /** Logs in, and tells every verifier that runs of the token. @returns its name */
  async mint(about: string): Promise<string> {
    const answer = await this.request("POST", "/v1/sessions", { identifier: "kim", password: PASSWORD });
    return this.adopt(about, text(answer.access_token));
  }

  /** Adds a token. @param fate of another that it shares; without one it is good */
  async adopt(about: string, token: string, fate: Partial<Truth> = {}): Promise<string> {
    this.#named += 1;
    const name = `${about}-${this.#named}`;
    const never = Number.POSITIVE_INFINITY;
    const good = { revokeBegan: never, revokeDone: never, confirmedAt: never, keyGone: false };
    const truth: Truth = { ...good, ...fate, token, sid: text(claimsOf(token).sid) };
    this.oracle.truths.set(name, truth);
    await Promise.all(this.verifiers.map((verifier) => verifier.teach([[name, truth]]).catch(() => undefined)));
    return name;
  }

  /** The tokens that nobody has asked to revoke. */
  living(): readonly string[] {
    const living = [...this.oracle.truths].filter(([, { revokeBegan }]) => revokeBegan === Number.POSITIVE_INFINITY);
    return living.map(([name]) => name);
  }

  truth(name: string): Truth {
    const truth = this.oracle.truths.get(name);
    if (truth === undefined) throw new Error(`there is no token ${name}`);
    return truth;
  }

  /** Revokes the sessions of some tokens, one call each, and tells the oracle what is known when. */
  async revoke(name: string, wait: "none" | "all" = "none"): Promise<Confirmed> {
    return this.take({ kind: "session", id: this.truth(name).sid }, [name], wait);
  }

  /** @param names of the tokens that it kills */
  async take(body: Json, names: readonly string[], wait: "none" | "all" = "none"): Promise<Confirmed> {
    const truths = names.map((name) => this.truth(name));
    const began = clock();
    for (const truth of truths) truth.revokeBegan = Math.min(truth.revokeBegan, began);
    const answer = await this.operator("POST", "/v1/revocations", { ...body, wait });
    const done = clock();
    for (const truth of truths) {
      truth.revokeDone = Math.min(truth.revokeDone, done);
      if (answer.confirmed === true) truth.confirmedAt = Math.min(truth.confirmedAt, done);
    }
    return {
      confirmed: answer.confirmed === true,
      acknowledged: Number(answer.acknowledged),
      outstanding: Array.isArray(answer.outstanding) ? answer.outstanding.length : 0,
      waitedMs: Number(answer.waited_ms),
    };
  }

  /** Revokes with and without waiting while a trouble lasts, and lasts longer than the bound. */
  async revokeDuring(about: string): Promise<void> {
    const names = await Promise.all(["a", "b"].map((each) => this.mint(`${about}-${each}`)));
    await Promise.all(names.map((name, index) => this.revoke(name, index === 0 ? "all" : "none")));
    await later(BOUND);
    this.check();
  }

  /** Until everyone is trusted and right about everything; and nothing was seen meanwhile that must not be. */
  async settle(): Promise<void> {
    await Promise.all(this.verifiers.map((verifier) => verifier.settle()));
    this.check();
  }

  /** Fails for what was seen since the last time. */
  check(): void {
    const faults = this.oracle.faults.splice(0);
    assert.deepEqual(faults.slice(0, 20), [], `${faults.length} faults`);
  }

  async close(): Promise<void> {
    this.oracle.stop();
    await Promise.all(this.#everyone.map((verifier) => verifier.kill()));
    await this.endServer("SIGKILL");
    await Promise.all(this.#watches);
    await Promise.all(this.#everyone.map(({ proxy }) => proxy.close()));
  }
}

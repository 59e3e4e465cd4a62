/**
 * One `mapae serve` on SQLite, a dozen verifier processes each behind a proxy of its own, and the oracle at all of them.
 *
 *   test ──► mapae serve ◄── proxy ◄── verifier.ts ◄── oracle
 *                        ◄── proxy ◄── verifier.ts ◄──┘
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { askSocket } from "../../../packages/server/src/operator/socket.ts";
import { placesIn } from "../../../packages/server/src/places.ts";
import { environment, FLAGS, LOGIN_SERVER } from "../../processes.ts";
import { type Json, object, text } from "../../stage.ts";
import { clock, Oracle, type Seen, type Truth } from "./oracle.ts";
import { type ChaosProxy, startProxy } from "./proxy.ts";
import type { VerifierSettings } from "./settings.ts";

/** N. Short, so that what must be waited for fits a test. */
export const N = 1_500;
/** N(1+2ρ) with ρ = 1 %. */
export const BOUND = N * 1.02;
/** Within this time after a trouble is over, every verifier trusts its copy again: the longest backoff, twice, and change. */
export const RECOVERY_MS = 40_000;
const START_MS = 60_000;
const LOOK_MS = 30_000;
const PASSWORD = "one horse, two batteries";

export const later = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

/** A port that was free a moment ago: the server must come back to the same one. */
async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

/** A program that says where it answers, and can be stopped in every way. */
class Program {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  static start(args: readonly string[], env: Readonly<Record<string, string>>, cwd: string): Promise<Program> {
    const child = spawn(process.execPath, [...FLAGS, ...args], {
      cwd,
      env: environment(env),
      stdio: ["ignore", "ignore", "pipe"],
    });
    let told = "";
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        child.kill("SIGKILL");
        reject(new Error(`${args[0]} did not start in time\n${told}`));
      }, START_MS);
      child.once("exit", (code, signal) => {
        clearTimeout(late);
        reject(new Error(`${args[0]} ended with ${code ?? signal}\n${told}`));
      });
      child.stderr?.setEncoding("utf8").on("data", (more: string) => {
        told += more;
        const url = /ready at (http:\/\/localhost:\d+)/.exec(told)?.[1];
        if (url === undefined) return;
        clearTimeout(late);
        resolve(new Program(child, url));
      });
    });
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    return new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once("exit", () => resolve());
      child.kill("SIGCONT");
      child.kill(signal);
    });
  }
}

/** A verifier process, and the proxy between it and the server. */
export class ChildVerifier {
  readonly name: string;
  readonly proxy: ChaosProxy;
  readonly #settings: VerifierSettings;
  readonly #folder: string;
  readonly #oracle: Oracle;
  #program: Program | null = null;

  constructor(name: string, proxy: ChaosProxy, settings: VerifierSettings, folder: string, oracle: Oracle) {
    this.name = name;
    this.proxy = proxy;
    this.#settings = settings;
    this.#folder = folder;
    this.#oracle = oracle;
  }

  get clientId(): string {
    return this.#settings.clientId;
  }

  async start(): Promise<void> {
    const program = join(import.meta.dirname, "verifier.ts");
    const started = await Program.start([program, JSON.stringify(this.#settings)], {}, this.#folder);
    this.#program = started;
    await this.teach([...this.#oracle.truths]);
  }

  async teach(truths: readonly (readonly [string, Truth])[]): Promise<void> {
    if (this.#program === null || truths.length === 0) return;
    const body = JSON.stringify(Object.fromEntries(truths.map(([name, { token }]) => [name, token])));
    await fetch(`${this.#program.url}/tokens`, { method: "POST", body, signal: AbortSignal.timeout(LOOK_MS) });
  }

  async look(): Promise<Seen> {
    if (this.#program === null) throw new Error(`${this.name} does not run`);
    const answer = await fetch(`${this.#program.url}/verdicts`, { signal: AbortSignal.timeout(LOOK_MS) });
    return (await answer.json()) as Seen;
  }

  /** Holds up its event loop. */
  async block(ms: number): Promise<void> {
    await fetch(`${this.#program?.url}/block`, {
      method: "POST",
      body: String(ms),
      signal: AbortSignal.timeout(LOOK_MS),
    });
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#program?.signal(signal);
  }

  async kill(): Promise<void> {
    const program = this.#program;
    this.#program = null;
    await program?.end("SIGKILL");
  }

  /** Until it is trusted and right about everything. */
  async settle(within = RECOVERY_MS): Promise<void> {
    const until = clock() + within;
    let why: string | null = "it was not asked";
    while (clock() < until) {
      const seen = await this.look().catch(() => null);
      why = seen === null ? "it does not answer" : this.#oracle.settled(seen);
      if (why === null) return;
      await later(100);
    }
    assert.fail(`${this.name} has not recovered within ${within} ms: ${why}`);
  }

  /** Until its copy is not trusted. */
  async untilStale(): Promise<void> {
    const until = clock() + LOOK_MS;
    while (clock() < until) {
      if (!(await this.look()).live) return;
      await later(50);
    }
    assert.fail(`${this.name} has trusted its copy all the time`);
  }
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
  readonly #port: number;
  readonly #watches: Promise<void>[] = [];
  #server: Program | null = null;
  #named = 0;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.#port = port;
    this.issuer = `http://localhost:${port}`;
  }

  /** @param count verifiers: of every six one polls, and one introspects when stale */
  static async open(folder: string, count: number): Promise<Stage> {
    const stage = new Stage(folder, await freePort());
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
    const clientId = `api-${index}`;
    const body = { kind: "resource_server", id: clientId, name: clientId };
    const made = await this.operator("POST", "/v1/admin/clients", body);
    const proxy = await startProxy(this.#port);
    const settings: VerifierSettings = {
      issuer: this.issuer,
      feed: `http://localhost:${proxy.port}`,
      clientId,
      clientSecret: text(made.client_secret),
      onStale: index % 6 === 5 ? "introspect" : "reject",
      stream: index % 6 !== 4,
      keep: index % 6 === 3 ? join(this.folder, `${clientId}.json`) : null,
    };
    const kind = settings.stream ? settings.onStale : "polls";
    const verifier = new ChildVerifier(`${clientId} ${kind}`, proxy, settings, this.folder, this.oracle);
    this.#everyone.push(verifier);
    this.verifiers.push(verifier);
  }

  /** Expects nothing more of a verifier. */
  async dismiss(verifier: ChildVerifier): Promise<void> {
    this.verifiers.splice(this.verifiers.indexOf(verifier), 1);
    await verifier.kill();
  }

  get settings(): Readonly<Record<string, string>> {
    return {
      MAPAE_PORT: String(this.#port),
      MAPAE_ISSUER: this.issuer,
      MAPAE_LOG_LEVEL: "error",
      MAPAE_RATE_LIMIT: "off",
      MAPAE_LOGIN_FLOOR: "0s",
      MAPAE_ACCESS_TTL: "1h",
      MAPAE_REVOCATION_LEASE: `${N}ms`,
    };
  }

  async startServer(): Promise<void> {
    this.#server = await Program.start([LOGIN_SERVER, "serve"], this.settings, this.folder);
  }

  async endServer(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await this.#server?.end(signal);
    this.#server = null;
  }

  signalServer(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#server?.signal(signal);
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

  /** Adds a token that is good. */
  async adopt(about: string, token: string): Promise<string> {
    const { sid } = object(JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()));
    this.#named += 1;
    const name = `${about}-${this.#named}`;
    const never = Number.POSITIVE_INFINITY;
    const truth: Truth = {
      token,
      sid: text(sid),
      revokeBegan: never,
      revokeDone: never,
      confirmedAt: never,
      keyGone: false,
    };
    this.oracle.truths.set(name, truth);
    await Promise.all(this.verifiers.map((verifier) => verifier.teach([[name, truth]]).catch(() => undefined)));
    return name;
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

  /** Until everyone is trusted and right about everything; and nothing was seen meanwhile that must not be. */
  async settle(): Promise<void> {
    await Promise.all(this.verifiers.map((verifier) => verifier.settle()));
    this.check();
  }

  check(): void {
    const { faults } = this.oracle;
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

/** A verifier process, and the proxy between it and the server. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Bend } from "./clocks.ts";
import { clock, type Oracle, type Truth } from "./oracle.ts";
import { Program } from "./program.ts";
import type { ChaosProxy } from "./proxy.ts";
import type { Seen, VerifierSettings } from "./settings.ts";

/** Within this time after a trouble is over, every verifier trusts its copy again: the longest backoff, twice, and change. */
export const RECOVERY_MS = 40_000;
const LOOK_MS = 30_000;

export const later = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

export type Kind = "streams" | "keeps" | "polls" | "introspects";

export class ChildVerifier {
  readonly name: string;
  readonly kind: Kind;
  readonly proxy: ChaosProxy;
  readonly #settings: VerifierSettings;
  readonly #folder: string;
  readonly #oracle: Oracle;
  #program: Program | null = null;

  constructor(kind: Kind, proxy: ChaosProxy, settings: VerifierSettings, folder: string, oracle: Oracle) {
    this.name = `${settings.clientId} ${kind}`;
    this.kind = kind;
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
    await this.#tell("/tokens", Object.fromEntries(truths.map(([name, { token }]) => [name, token])));
  }

  /** @param every also of all tokens that were refused before, of which else only some come, in turn */
  async look(every = false): Promise<Seen> {
    if (this.#program === null) throw new Error(`${this.name} does not run`);
    const url = `${this.#program.url}/verdicts${every ? "/all" : ""}`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(LOOK_MS) });
    return (await answer.json()) as Seen;
  }

  /** Holds up its event loop. */
  block(ms: number): Promise<void> {
    return this.#tell("/block", ms);
  }

  /** Bends its clocks: see clocks.ts. */
  bend(bend: Bend): Promise<void> {
    return this.#tell("/clocks", bend);
  }

  async #tell(path: string, body: unknown): Promise<void> {
    const init = { method: "POST", body: JSON.stringify(body), signal: AbortSignal.timeout(LOOK_MS) };
    const answer = await fetch(`${this.#program?.url}${path}`, init);
    await answer.body?.cancel();
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#program?.signal(signal);
  }

  async kill(): Promise<void> {
    const program = this.#program;
    this.#program = null;
    await program?.end("SIGKILL");
    this.#oracle.forget(this.name);
  }

  /** Until its copy is trusted and it is right about every token; over the stream, where it is one that streams. */
  settle(): Promise<void> {
    return this.#until(RECOVERY_MS, "has not recovered", (seen, every) => {
      const why = this.#oracle.settled(seen, every);
      return why ?? (this.kind !== "polls" && seen.via !== "stream" ? "it does not stream" : null);
    });
  }

  /** Until its copy is not trusted. */
  untilStale(): Promise<void> {
    return this.#until(LOOK_MS, "has trusted its copy all the time", ({ live }) => (live ? "it is live" : null));
  }

  /** Until it accepts a token. */
  untilAccepts(name: string): Promise<void> {
    return this.#until(LOOK_MS, `has not accepted ${name}`, ({ verdicts }) => {
      const code = verdicts[name]?.[2] ?? "unheard of";
      return code === "accepted" ? null : code;
    });
  }

  /** @param missing what is still missing, `null` once nothing is */
  async #until(within: number, what: string, missing: (seen: Seen, every: boolean) => string | null): Promise<void> {
    const until = clock() + within;
    let why: string | null = "it was not asked";
    while (clock() < until) {
      // What some verdicts already show to be missing is not asked of all.
      for (const every of [false, true]) {
        const seen = await this.look(every).catch(() => null);
        why = seen === null ? "it does not answer" : missing(seen, every);
        if (why !== null) break;
      }
      if (why === null) return;
      await later(150);
    }
    assert.fail(`${this.name} ${what} within ${within} ms: ${why}`);
  }
}

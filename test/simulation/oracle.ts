/**
 * The oracle: asks the real verifiers about tokens whose state is known, after everything that happens, and holds their
 * answers against what is true. It knows true time; the verifiers do not.
 *
 *   statement 1   accepted, and what kills it was committed longer ago than the bound
 *   statement 2   accepted, after somebody was told `confirmed: true`
 *                 accepted by an owner's choice (`accept`), and that answer does not name the verifier as unbound
 *   nothing is un-revoked: accepted by a process that has called it revoked before
 *   nobody is refused wrongly: called revoked, and nothing that kills it was ever committed; or called anything else that
 *   a good token is not
 *
 * A verifier's answers change when something happens on its machine, and otherwise only by time passing, which takes
 * permission away and never gives it. So it is asked after each event of its own, and at the moments when a token falls
 * due for everyone.
 */
import type { Verdict } from "@mapae/verifier";
import type { Token, Truth } from "./truth.ts";

export type Answer = "accepted" | Exclude<Verdict, { readonly ok: true }>["code"];

/** One life of a verifier process, as the oracle sees it. */
export interface Witness {
  readonly name: string;
  readonly audience: string;
  /** How long a revocation may take to bind it, in true milliseconds. */
  readonly boundMs: number;
  /** False where its owner lets it accept without a lease: statement 2 holds for it only where no answer names it. */
  readonly isBound: boolean;
  /** Whether an answer names it then: a node knows its own verifiers only, so not where several serve one log. */
  readonly isNamed: boolean;
  /** Tokens that this process has called revoked. */
  readonly refused: Set<Token>;
  /** The instances that this process was to its nodes. */
  readonly instances: Set<string>;
  /** How far its wall clock is from true time now, in milliseconds. */
  clockError(): number;
  answer(token: Token): Answer;
}

export type Finding =
  | "beyond the bound (statement 1)"
  | "after confirmation (statement 2)"
  | "not named as unbound (statement 2)"
  | "un-revoked"
  | "wrongly called revoked"
  | "refuses a token that is good"
  | "accepts what is meant for others"
  | "a revocation was acknowledged and is not there"
  | "a connection was left open"
  | "never confirmed"
  | "does not trust its copy again"
  | "a fault";

export class Violation extends Error {
  override readonly name = "Violation";
  readonly finding: Finding;

  constructor(finding: Finding, detail: string) {
    super(`${finding}: ${detail}`);
    this.finding = finding;
  }
}

/** One in so many of the tokens that a process has called revoked, or that are not meant for it, is asked about each time, in turn. */
const NOW_AND_THEN = 8;
/** Rounding of clocks that count whole milliseconds. */
const GRAIN_MS = 2;
/** A verifier whose clock is no further off than this says of a good token that it is good. */
const CLOCK_RIGHT_MS = 30_000;

/** What a verifier may answer of a good token: it does not know enough at the moment. */
const DOUBTS: readonly Answer[] = ["revocation_unknown", "keys_unavailable", "check_required", "unknown_key"];
/** By its clock, and by that of the node that made the token. */
const BY_CLOCK: readonly Answer[] = ["token_expired", "token_not_yet_valid"];
const BROKEN: readonly Answer[] = ["verification_fault", "verifier_closed"];

export class Oracle {
  readonly #truth: Truth;
  asked = 0;
  #turn = 0;

  constructor(truth: Truth) {
    this.#truth = truth;
  }

  /** Asks one verifier about the tokens that there are. */
  ask(witness: Witness, now: number): void {
    this.#turn += 1;
    for (const [index, token] of this.#truth.tokens.entries()) {
      const rarely = token.audience !== witness.audience || witness.refused.has(token);
      if (rarely && (index + this.#turn) % NOW_AND_THEN !== 0) continue;
      this.asked += 1;
      this.judge(witness, token, witness.answer(token), now);
    }
  }

  /** Holds an answer against what is true. */
  judge(witness: Witness, token: Token, answer: Answer, now: number): void {
    if (answer === "accepted") this.#accepted(witness, token, now);
    else if (answer === "token_revoked") {
      witness.refused.add(token);
      this.#revoked(witness.name, token, now);
    } else if (BROKEN.includes(answer)) {
      throw new Violation("a fault", `${witness.name} could not judge ${token.label}: ${answer}`);
    } else if (!DOUBTS.includes(answer)) this.#refused(witness, token, answer, now);
  }

  /** A verifier has closed a connection because its token is revoked. */
  closed(name: string, token: Token, now: number): void {
    this.#revoked(name, token, now);
  }

  #revoked(name: string, token: Token, now: number): void {
    // What a restore has lost, or a wrong clock has made, a node may call inactive without an entry.
    const mayBe = token.forgiven || token.orphaned || token.keyLost || token.doubtful;
    if (token.deadAt > now && !mayBe) throw new Violation("wrongly called revoked", `${token.label} by ${name}`);
  }

  #accepted(witness: Witness, token: Token, now: number): void {
    const what = `${token.label} (killed by ${token.killer}) was accepted by ${witness.name}`;
    if (token.audience !== witness.audience) throw new Violation("accepts what is meant for others", what);
    if (witness.refused.has(token)) throw new Violation("un-revoked", what);
    for (const { at, unbound } of token.confirmations) {
      if (witness.isBound)
        throw new Violation("after confirmation (statement 2)", `${what} ${since(at, now)} after it`);
      if (!witness.isNamed || [...witness.instances].some((instance) => unbound.has(instance))) continue;
      throw new Violation("not named as unbound (statement 2)", `${what} ${since(at, now)} after it`);
    }
    if (token.deadAt + witness.boundMs + GRAIN_MS < now) {
      throw new Violation("beyond the bound (statement 1)", `${what} ${since(token.deadAt, now)} after the commit`);
    }
  }

  #refused(witness: Witness, token: Token, answer: Answer, now: number): void {
    if (token.audience !== witness.audience && answer === "invalid_audience") return;
    const isOver = token.doubtful || token.mayExpire <= now || Math.abs(witness.clockError()) > CLOCK_RIGHT_MS;
    if (isOver && BY_CLOCK.includes(answer)) return;
    throw new Violation("refuses a token that is good", `${token.label} by ${witness.name}: ${answer}`);
  }
}

function since(then: number, now: number): string {
  return `${(now - then).toFixed(0)} ms`;
}

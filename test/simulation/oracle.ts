/**
 * The oracle: asks the real verifiers about tokens whose state is known, after everything that happens, and holds their
 * answers against what is true. It knows true time; the verifiers do not.
 *
 *   statement 1   accepted, and what kills it was committed longer ago than the bound
 *   statement 2   accepted, after somebody was told `confirmed: true`
 *   nothing is un-revoked: accepted by a process that has called it revoked before
 *   nobody is refused wrongly: called revoked, and nothing that kills it was ever committed
 *
 * A verifier's answers change when something happens on its machine, and otherwise only by time passing, which takes
 * permission away and never gives it. So it is asked after each event of its own, and at the moments when a token falls
 * due for everyone.
 */
import type { Token, Truth } from "./truth.ts";

export type Answer = "accepted" | "revoked" | "unknown" | "refused" | "broken";

/** One life of a verifier process, as the oracle sees it. */
export interface Witness {
  readonly name: string;
  /** How long a revocation may take to bind it, in true milliseconds. */
  readonly boundMs: number;
  /** False where its owner lets it accept without a lease: statement 2 does not hold for it, and says so. */
  readonly isBound: boolean;
  /** Tokens that this process has called revoked. */
  readonly refused: Set<Token>;
  answer(token: Token): Answer;
}

export type Finding =
  | "beyond the bound (statement 1)"
  | "after confirmation (statement 2)"
  | "un-revoked"
  | "wrongly called revoked"
  | "a revocation was acknowledged and is not there"
  | "does not trust its copy again"
  | "refuses a token that is good"
  | "a fault";

export class Violation extends Error {
  override readonly name = "Violation";
  readonly finding: Finding;

  constructor(finding: Finding, detail: string) {
    super(`${finding}: ${detail}`);
    this.finding = finding;
  }
}

/** One in so many of the tokens that a process has called revoked is asked about again each time, in turn. */
const REFUSED_AGAIN = 8;
/** Rounding of clocks that count whole milliseconds. */
const GRAIN_MS = 2;

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
      if (witness.refused.has(token) && (index + this.#turn) % REFUSED_AGAIN !== 0) continue;
      this.asked += 1;
      this.judge(witness, token, witness.answer(token), now);
    }
  }

  /** Holds an answer against what is true. */
  judge(witness: Witness, token: Token, answer: Answer, now: number): void {
    if (answer === "revoked") {
      witness.refused.add(token);
      if (token.deadAt > now && !token.forgiven)
        throw new Violation("wrongly called revoked", `${token.label} by ${witness.name}`);
      return;
    }
    if (answer === "broken") throw new Violation("a fault", `${witness.name} could not judge ${token.label}`);
    if (answer !== "accepted") return;
    const what = `${token.label} (killed by ${token.killer}) was accepted by ${witness.name}`;
    if (witness.refused.has(token)) throw new Violation("un-revoked", what);
    if (token.confirmedAt <= now && witness.isBound) {
      throw new Violation("after confirmation (statement 2)", `${what} ${since(token.confirmedAt, now)} after it`);
    }
    if (token.deadAt + witness.boundMs + GRAIN_MS < now) {
      throw new Violation("beyond the bound (statement 1)", `${what} ${since(token.deadAt, now)} after the commit`);
    }
  }
}

function since(then: number, now: number): string {
  return `${(now - then).toFixed(0)} ms`;
}

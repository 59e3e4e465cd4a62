/**
 * Knows what became of every token, asks every verifier about all of them, all the time, and writes down what must not be.
 *
 *   zombie         accepted by a verification that began after `confirmed: true` had arrived
 *   beyond bound   accepted by one that began more than N(1+2ρ) after the revocation was answered
 *   wrong refusal  a token that nobody has begun to revoke is refused; or one that may be good is not decided on by a
 *                  verifier that says its copy is to be trusted
 *
 * Each verification is stamped within its process with the clock that all share, before and after. So the oracle needs no
 * margin for its own polling: a verdict counts against the verifier only where it began too late.
 */
import type { ChildVerifier } from "./stage.ts";

export interface Truth {
  readonly token: string;
  readonly sid: string;
  /** Nobody has asked for its revocation: ∞. */
  revokeBegan: number;
  /** It is answered: the entry is committed. */
  revokeDone: number;
  confirmedAt: number;
  /** Its key is gone too: an unknown key says the same. */
  keyGone: boolean;
}

export interface Seen {
  readonly live: boolean;
  readonly via: string;
  readonly verdicts: Readonly<Record<string, readonly [number, number, string]>>;
}

/** In milliseconds, of the clock that `verifier.ts` stamps with. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

const EVERY_MS = 120;

export class Oracle {
  readonly truths = new Map<string, Truth>();
  readonly faults: string[] = [];
  /** How often each was seen, so that a test cannot pass because nothing was looked at. */
  readonly counts = { accepted: 0, revoked: 0, unknown: 0, polls: 0 };
  readonly #boundMs: number;
  #stopped = false;

  /** @param boundMs N(1+2ρ) */
  constructor(boundMs: number) {
    this.#boundMs = boundMs;
  }

  /** Polls one verifier until the end, over its deaths and pauses. */
  async watch(verifier: ChildVerifier): Promise<void> {
    while (!this.#stopped) {
      const seen = await verifier.look().catch(() => null);
      if (seen !== null) this.judge(verifier.name, seen);
      await new Promise((wake) => setTimeout(wake, EVERY_MS));
    }
  }

  judge(who: string, { live, via, verdicts }: Seen): void {
    this.counts.polls += 1;
    for (const [name, [before, after, code]] of Object.entries(verdicts)) {
      const truth = this.truths.get(name);
      if (truth === undefined) continue;
      const fault = this.#faultOf(truth, before, after, code, live);
      if (fault !== null) this.faults.push(`${who} (${via}, ${live ? "live" : "stale"}): ${name} ${fault}`);
    }
  }

  #faultOf(truth: Truth, before: number, after: number, code: string, live: boolean): string | null {
    switch (code) {
      case "accepted": {
        this.counts.accepted += 1;
        if (before > truth.confirmedAt)
          return `zombie, ${Math.round(before - truth.confirmedAt)} ms after confirmation`;
        const late = before - truth.revokeDone - this.#boundMs;
        return late > 0 ? `accepted ${Math.round(late)} ms beyond the bound` : null;
      }
      case "token_revoked":
        this.counts.revoked += 1;
        return after < truth.revokeBegan ? "refused as revoked, which it is not" : null;
      case "revocation_unknown":
      case "keys_unavailable":
        this.counts.unknown += 1;
        return live ? `not decided on (${code}) by a copy that is to be trusted` : null;
      case "unknown_key":
        return truth.keyGone ? null : "its key is not known";
      default:
        return `refused with ${code}`;
    }
  }

  /** Whether a verifier is trusted and right about every token; else what is wrong. */
  settled({ live, verdicts }: Seen): string | null {
    if (!live) return "its copy is not trusted";
    for (const [name, { revokeBegan, revokeDone, keyGone }] of this.truths) {
      const code = verdicts[name]?.[2];
      const gone = code === "token_revoked" || (keyGone && code === "unknown_key");
      if (revokeDone !== Number.POSITIVE_INFINITY && !gone) return `${name} was revoked and is ${code}`;
      if (revokeBegan === Number.POSITIVE_INFINITY && code !== "accepted") return `${name} is good and ${code}`;
    }
    return null;
  }

  stop(): void {
    this.#stopped = true;
  }
}

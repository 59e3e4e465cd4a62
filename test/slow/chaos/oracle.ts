/**
 * Knows what became of every token, asks every verifier about all of them, all the time, and writes down what must not be.
 *
 *   zombie         accepted by a verification that began after `confirmed: true` had arrived
 *   beyond bound   accepted by one that began more than N(1+2ρ) after the revocation was answered
 *   wrong refusal  a token that nobody has begun to revoke is refused; or one that may be good is not decided on although
 *                  the lease held from the beginning of the verification to its end
 *
 * Each verification is stamped within its process with the clock that all share, before and after; confirmations and
 * answers are stamped when they have arrived, and revocations before they are sent. So the oracle needs no margin for its
 * own polling or for a busy machine: a verdict counts against the verifier only where no delay of anybody can explain it.
 */
import type { ChildVerifier } from "./child.ts";
import type { Seen, Verdict } from "./settings.ts";

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

/** In milliseconds, of the clock that `verifier.ts` stamps with. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

const EVERY_MS = 150;

export class Oracle {
  readonly truths = new Map<string, Truth>();
  readonly faults: string[] = [];
  /** How often each was seen, so that a test cannot pass because nothing was looked at. */
  readonly counts = { accepted: 0, revoked: 0, unknown: 0, polls: 0 };
  readonly #boundMs: number;
  /** Which tokens a verifier has accepted: their keys are known there from then on. */
  readonly #accepted = new Map<string, Set<string>>();
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
    const accepted = this.#accepted.get(who) ?? new Set<string>();
    this.#accepted.set(who, accepted);
    for (const [name, verdict] of Object.entries(verdicts)) {
      const truth = this.truths.get(name);
      if (truth === undefined) continue;
      const fault = this.#faultOf(truth, verdict, accepted.has(name));
      if (verdict[2] === "accepted") accepted.add(name);
      if (fault !== null) this.faults.push(`${who} (${via}, ${live ? "live" : "stale"}): ${name} ${fault}`);
    }
  }

  #faultOf(truth: Truth, [began, ended, code, leased]: Verdict, accepted: boolean): string | null {
    switch (code) {
      case "accepted": {
        this.counts.accepted += 1;
        if (began > truth.confirmedAt) return `zombie, ${Math.round(began - truth.confirmedAt)} ms after confirmation`;
        const late = began - truth.revokeDone - this.#boundMs;
        return late > 0 ? `accepted ${Math.round(late)} ms beyond the bound` : null;
      }
      case "token_revoked":
        this.counts.revoked += 1;
        return ended < truth.revokeBegan ? "refused as revoked, which it is not" : null;
      case "revocation_unknown":
        this.counts.unknown += 1;
        return leased ? "not decided on under a lease" : null;
      case "unknown_key":
      case "keys_unavailable":
        // A key that came into being a moment ago is asked for once in a cooldown.
        return truth.keyGone || !accepted ? null : `its key is not known any more (${code})`;
      default:
        return `refused with ${code}`;
    }
  }

  /** Whether a verifier is trusted and right about the tokens that it was asked about; else what is wrong. @param every all */
  settled({ live, verdicts }: Seen, every: boolean): string | null {
    if (!live) return "its copy is not trusted";
    for (const [name, { revokeBegan, revokeDone, keyGone }] of this.truths) {
      const code = verdicts[name]?.[2];
      if (code === undefined && !every) continue;
      const gone = code === "token_revoked" || (keyGone && code === "unknown_key");
      if (revokeDone !== Number.POSITIVE_INFINITY && !gone) return `${name} was revoked and is ${code}`;
      if (revokeBegan === Number.POSITIVE_INFINITY && code !== "accepted") return `${name} is good and ${code}`;
    }
    return null;
  }

  /** A verifier was killed: a process that comes after it knows nothing yet. */
  forget(who: string): void {
    this.#accepted.delete(who);
  }

  stop(): void {
    this.#stopped = true;
  }
}

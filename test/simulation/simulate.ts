/**
 * One seed from its beginning to its end:
 *
 *   plan ──► troubles, for some twenty seconds ──► everything is healed ──► everyone must trust his copy again, in time
 *                                                                      ──► new processes must refuse what is dead
 */
import { Violation } from "./oracle.ts";
import { AUDIENCES } from "./people.ts";
import { type Plan, planOf } from "./plan.ts";
import { Dice } from "./random.ts";
import { Stage } from "./stage.ts";
import { tell } from "./story.ts";
import { holdTimeOf } from "./threads.ts";
import { Timeline } from "./timeline.ts";
import type { Token } from "./truth.ts";

/**
 * So long after everything is well a verifier trusts its copy again, at most: the longest wait between two attempts
 * (10 s), a request that is given up (15 s), and as much again for what had failed already when it was healed. Who follows
 * a relay begins when that has come so far.
 */
export const RECOVERY_MS = 50_000;
const RECOVERY_OF_A_RELAY_MS = 25_000;
const LOOK_EVERY_MS = 500;

export interface Outcome {
  readonly seed: number;
  readonly plan: Plan;
  /** What was found; null where everything held. */
  readonly found: Error | null;
  /** Of every line of the trace: two runs of one seed have the same. */
  readonly hash: string;
  readonly trace: readonly string[];
  readonly events: number;
  readonly asked: number;
  /** Simulated milliseconds from healing until everyone trusted his copy. */
  readonly recoveredIn: number;
}

/** @param changes of the plan that the seed stands for */
export async function simulate(seed: number, changes: Partial<Plan> = {}): Promise<Outcome> {
  const dice = Dice.of(seed);
  const plan = { ...planOf(seed, dice.split("plan")), ...changes };
  const timeline = new Timeline();
  const stage = new Stage(plan, timeline, dice);
  let found: Error | null = null;
  let recoveredIn = Number.NaN;
  holdTimeOf(timeline);
  try {
    await stage.prepare();
    const run = (ms: number): Promise<void> => timeline.run(ms, () => stage.look());
    tell(stage, dice.split("story"));
    await run(plan.durationMs);
    stage.heal();
    recoveredIn = await recover(stage, dice.split("recovery"), run);
    // New processes know nothing but what the server tells them.
    for (const host of [...stage.relays, ...stage.verifiers]) {
      host.crash(false);
      host.boot();
    }
    await recover(stage, dice.split("again"), run);
    stage.askAll();
  } catch (error) {
    found = error instanceof Error ? error : new Error(String(error));
    stage.note(`found: ${found.message}`);
  } finally {
    holdTimeOf(null);
  }
  const { trace, events } = timeline;
  return { seed, plan, found, hash: timeline.traceHash(), trace, events, asked: stage.oracle.asked, recoveredIn };
}

/** Runs on until every verifier accepts a new token; returns how long that took. */
async function recover(stage: Stage, dice: Dice, run: (ms: number) => Promise<void>): Promise<number> {
  const { timeline } = stage;
  const began = timeline.now;
  const fresh = new Map<string, Token>();
  for (;;) {
    await run(LOOK_EVERY_MS);
    for (const audience of AUDIENCES) {
      const known = fresh.get(audience);
      if (known !== undefined && known.deadAt === Number.POSITIVE_INFINITY) continue;
      const made = stage.truth.tokens.findLast((token) => token.audience === audience && isFresh(token, began));
      if (made !== undefined) fresh.set(audience, made);
      else stage.logIn(dice, audience);
    }
    const doubting = stage.verifiers.filter((host) => !host.trusts(fresh));
    if (doubting.length === 0) return timeline.now - began;
    if (timeline.now - began < RECOVERY_MS + stage.relays.length * RECOVERY_OF_A_RELAY_MS) continue;
    const [host] = doubting;
    const above = host?.above ?? null;
    const behind = above === null ? "" : `, behind ${above.machine.name}: ${above.status()}`;
    throw new Violation("does not trust its copy again", `${host?.machine.name}: ${host?.status()}${behind}`);
  }
}

function isFresh({ issuedAt, deadAt, turn, doubtful }: Token, since: number): boolean {
  return issuedAt >= since && deadAt === Number.POSITIVE_INFINITY && turn !== Number.POSITIVE_INFINITY && !doubtful;
}

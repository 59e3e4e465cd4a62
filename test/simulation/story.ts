/**
 * The story of a seed: people sign in and renew all the time, tokens are taken back in every way there is, some of them
 * sixteen at once, and the troubles of the plan come as they are drawn. Then everything is healed, and what must come
 * right again has so long to do so.
 */

import type { Owner } from "../../packages/server/src/admin/revocations.ts";
import type { Progress } from "../../packages/server/src/feed/confirming.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import type { RevocationKind } from "../../packages/server/src/revocation/entry.ts";
import type { Server } from "./node.ts";
import { Violation } from "./oracle.ts";
import { CAUSE, CLIENTS } from "./people.ts";
import { CLOCK_RATE_ERROR, RELAY_TROUBLES, TROUBLES } from "./plan.ts";
import type { Dice } from "./random.ts";
import type { Stage } from "./stage.ts";
import { MAKE } from "./troubles.ts";
import { nameOf, type Token, type Wish } from "./truth.ts";

/** How often each kind is taken back. `all` and `key` end everything, so that they are rare. */
const KINDS: Readonly<Record<RevocationKind, number>> = {
  token: 30,
  session: 25,
  grant: 12,
  user: 20,
  client: 5,
  key: 3,
  all: 3,
};
/** Revokers at one moment, now and then. */
const CROWD = 16;
/** Mean milliseconds between a refresh against a log-out, tokens of a thief's making, and between requests that can wait for an introspection. */
const RACE_EVERY = 2_000;
const FORGE_EVERY = 8_000;
const CHECK_EVERY = 250;
/** How long after the end of the last lease an answer may come. */
const ANSWER_MS = 50;
/** To read the other nodes' rows: a try that fails, a pause, and one that does not. */
const ROLL_MS = 5_000;
/** After a restore nobody knows which leases run: the longest that can be configured. */
const LEASE_AFTER_RESTORE_MS = 60_000;

/** Plans everything that happens until the troubles end. */
export function tell(stage: Stage, dice: Dice): void {
  const { plan } = stage;
  const until = plan.durationMs;
  every(stage, dice.split("log in"), plan.logInEvery, until, (own) => logInOrRefresh(stage, own));
  every(stage, dice.split("revoke"), plan.revokeEvery, until, (own) => {
    const crowd = own.chance(0.06) ? CROWD : 1;
    for (let index = 0; index < crowd; index += 1) stage.timeline.after(own.between(0, 30), () => takeBack(stage, own));
  });
  every(stage, dice.split("race"), RACE_EVERY, until, (own) => race(stage, own));
  every(stage, dice.split("forge"), FORGE_EVERY, until, (own) => stage.forge(own));
  every(stage, dice.split("check"), CHECK_EVERY, until, (own) => {
    const { tokens } = stage.truth;
    if (tokens.length > 0) own.pick(stage.verifiers).check(own.pick(tokens));
  });
  for (const trouble of [...TROUBLES, ...RELAY_TROUBLES]) {
    const mean = plan.troubles[trouble];
    if (mean !== undefined) every(stage, dice.split(trouble), mean, until, (own) => MAKE[trouble](stage, own));
  }
}

/** Again and again, without memory, until the time is over. */
function every(stage: Stage, dice: Dice, mean: number, until: number, run: (dice: Dice) => void): void {
  const { timeline } = stage;
  const next = (): void => {
    const at = timeline.now + dice.exponential(mean);
    if (at > until) return;
    timeline.at(at, () => {
      run(dice);
      next();
    });
  };
  next();
}

export function logInOrRefresh(stage: Stage, dice: Dice): void {
  const { people } = stage;
  const renews = people.signedIn.length > 0 && dice.chance(0.4);
  const who = renews ? dice.pick(people.signedIn) : null;
  const user = dice.pick(people.users);
  const client = dice.pick(CLIENTS);
  stage.atServer(dice, async (server) => {
    if (who === null) await people.logIn(server, user, client);
    else await people.refresh(server, who);
  });
}

/** Takes something back that a living token hangs on, at some server. */
export function takeBack(stage: Stage, dice: Dice, kind: RevocationKind = dice.weighted(KINDS)): void {
  const alive = stage.truth.tokens.filter(({ deadAt }) => deadAt > stage.timeline.now);
  if (alive.length === 0) return;
  const token = dice.pick(alive);
  if (dice.chance(0.3)) dice.pick(stage.verifiers).check(token);
  const waits = dice.chance(0.75);
  const timeoutMs = dice.chance(0.2) ? dice.between(10, 3_000) : null;
  const again = dice.chance(0.5);
  const own = kind === "token" && dice.chance(0.6);
  stage.atServer(dice, async (server) => {
    const value = nameOf(kind, token);
    const wish: Wish = {
      ...{ kind, value, after: stage.database.turn },
      byRow: kind === "session" || kind === "grant" || kind === "key" || own,
    };
    if (kind === "key") await stage.revokeKey(server, value);
    else await server.revoke({ kind, id: value, reason: null }, own ? ownerOf(token) : null, CAUSE);
    acknowledged(stage, wish, token);
    const overdue = waits && timeoutMs === null ? expectAnswer(stage, server, wish) : () => {};
    const progress = await server.confirming.confirm(waits ? "all" : "none", timeoutMs);
    overdue();
    answered(stage, server, wish, token, progress);
    for (const host of stage.verifiers) host.check(token);
    // Signing in again works at once, also for whom everything was just ended.
    if (again && (kind === "user" || kind === "client" || kind === "all")) await logInAgain(stage, server, token);
  });
}

/** Who shows the token itself: then it is known whom the entry concerns. */
function ownerOf({ sub, jti, gid, audience }: Token): Owner {
  return { user: asId("user", sub), token: { jti, grant: asId("grant", gid), audience } };
}

/** Somebody renews while all that he has is ended, here or at another node. */
function race(stage: Stage, dice: Dice): void {
  const { people, timeline } = stage;
  if (people.signedIn.length === 0) return;
  const who = dice.pick(people.signedIn);
  timeline.after(dice.between(0, 8), () =>
    stage.atServer(dice, async (server) => {
      await people.refresh(server, who);
    }),
  );
  timeline.after(dice.between(0, 8), () =>
    stage.atServer(dice, async (server) => {
      await server.revoke({ kind: "user", id: who.user, reason: null }, null, CAUSE);
    }),
  );
}

async function logInAgain(stage: Stage, server: Server, token: Token): Promise<void> {
  const user = stage.people.users.find((id) => id === token.sub);
  const client = CLIENTS.find((id) => id === token.client);
  if (user !== undefined && client !== undefined) await stage.people.logIn(server, user, client);
}

/** It is committed, says the server: from now on what was asked for must be dead. */
function acknowledged({ truth, database, timeline }: Stage, wish: Wish, { label }: Token): void {
  const survivor = truth.acknowledged(wish, database.turn, timeline.now);
  if (survivor === null) return;
  const what = `${wish.kind} of ${label} was taken back, and ${survivor.label} lives`;
  throw new Violation("a revocation was acknowledged and is not there", what);
}

/**
 * Waiting alone is enough: whoever waits is answered when N has passed, by the node's own clock. Where nodes know each
 * other, N may be another's, which stands in the database: once that can be reached.
 */
function expectAnswer(stage: Stage, { machine, row }: Server, wish: Wish): () => void {
  const leaseMs = stage.wasRestored ? LEASE_AFTER_RESTORE_MS : stage.longestLeaseMs;
  const most = (leaseMs * (1 + CLOCK_RATE_ERROR)) / (1 - CLOCK_RATE_ERROR) + ANSWER_MS + (row === null ? 0 : ROLL_MS);
  let callOff = (): void => {};
  const expect = (mayBeAway: boolean): void => {
    callOff = machine.timer(most, () => {
      const what = `${wish.kind}, asked for ${most.toFixed(0)} ms ago by the clock of ${machine.name}`;
      if (mayBeAway) expect(!stage.healed);
      else stage.timeline.fail(new Violation("never confirmed", what));
    });
  };
  expect(row !== null);
  return () => callOff();
}

/** Somebody has been told: from now on it must be true. */
function answered(stage: Stage, server: Server, wish: Wish, token: Token, progress: Progress): void {
  const { confirmed, waitedMs, position } = progress;
  const how = confirmed ? `, confirmed after ${waitedMs.toFixed(0)} ms` : "";
  stage.note(`${server.machine.name} answers: ${wish.kind} of ${token.label} is revoked at ${position.seq}${how}`);
  if (confirmed) stage.confirmed(wish, progress);
}

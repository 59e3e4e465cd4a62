/**
 * A log-in over two stores, in an order that no crash and no race can turn into a session that should not be:
 *
 *   1 the log's position is read      from now on, what ends the user's sessions ends this one too
 *   2 the session begins, for a minute, if the user's sessions are still those that the limit was decided on
 *   3 the user is read again          a credential that changed before is seen here; one that changes later finds the session
 *   4 the log: who was evicted, and the audit, in one commit
 *   5 the session is confirmed, and only now is anyone told
 *
 * What stops in between leaves a session that nobody holds the token of, for a minute.
 */
import { decideOpen } from "../../grants/open-rule.ts";
import type { LogIn, LogInOutcome } from "../../grants/store.ts";
import { Unavailable } from "../../prelude/fault.ts";
import type { Position } from "../../revocation/entry.ts";
import { isLive } from "../../sessions/session.ts";
import type { User } from "../../users/user.ts";
import { holderOf } from "../slots.ts";
import { commit, type Desk, takeSlot } from "./desk.ts";
import { judgedSession } from "./judged.ts";

/** So often a log-in begins anew because others of the same user came in between. */
const MOST_ATTEMPTS = 100;
/** The log is told ahead how long sessions may live, by this much, so that not every log-in has to. Seconds. */
const AHEAD = 24 * 3600;

export function createOpen(desk: Desk): (logIn: LogIn) => Promise<LogInOutcome> {
  const { truth, live, ended, locks } = desk;
  let keptUntil = 0;

  const outlive = async (expiresAt: number): Promise<void> => {
    const exp = Math.ceil(expiresAt / 1000);
    if (exp > keptUntil) keptUntil = await truth.elsewhere.keepUntil(exp + AHEAD);
  };

  /** The outcome; `null` where others came in between. */
  const attempt = async (logIn: LogIn, position: Position): Promise<LogInOutcome | null> => {
    const { session, grant, limit } = logIn;
    const [user, client] = await Promise.all([truth.users.find(session.user), truth.clients.find(session.client)]);
    const there = limit.max === 0 ? null : await live.unended(session.user);
    const sessions = there?.found.map((each) => judgedSession(each, ended)) ?? [];
    const alive = sessions.filter((each) => isLive(each, there?.now ?? 0));
    const decision = decideOpen(user, client !== undefined, alive, logIn);
    if (decision.kind !== "open" || user === undefined) {
      await commit(desk, decision.effects);
      return decision.kind === "session_limit"
        ? { kind: "session_limit", sessions: decision.sessions }
        : { kind: "stale_credential" };
    }
    const account = { roles: user.roles, at: position };
    const facts = { born: position, grantBorn: position, credentialVersion: user.credentialVersion, account };
    const among = there?.found.map((each) => each.session.id) ?? null;
    if (!(await live.begin({ session, grant, ...facts }, among))) return null;
    try {
      if (!isStill(user, await truth.users.find(user.id))) {
        await live.discard(session.id);
        return { kind: "stale_credential" };
      }
      const slot = logIn.listSeed === null ? null : await takeSlot(desk, holderOf(session, grant), logIn.listSeed);
      // Everything of the user's was ended in this moment: without its end in the list, this session must not be.
      if (slot !== null && ended.ofSession(session.id, session.user, position) !== null) {
        await live.discard(session.id);
        return { kind: "stale_credential" };
      }
      await commit(desk, decision.effects);
      if (!(await live.confirm(session.id))) throw new Unavailable("the log-in was lost on the way to the live store");
      const begun = { ...session, lastSeenAt: grant.usedAt, idleExpiresAt: grant.idleExpiresAt };
      return { kind: "opened", standing: { grant, session: begun, user, position, slot }, evicted: decision.evicted };
    } catch (error) {
      // Where the store cannot be reached, it goes by itself.
      await live.discard(session.id).catch(() => {});
      throw error;
    }
  };

  const open = async (logIn: LogIn): Promise<LogInOutcome> => {
    await outlive(logIn.session.expiresAt);
    for (let attempts = 0; attempts < MOST_ATTEMPTS; attempts += 1) {
      const outcome = await attempt(logIn, await truth.revocation.readHead());
      if (outcome !== null) return outcome;
    }
    throw new Unavailable("too many log-ins of one user at once");
  };
  // Without a limit nobody asks who else is there, and log-ins of one user need not wait for each other.
  return (logIn) => (logIn.limit.max === 0 ? open(logIn) : locks.run(logIn.session.user, () => open(logIn)));
}

function isStill(before: User, now: User | undefined): boolean {
  return now?.state === "active" && now.credentialVersion === before.credentialVersion;
}

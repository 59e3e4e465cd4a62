/**
 * Ending what is in the live store: sessions, grants, a user's sessions with a change of his. The log has it first, in one
 * commit with the audit. What one entry says about many (a user, everyone, a client) needs no look at the live store, and is
 * ended while that is away; of what is named, it must be known whose it is.
 */
import { draft } from "../../audit/event.ts";
import type { ClientStore } from "../../clients/store.ts";
import { decideGrantEnd } from "../../grants/end-rule.ts";
import type { GrantStore } from "../../grants/store.ts";
import type { UserId } from "../../prelude/ids.ts";
import { audit, type Effect } from "../../revocation/effects.ts";
import type { RevocationStore } from "../../revocation/store.ts";
import { decideEnd } from "../../sessions/end-rule.ts";
import type { SessionStore } from "../../sessions/store.ts";
import type { UserStore } from "../../users/store.ts";
import { commit, type Desk, endOfSession, orAway, translate } from "./desk.ts";
import { judgedGrant, judgedSession } from "./judged.ts";

export function createEndSessions(desk: Desk): SessionStore["end"] {
  const { truth, live, ended, locks, outbox } = desk;

  const unendedOf = async (user: UserId): Promise<number> => {
    const { found } = await orAway(live.unended(user), { found: [] });
    return found.filter((each) => judgedSession(each, ended).ended === null).length;
  };

  return async (target, reason, cause) => {
    if ("session" in target) {
      const asked = live.session(target.session);
      const first = target.owner === undefined || target.shown === true ? await orAway(asked, null) : await asked;
      if (first === null) {
        // Nobody can say whether there is such a session. If there is, it is theirs, and this ends it.
        const told = audit(draft("session.ended", cause, { session: target.session }, { reason }));
        const whose = target.owner === undefined ? {} : { user: target.owner };
        await commit(desk, [{ effect: "revoke", kind: "session", value: target.session, ...whose, reason }, told]);
        return 1;
      }
      if (first.found === undefined) return truth.sessions.end(target, reason, cause);
      return locks.run(first.found.session.user, async () => {
        const { found } = await live.session(target.session);
        const named = found && judgedSession(found, ended);
        return commit(desk, decideEnd(target, named, reason, cause));
      });
    }
    if ("user" in target) {
      return locks.run(target.user, async () => {
        if (target.except !== undefined) return commit(desk, decideEnd(target, undefined, reason, cause));
        const count = await unendedOf(target.user);
        // A change of roles is no end: an entry with that reason would not be taken for one.
        const because = reason === "roles_changed" ? "admin" : reason;
        const others = await truth.sessions.end(target, because, cause);
        await outbox.flush();
        return count + others;
      });
    }
    const count = await orAway(live.countUnended(), 0);
    const others = await truth.sessions.end(target, reason, cause);
    await outbox.flush();
    return count + others;
  };
}

export function createEndGrant(desk: Desk): GrantStore["end"] {
  const { truth, live, ended, locks } = desk;
  return async (target, reason, cause) => {
    const look = () => ("id" in target ? live.grantById(target.id) : live.grant(target.secretId));
    const anyones = "id" in target && target.owner === undefined;
    const first = anyones ? await orAway(look(), null) : await look();
    if (first === null && "id" in target) {
      await commit(desk, [{ effect: "revoke", kind: "grant", value: target.id, reason }]);
      return;
    }
    const user = first?.found?.session.user;
    if (user === undefined) return truth.grants.end(target, reason, cause);
    await locks.run(user, async () => {
      const { found } = await look();
      await commit(desk, decideGrantEnd(target, found && judgedGrant(found, ended), reason, cause));
    });
  };
}

/** Changes of a user that end sessions: with one entry for him, or one for each session where one is spared. */
export function createChangeUser(desk: Desk): UserStore["change"] {
  const { truth, live, ended, locks, outbox } = desk;
  return (id, wish, cause) =>
    locks.run(id, async () => {
      const spares = wish.kind === "set_password" && !wish.keepOthers && wish.keep !== null;
      if (!spares) {
        const outcome = await truth.users.change(id, wish, cause);
        await outbox.flush();
        return outcome;
      }
      const others = async (olderThan: number): Promise<readonly Effect[]> => {
        const { now, found } = await live.unended(id);
        return found
          .filter((each) => each.session.id !== wish.keep && each.credentialVersion < olderThan)
          .map((each) => judgedSession(each, ended))
          .filter((session) => session.ended === null)
          .map((session) => endOfSession(session, "password_changed", now));
      };
      const outcome = await truth.users.change(
        id,
        { ...wish, also: [...(wish.also ?? []), ...(await others(Number.POSITIVE_INFINITY))] },
        cause,
      );
      await outbox.flush();
      // A log-in by the old password may have begun its session after the look, and read the user before the change.
      if (outcome.ok) await commit(desk, await others(outcome.user.credentialVersion));
      return outcome;
    });
}

export function createEndGrantsOfClient(desk: Desk): ClientStore["endGrants"] {
  const { truth, outbox } = desk;
  return async (id, reason, effects) => {
    const said = effects.some(
      (effect) => effect.effect === "revoke" && effect.kind === "client" && effect.value === id,
    );
    const entry = { effect: "revoke", kind: "client", value: id, reason } as const;
    const done = await truth.clients.endGrants(id, reason, said ? effects : [entry, ...effects]);
    await outbox.flush();
    return done;
  };
}

export function createApply(desk: Desk): RevocationStore["apply"] {
  return async (effects) => {
    const { effects: translated } = await translate(desk, effects);
    const position = await desk.truth.revocation.apply(translated);
    await desk.outbox.flush();
    return position;
  };
}

/** A log that lost its end ends everybody's sessions, which are in the live store: counted there. */
export function createRestart({ truth, live, outbox }: Desk): RevocationStore["restart"] {
  return async (lost, keepSessions) => {
    const count = keepSessions ? 0 : await orAway(live.countUnended(), 0);
    const begun = await truth.revocation.restart(lost, keepSessions);
    await outbox.flush();
    return begun && { ...begun, sessionsEnded: begun.sessionsEnded + count };
  };
}

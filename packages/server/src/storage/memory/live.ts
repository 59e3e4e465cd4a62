/**
 * The live store in this process's memory: what strategies keep sessions in that need nothing else. It ends with the process.
 */
import type { Grant } from "../../grants/grant.ts";
import { decideRefresh, type PresentedRefresh, type RefreshSettings } from "../../grants/refresh-rule.ts";
import { asId, type GrantId, type SessionId } from "../../prelude/ids.ts";
import type { Clock } from "../../prelude/world.ts";
import { isBefore, type Position, type RevocationEntry } from "../../revocation/entry.ts";
import { endOf, type Session } from "../../sessions/session.ts";
import { copy } from "../copy.ts";
import type { At, LiveGrant, LiveSession, LiveStore } from "../live/live-store.ts";
import type { Ended } from "../rows.ts";
import { type HeldGrant, SessionMaps } from "./session-maps.ts";

/** Nobody is told of what a plain refresh does. */
const NOBODY = { actor: { kind: "anyone" }, address: null, requestId: null } as const;

type Facts = Omit<LiveSession, "session">;

class LiveMaps extends SessionMaps {
  readonly #facts = new Map<string, Facts>();
  readonly #born = new Map<string, Position>();
  readonly #revisions = new Map<string, number>();

  begin({ session, grant, grantBorn, born, credentialVersion, account }: Omit<LiveGrant, "revision">): void {
    this.addSession(session);
    this.addGrant(grant);
    this.#facts.set(session.id, { born, credentialVersion, account });
    this.#born.set(grant.id, grantBorn);
  }

  of(session: Session): LiveSession {
    const facts = this.#facts.get(session.id);
    if (facts === undefined) throw new Error("a session without its facts");
    return { session, ...facts };
  }

  #held(found: HeldGrant | undefined): LiveGrant | undefined {
    const grantBorn = found && this.#born.get(found.grant.id);
    if (found === undefined || grantBorn === undefined) return undefined;
    const revision = this.#revisions.get(found.grant.id) ?? 0;
    return { ...this.of(found.session), grant: found.grant, grantBorn, revision };
  }

  grant(secretId: Buffer): LiveGrant | undefined {
    return this.#held(this.grantAt(secretId));
  }

  grantOfId(id: GrantId): LiveGrant | undefined {
    return this.#held(this.grantById(id));
  }

  write(grant: Grant, account: Facts["account"]): void {
    this.replaceGrant(grant);
    this.#revisions.set(grant.id, (this.#revisions.get(grant.id) ?? 0) + 1);
    const facts = this.#facts.get(grant.session);
    if (facts !== undefined) this.#facts.set(grant.session, { ...facts, account });
  }

  override removeSession(id: SessionId): readonly Grant[] {
    const grants = super.removeSession(id);
    this.#facts.delete(id);
    for (const grant of grants) {
      this.#born.delete(grant.id);
      this.#revisions.delete(grant.id);
    }
    return grants;
  }

  /** Ends what an entry concerns, as of its time. */
  carryOut(entry: RevocationEntry): void {
    const ended = (session: Session): Ended => ({ at: entry.at, reason: endOf(session, entry.at) ?? entry.reason });
    const endEarlier = (sessions: readonly Session[]): void => {
      for (const session of sessions) {
        if (isBefore(this.of(session).born, entry)) this.endSession(session.id, ended(session));
      }
    };
    switch (entry.kind) {
      case "session": {
        const session = this.session(asId("session", entry.value));
        if (session !== undefined) this.endSession(session.id, ended(session));
        return;
      }
      case "grant":
        this.endGrant(asId("grant", entry.value), { at: entry.at, reason: entry.reason });
        return;
      case "user":
        if (entry.reason !== "roles_changed") endEarlier(this.unended(asId("user", entry.value)));
        return;
      case "all":
        endEarlier(this.allUnended());
        return;
      default: // The grants of a client are judged by the log. Tokens and keys end nothing here.
    }
  }
}

export function openMemoryLive(clock: Clock): LiveStore {
  const maps = new LiveMaps();
  let reached: Position | null = null;
  const at = async <T>(found: T): Promise<At<T>> => ({ now: clock.now(), found: copy(found) });
  return {
    grant: (secretId) => at(maps.grant(secretId)),
    grantById: (id) => at(maps.grantOfId(id)),
    session: (id) => {
      const session = maps.session(id);
      return at(session && maps.of(session));
    },
    unended: (user) => at(maps.unended(user).map((session) => maps.of(session))),
    list: (user, after, limit) =>
      at(maps.sessions(user === null ? {} : { user }, clock.now(), after, limit).map((session) => maps.of(session))),
    countUnended: async () => maps.countUnended(),
    begin: async (begun, among) => {
      const there = maps.unended(begun.session.user).map(({ id }) => id);
      if (among !== null && there.join() !== among.join()) return false;
      maps.begin(copy(begun));
      return true;
    },
    // What was begun here ends with this process, and needs no other end.
    confirm: async (session) => maps.session(session) !== undefined,
    discard: async (session) => {
      maps.removeSession(session);
    },
    use: async (presented, settings) => {
      const now = clock.now();
      const held = maps.grant(presented.secretId);
      const grant = held && usual(held, presented, settings, now);
      if (held !== undefined && grant !== undefined) maps.write(copy(grant), held.account);
      const before = grant === undefined ? null : (held?.grant ?? null);
      return { now, before: copy(before), found: copy(maps.grant(presented.secretId)) };
    },
    write: async ({ grant, account, revision }) => {
      const held = maps.grant(grant.secretId);
      if (held?.revision !== revision || held.grant.ended !== null || held.session.ended !== null) return false;
      maps.write(copy(grant), copy(account));
      return true;
    },
    position: async () => reached,
    settle: async (after, entries) => {
      reached ??= after;
      if (isBefore(reached, after)) return reached;
      for (const entry of entries) {
        if (!isBefore(reached, entry)) continue;
        maps.carryOut(entry);
        reached = { epoch: entry.epoch, seq: entry.seq };
      }
      return reached;
    },
    end: async (sessions) => {
      for (const { id, ended } of sessions) maps.endSession(id, ended);
    },
    due: (limit) => at(maps.dueSessions(clock.now(), limit).map((session) => maps.of(session))),
    forget: async (endedBefore, limit) => maps.removeSessions(endedBefore, limit),
    check: async () => {},
    onReturn: () => {},
    close: async () => {},
  };
}

/** The grant after a refresh that needs nothing but itself; `undefined` where it is another kind of refresh. */
function usual(
  held: LiveGrant,
  presented: PresentedRefresh,
  settings: RefreshSettings,
  now: number,
): Grant | undefined {
  const user = { id: held.session.user, state: "active", roles: [] } as const;
  const decision = decideRefresh({ ...held, user }, { ...presented, requiredRole: null }, settings, NOBODY, now);
  if (!decision.allow || (decision.how !== "rotated" && decision.how !== "unrotated")) return undefined;
  return decision.grant;
}

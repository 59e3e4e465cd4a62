/**
 * What the two halves of a storage with a live store share: the truth, the store, and what the log has ended; and the one
 * way in which something is ended: the log first, in one commit with the audit, and the live store after it.
 *
 *   effects of a rule ──► what the log must say (the sessions are not there) ──► truth: one commit ──► outbox ──► live
 */
import { Unavailable } from "../../prelude/fault.ts";
import type { Effect } from "../../revocation/effects.ts";
import type { EndedSet } from "../../revocation/ended-set.ts";
import type { EndReason } from "../../revocation/entry.ts";
import { endOf, type Session } from "../../sessions/session.ts";
import type { Slot, SlotHolder } from "../../status/slot.ts";
import type { Storage } from "../storage.ts";
import { judgedGrant, judgedSession } from "./judged.ts";
import type { LiveStore } from "./live-store.ts";
import type { Locks } from "./locks.ts";
import type { Outbox } from "./outbox.ts";

/** Effects as the log and the audit understand them, and how many sessions they end. */
export interface Translated {
  readonly effects: readonly Effect[];
  readonly ended: number;
}

const NOTHING: Translated = { effects: [], ended: 0 };

export interface Desk {
  readonly truth: Storage;
  readonly live: LiveStore;
  readonly ended: EndedSet;
  readonly outbox: Outbox;
  readonly locks: Locks;
  /** Throws `Unavailable` where this node's copy of the log may be out of date. */
  hold(): Promise<void>;
}

/** A session's entry; one whose time has run out ended for that reason, whoever ends it. */
export function endOfSession(session: Session, reason: EndReason, now: number): Effect {
  const { id, user } = session;
  return { effect: "revoke", kind: "session", value: id, user, reason: endOf(session, now) ?? reason };
}

async function translateOne({ live, ended }: Desk, effect: Effect): Promise<Translated> {
  switch (effect.effect) {
    case "end_session": {
      const { now, found } = await live.session(effect.session);
      const session = found && judgedSession(found, ended);
      if (session === undefined || session.ended !== null) return NOTHING;
      return { effects: [endOfSession(session, effect.reason, now)], ended: 1 };
    }
    case "end_sessions_of_user": {
      if (effect.except === null) return { effects: [effect], ended: 0 };
      const { now, found } = await live.unended(effect.user);
      const sessions = found.map((each) => judgedSession(each, ended));
      const others = sessions.filter((session) => session.ended === null && session.id !== effect.except);
      return { effects: others.map((session) => endOfSession(session, effect.reason, now)), ended: others.length };
    }
    case "end_grant": {
      const { found } = await live.grantById(effect.grant);
      if (found === undefined || judgedGrant(found, ended).grant.ended !== null) return NOTHING;
      return { effects: [{ effect: "revoke", kind: "grant", value: effect.grant, reason: effect.reason }], ended: 0 };
    }
    case "revoke_token": {
      const held = effect.grant === null ? undefined : await orAway(live.grantById(effect.grant), undefined);
      const over = held?.found !== undefined && judgedGrant(held.found, ended).grant.ended !== null;
      return over ? NOTHING : { effects: [effect], ended: 0 };
    }
    default:
      return { effects: [effect], ended: 0 };
  }
}

export async function translate(desk: Desk, effects: readonly Effect[]): Promise<Translated> {
  const translated: Translated[] = [];
  for (const effect of effects) translated.push(await translateOne(desk, effect));
  return {
    effects: translated.flatMap((each) => each.effects),
    ended: translated.reduce((sum, each) => sum + each.ended, 0),
  };
}

/** Commits what the effects say; returns how many sessions they ended by name. */
export async function commit(desk: Desk, effects: readonly Effect[]): Promise<number> {
  const translated = await translate(desk, effects);
  if (translated.effects.length > 0) {
    await desk.truth.revocation.apply(translated.effects);
    await desk.outbox.flush();
  }
  return translated.ended;
}

/** A slot of a status list for a grant; whatever ended the grant before is known here when it resolves. */
export async function takeSlot({ truth }: Desk, of: SlotHolder, seed: Buffer): Promise<Slot | null> {
  const slot = await truth.elsewhere.slot(of, seed);
  await truth.revocation.readHead();
  return slot;
}

/** The answer, or another where the store is away: for what must go on without it. */
export async function orAway<T, U>(answer: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Unavailable) return otherwise;
    throw error;
  }
}

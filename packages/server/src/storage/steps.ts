/**
 * Every write there is, as a table of steps: each reads rows, asks the rule, writes the row after it and the effects.
 * A driver runs a step atomically and need not know what it does. Arguments and results are plain data, because the
 * step may run in another thread than the call.
 */
import type { AuditDraft, Cause } from "../audit/event.ts";
import type { Client } from "../clients/client.ts";
import { mayShare, type PublishedKeys } from "../clients/published-keys.ts";
import type { PublishOutcome } from "../clients/store.ts";
import type { Instance } from "../feed/registry.ts";
import { decideGrantEnd } from "../grants/end-rule.ts";
import type { Grant } from "../grants/grant.ts";
import { decideOpen } from "../grants/open-rule.ts";
import { decideRefresh, type PresentedRefresh, type RefreshSettings } from "../grants/refresh-rule.ts";
import type { GrantTarget, LogIn, LogInOutcome, UseOutcome } from "../grants/store.ts";
import type { SigningKeyRecord } from "../keys/signing-key.ts";
import type { ClientId, UserId } from "../prelude/ids.ts";
import type { Effect } from "../revocation/effects.ts";
import type { EndReason, Position } from "../revocation/entry.ts";
import type { Begun } from "../revocation/store.ts";
import { decideEnd } from "../sessions/end-rule.ts";
import { isLive, type Session } from "../sessions/session.ts";
import type { EndTarget } from "../sessions/store.ts";
import type { Slot, SlotHolder } from "../status/slot.ts";
import { type ChangeRefusal, change, type User, type UserChange } from "../users/user.ts";
import type { WrappedKey } from "../vault/store.ts";
import { apply } from "./apply.ts";
import { restartLog } from "./begin-epoch.ts";
import { RECEIVER_STEPS } from "./receiver-steps.ts";
import type { Held, Rows } from "./rows.ts";
import { SLICE } from "./slice.ts";
import { holderOf, slotFor } from "./slots.ts";
import { removeStreamsOf, SSF_STEPS } from "./ssf-steps.ts";
import { WEBHOOK_STEPS } from "./webhook-steps.ts";

export const STEPS = {
  addDataKeys(rows: Rows, _now: number, keys: readonly WrappedKey[]): boolean {
    if (keys.some(({ id }) => rows.hasDataKey(id))) return false;
    for (const key of keys) rows.putDataKey(key);
    return true;
  },

  rewrapDataKeys(rows: Rows, _now: number, keys: readonly WrappedKey[]): void {
    for (const key of keys) if (rows.hasDataKey(key.id)) rows.putDataKey(key);
  },

  removeDataKeys(rows: Rows, _now: number, ids: readonly number[]): void {
    for (const id of ids) rows.removeDataKey(id);
  },

  replaceKeys(
    rows: Rows,
    now: number,
    version: number,
    keys: readonly SigningKeyRecord[],
    effects: readonly Effect[],
  ): boolean {
    if (rows.keySet().version !== version) return false;
    for (const key of keys) rows.putKey(key);
    rows.bumpKeySet();
    apply(rows, effects, now);
    return true;
  },

  raiseMark(rows: Rows, _now: number, kid: string, exp: number): void {
    rows.raiseMark(kid, exp);
  },

  applyEffects(rows: Rows, now: number, effects: readonly Effect[]): Position {
    apply(rows, effects, now);
    return rows.position();
  },

  restartLog(rows: Rows, now: number, lost: Position, keepSessions: boolean): Begun | null {
    return restartLog(rows, lost, keepSessions, now);
  },

  compactLog(rows: Rows, now: number, believed: number): number {
    return rows.removeEntries(Math.min(now, believed), SLICE);
  },

  slotElsewhere(rows: Rows, now: number, of: SlotHolder, seed: Buffer): Slot | null {
    return slotFor(rows, of, seed, now);
  },

  keepUntil(rows: Rows, _now: number, exp: number): number {
    rows.raiseSessionsUntil(exp);
    return rows.sessionsUntil();
  },

  setLeaseMs(rows: Rows, _now: number, ms: number): void {
    rows.setLeaseMs(ms);
  },

  addUnbound(rows: Rows, _now: number, instance: Instance): void {
    rows.addUnbound(instance);
  },

  removeUnbound(rows: Rows, _now: number, id: string): void {
    rows.removeUnbound(id);
  },

  appendEvents(rows: Rows, now: number, events: readonly AuditDraft[]): void {
    for (const event of events) rows.addEvent(event, now);
  },

  pruneEvents(rows: Rows, _now: number, before: number): number {
    return rows.removeEvents(before, SLICE);
  },

  createUser(rows: Rows, now: number, user: User, effects: readonly Effect[]): "created" | "identifier_taken" {
    if (user.identifierKey !== null && rows.userByKey(user.identifierKey) !== undefined) return "identifier_taken";
    rows.addUser(user);
    apply(rows, effects, now);
    return "created";
  },

  changeUser(
    rows: Rows,
    now: number,
    id: UserId,
    wish: UserChange,
    cause: Cause,
  ): { ok: true; user: User } | { ok: false; refusal: ChangeRefusal } {
    const user = rows.user(id);
    if (user === undefined) return { ok: false, refusal: "not_found" };
    const outcome = change(user, wish, cause, now);
    if (!outcome.ok) return { ok: false, refusal: outcome.refusal };
    rows.replaceUser(outcome.user);
    apply(rows, outcome.effects, now);
    return { ok: true, user: outcome.user };
  },

  createClient(
    rows: Rows,
    now: number,
    client: Client,
    effects: readonly Effect[],
  ): "created" | "id_taken" | "audience_encrypted" {
    if (rows.client(client.id) !== undefined) return "id_taken";
    const { audience } = client;
    if (audience !== null && !mayShare(client, rows.clientsOf(audience))) return "audience_encrypted";
    rows.addClient(client);
    apply(rows, effects, now);
    return "created";
  },

  publishKeys(
    rows: Rows,
    now: number,
    id: ClientId,
    keys: PublishedKeys | null,
    effects: readonly Effect[],
  ): PublishOutcome {
    const client = rows.client(id);
    if (client === undefined) return "not_found";
    const { audience } = client;
    if (audience === null) return "no_audience";
    const changed = { ...client, jwks: keys };
    if (!mayShare(changed, rows.clientsOf(audience))) return "audience_shared";
    rows.replaceClient(changed);
    apply(rows, effects, now);
    return "done";
  },

  deleteClient(rows: Rows, now: number, id: ClientId, effects: readonly Effect[]): boolean {
    if (rows.client(id) === undefined) return false;
    rows.removeClient(id);
    removeStreamsOf(rows, id);
    rows.endGrantsOf(id, { at: now, reason: "client_deleted" });
    apply(rows, effects, now);
    return true;
  },

  endSessions(rows: Rows, now: number, target: EndTarget, reason: EndReason, cause: Cause): number {
    const named = "session" in target ? rows.session(target.session) : undefined;
    return apply(rows, decideEnd(target, named, reason, cause), now);
  },

  /** One slice of the sweep; returns how many sessions it looked at. */
  endExpired(rows: Rows, now: number): number {
    const due = rows.dueSessions(now, SLICE);
    for (const session of due) {
      if (isLive(session, now)) rows.postponeSession(session);
      else apply(rows, [{ effect: "end_session", session: session.id, reason: "expired" }], now);
    }
    return due.length;
  },

  forgetSessions(rows: Rows, _now: number, endedBefore: number): number {
    return rows.removeSessions(endedBefore, SLICE);
  },

  open(rows: Rows, now: number, logIn: LogIn): LogInOutcome {
    const position = rows.position();
    const { session, grant, limit } = logIn;
    const user = rows.user(session.user);
    // Without a limit nobody asks who is there, and a user may have thousands of sessions.
    const live = limit.max === 0 ? [] : rows.unended(session.user).filter((other) => isLive(other, now));
    const decision = decideOpen(user, rows.client(session.client) !== undefined, live, logIn);
    if (decision.kind !== "open" || user === undefined) {
      apply(rows, decision.effects, now);
      return decision.kind === "session_limit"
        ? { kind: "session_limit", sessions: decision.sessions }
        : { kind: "stale_credential" };
    }
    rows.addSession(session);
    rows.addGrant(grant);
    apply(rows, decision.effects, now);
    const slot = slotFor(rows, holderOf(session, grant), logIn.listSeed, now);
    const begun = { ...session, lastSeenAt: grant.usedAt, idleExpiresAt: grant.idleExpiresAt };
    return { kind: "opened", standing: { grant, session: begun, user, position, slot }, evicted: decision.evicted };
  },

  use(rows: Rows, now: number, presented: PresentedRefresh, settings: RefreshSettings, cause: Cause): UseOutcome {
    const position = rows.position();
    const held = rows.held(presented.secretId);
    if (held === undefined) return { allow: false, refusal: { code: "invalid_refresh_token" } };
    const decision = decideRefresh(held, presented, settings, cause, now);
    if (decision.allow && decision.grant !== held.grant) rows.replaceGrant(decision.grant);
    if (decision.effects.length > 0) apply(rows, decision.effects, now);
    if (!decision.allow) return { allow: false, refusal: decision.refusal };
    const session = sessionAfter(rows, held, decision.grant);
    const slot = slotFor(rows, holderOf(session, decision.grant), presented.listSeed, now);
    const standing = { grant: decision.grant, session, user: held.user, position, slot };
    return { allow: true, how: decision.how, standing };
  },

  endGrant(rows: Rows, now: number, target: GrantTarget, reason: EndReason, cause: Cause): void {
    const held = "id" in target ? rows.heldById(target.id) : rows.held(target.secretId);
    apply(rows, decideGrantEnd(target, held, reason, cause), now);
  },

  /** Ends what a client holds; the client stays. `false` where there is none. */
  endGrantsOfClient(rows: Rows, now: number, id: ClientId, reason: EndReason, effects: readonly Effect[]): boolean {
    if (rows.client(id) === undefined) return false;
    rows.endGrantsOf(id, { at: now, reason });
    apply(rows, effects, now);
    return true;
  },

  /** One slice; returns how many slots it removed. */
  forgetLists(rows: Rows, _now: number, openedBefore: number): number {
    return rows.status.removeLists(openedBefore, SLICE);
  },

  ...WEBHOOK_STEPS,
  ...SSF_STEPS,
  ...RECEIVER_STEPS,

  /** Writes without changing anything: whether the engine can. */
  touch(rows: Rows): void {
    rows.touch();
  },
} as const;

/** A session's last use is the latest of its grants', so that a refresh writes the grant alone. */
function sessionAfter(rows: Rows, held: Held, grant: Grant): Session {
  const { session } = held;
  // Only a clock that went back or a shortened idle time can make it earlier than it was.
  const earlier = grant.usedAt < held.grant.usedAt || grant.idleExpiresAt < held.grant.idleExpiresAt;
  if (earlier) return rows.session(session.id) ?? session;
  return {
    ...session,
    lastSeenAt: Math.max(session.lastSeenAt, grant.usedAt),
    idleExpiresAt: Math.max(session.idleExpiresAt, grant.idleExpiresAt),
  };
}

export type StepName = keyof typeof STEPS;
export type StepArguments<Name extends StepName> = (typeof STEPS)[Name] extends (
  rows: Rows,
  now: number,
  ...rest: infer Rest
) => unknown
  ? Rest
  : never;
export type StepResult<Name extends StepName> = ReturnType<(typeof STEPS)[Name]>;

/** Runs a step by its name: what arrives in another thread is a name and data. */
export function runStep<Name extends StepName>(
  name: Name,
  rows: Rows,
  now: number,
  args: StepArguments<Name>,
): StepResult<Name> {
  const step = STEPS[name] as unknown as (rows: Rows, now: number, ...rest: readonly unknown[]) => StepResult<Name>;
  return step(rows, now, ...args);
}

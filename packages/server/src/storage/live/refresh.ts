/**
 * A refresh over two stores. The usual one is a single step of the live store; what came of it is then held against the
 * log, of which this node has a copy that it may trust (copy-lease.ts): where the log has ended the session, the answer is
 * the end, and the new generation is in nobody's hands.
 *
 *   use ──► done ──► the log says it is over? ──► refused           anything else: the rule decides on what was read, its
 *              └──► the user is as copied? ──► allowed              effects go to the log first, and then the row is
 *                       └ no: read, and copied                      written, if it is still the one that was decided on
 */
import type { Cause } from "../../audit/event.ts";
import type { Grant, Standing } from "../../grants/grant.ts";
import {
  decideRefresh,
  type PresentedRefresh,
  type RefreshRefusal,
  type RefreshSettings,
} from "../../grants/refresh-rule.ts";
import type { GrantStore, UseOutcome } from "../../grants/store.ts";
import { Unavailable } from "../../prelude/fault.ts";
import type { Position } from "../../revocation/entry.ts";
import type { Session } from "../../sessions/session.ts";
import type { Account } from "../../users/user.ts";
import { holderOf } from "../slots.ts";
import { commit, type Desk, takeSlot } from "./desk.ts";
import { judgedGrant } from "./judged.ts";
import type { AccountCopy, At, LiveGrant } from "./live-store.ts";

/** So often a decision is made anew because the grant changed while it was made. */
const MOST_ATTEMPTS = 20;

const refused = (refusal: RefreshRefusal): UseOutcome => ({ allow: false, refusal });
const INVALID = refused({ code: "invalid_refresh_token" });

/** A user as a refresh needs him, and the copy of him that is true now. */
interface Known {
  readonly user: Account;
  readonly copy: AccountCopy;
}

/** As copied, or read where the log has named him since; `undefined` where there is no such user. */
async function knownUser(desk: Desk, { session, account }: LiveGrant, position: Position): Promise<Known | undefined> {
  if (desk.ended.isCurrent(session.user, account.at, position)) {
    return { user: { id: session.user, state: "active", roles: account.roles }, copy: account };
  }
  const user = await desk.truth.users.find(session.user);
  if (user === undefined) return undefined;
  const { id, state, roles } = user;
  return { user: { id, state, roles }, copy: { roles, at: position } };
}

/** The grant of a refresh or session token with what it hangs under, as the log says. */
export function createFind(desk: Desk): GrantStore["find"] {
  return async (secretId) => {
    await desk.hold();
    const position = desk.truth.revocation.head();
    const { found } = await desk.live.grant(secretId);
    const known = found && (await knownUser(desk, found, position));
    return found && known && { ...judgedGrant(found, desk.ended), user: known.user, position, slot: null };
  };
}

export function createUse(desk: Desk): GrantStore["use"] {
  const { live, ended, truth, locks } = desk;

  /** Allows, with a slot where tokens name one: a slot that was given to what had ended meanwhile would never be marked. */
  const allow = async (
    held: LiveGrant,
    how: (UseOutcome & { allow: true })["how"],
    standing: Omit<Standing, "slot">,
    { listSeed }: PresentedRefresh,
  ): Promise<UseOutcome> => {
    if (listSeed === null) return { allow: true, how, standing: { ...standing, slot: null } };
    const slot = await takeSlot(desk, holderOf(standing.session, standing.grant), listSeed);
    const { grant, session } = judgedGrant(held, ended);
    const over = grant.ended ?? session.ended;
    if (over !== null) return refused({ code: "session_ended", reason: over.reason });
    return { allow: true, how, standing: { ...standing, slot } };
  };

  /** The rule's decision on what was read, carried out; `null` where the grant has changed since. */
  const decide = async (
    { now, found }: At<LiveGrant | undefined>,
    presented: PresentedRefresh,
    settings: RefreshSettings,
    cause: Cause,
    position: Position,
    mayWrite: boolean,
  ): Promise<UseOutcome | null> => {
    const known = found && (await knownUser(desk, found, position));
    if (found === undefined || known === undefined) return INVALID;
    const held = judgedGrant(found, ended);
    const decision = decideRefresh({ ...held, user: known.user }, presented, settings, cause, now);
    const changes = decision.allow && decision.grant !== held.grant;
    if (!mayWrite && (changes || decision.effects.length > 0)) return null;
    await commit(desk, decision.effects);
    if (!decision.allow) return refused(decision.refusal);
    if (changes && !(await live.write({ ...found, grant: decision.grant, account: known.copy }))) return null;
    const session = changes ? sessionAfter(held.session, decision.grant) : held.session;
    return allow(found, decision.how, { grant: decision.grant, session, user: known.user, position }, presented);
  };

  /** What the store did by itself, held against the log. */
  const accept = async (
    held: LiveGrant,
    before: Grant,
    presented: PresentedRefresh,
    position: Position,
  ): Promise<UseOutcome> => {
    const { grant, session } = judgedGrant(held, ended);
    const over = grant.ended ?? session.ended;
    if (over !== null) return refused({ code: "session_ended", reason: over.reason });
    let known: Known | undefined;
    try {
      known = await knownUser(desk, held, position);
    } catch (error) {
      // Nobody has the new token, so the one that was shown must go on being good.
      live.write({ ...held, grant: before }).catch(() => {});
      throw error;
    }
    if (known === undefined) return INVALID;
    if (known.user.state !== "active") return refused({ code: "session_ended", reason: "user_disabled" });
    // Where the copy cannot be renewed now, the next refresh renews it.
    if (known.copy !== held.account) await live.write({ ...held, account: known.copy });
    const how = grant.policy.rotates ? "rotated" : "unrotated";
    return allow(held, how, { grant, session, user: known.user, position }, presented);
  };

  return async (presented, settings, cause) => {
    await desk.hold();
    const position = truth.revocation.head();
    // A role is the rule's business: it must be asked before anything rotates.
    const first =
      presented.requiredRole === null
        ? await live.use(presented, settings)
        : { ...(await live.grant(presented.secretId)), before: null };
    if (first.found !== undefined && first.before !== null)
      return accept(first.found, first.before, presented, position);
    const answered = await decide(first, presented, settings, cause, position, false);
    if (answered !== null) return answered;
    // What changes something is decided again while nobody else of this user is about to.
    return locks.run(first.found?.session.user ?? "", async () => {
      for (let attempts = 0; attempts < MOST_ATTEMPTS; attempts += 1) {
        const read = await live.grant(presented.secretId);
        const outcome = await decide(read, presented, settings, cause, position, true);
        if (outcome !== null) return outcome;
      }
      throw new Unavailable("a grant changes too fast");
    });
  };
}

function sessionAfter(session: Session, grant: Grant): Session {
  return {
    ...session,
    lastSeenAt: Math.max(session.lastSeenAt, grant.usedAt),
    idleExpiresAt: Math.max(session.idleExpiresAt, grant.idleExpiresAt),
  };
}

/**
 * What each step locks before it reads, so that what it decides still stands when it commits (READ COMMITTED).
 *
 *   upkeep, everyone, audiences ──► state ──► clients ──► users ──► sessions, grants ──► the counter (state), last
 *
 * A user's row stands for everything that hangs under the user: whoever changes the user, opens or ends a session, or ends
 * a grant holds it. The one exception is the plain refresh (refresh.ts), which is a single statement on a single row. The
 * order is the same for all, and with the counter held nothing else is waited for, so steps do not lock each other out;
 * what is left (an end of everyone's sessions beside an end of one's) PostgreSQL finds, and it is run again.
 *
 * A step with a row in the table of FIRST holds the counter from the start: what it writes must not fall between an entry
 * and the look that the entry's transaction took.
 */
import type { Effect } from "../../revocation/effects.ts";
import type { Value } from "../sql/columns.ts";
import type { StepArguments, StepName } from "../steps.ts";
import type { Bound } from "./replay.ts";
import { prepared } from "./sql.ts";

function lock(sql: string, ...values: readonly Value[]): Bound {
  return { statement: prepared(sql), values };
}

/**
 * Advisory locks (postgresql.org/docs/current/explicit-locking.html, §13.3.5), held until the transaction ends; the duty of
 * one node for all, until its connection does.
 */
export const ADVISORY = { upkeep: 1, everyone: 2, audiences: 3, duty: 4, migrating: 5 } as const;
/** "MAPA" and the schema in use: nobody else's numbers, and not those of another Mapae in the same database. */
export const advisoryKey = (number: number) => `hashtext('mapae' || current_schema()), ${number}`;

/** One node at a time forgets what is over. */
const upkeep = () => [lock(`SELECT pg_advisory_xact_lock(${advisoryKey(ADVISORY.upkeep)})`)];
/** No log-in is under way while everyone's sessions end. */
const everyone = () => lock(`SELECT pg_advisory_xact_lock(${advisoryKey(ADVISORY.everyone)})`);
const someone = () => lock(`SELECT pg_advisory_xact_lock_shared(${advisoryKey(ADVISORY.everyone)})`);

/** Who is meant by an audience is looked at and decided by one at a time. */
const audiences = () => lock(`SELECT pg_advisory_xact_lock(${advisoryKey(ADVISORY.audiences)})`);

const user = (id: string) => lock("SELECT 1 FROM users WHERE id = ? FOR NO KEY UPDATE", id);
const userOfSession = (id: string) =>
  lock('SELECT 1 FROM users WHERE id = (SELECT "user" FROM sessions WHERE id = ?) FOR NO KEY UPDATE', id);
const userOfGrant = (column: "id" | "secret_id", value: Value) =>
  lock(
    `SELECT 1 FROM users WHERE id = (SELECT s."user" FROM grants g JOIN sessions s ON s.id = g.session WHERE g.${column} = ?)
     FOR NO KEY UPDATE`,
    value,
  );
const session = (id: string) => lock("SELECT 1 FROM sessions WHERE id = ? FOR NO KEY UPDATE", id);
const sessionsOf = (id: string) =>
  lock('SELECT 1 FROM sessions WHERE "user" = ? AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE', id);
const grant = (column: "id" | "secret_id", value: Value) =>
  lock(`SELECT 1 FROM grants WHERE ${column} = ? FOR NO KEY UPDATE`, value);
const sessionOfGrant = (column: "id" | "secret_id", value: Value) =>
  lock(`SELECT 1 FROM sessions WHERE id = (SELECT session FROM grants WHERE ${column} = ?) FOR NO KEY UPDATE`, value);
/** With everything under it. */
const allOfUser = (id: string) => [user(id), sessionsOf(id)];
const allOfSession = (id: string) => [userOfSession(id), session(id)];
const allOfGrant = (column: "id" | "secret_id", value: Value) => [
  userOfGrant(column, value),
  sessionOfGrant(column, value),
  grant(column, value),
];
/** Whoever opens a session for a client shares it; whoever takes the client away waits for those. */
const clientKept = (id: string) => lock("SELECT 1 FROM clients WHERE id = ? FOR KEY SHARE", id);
const clientTaken = (id: string) => lock("SELECT 1 FROM clients WHERE id = ? FOR UPDATE", id);

function ofEffects(effects: readonly Effect[]): readonly Bound[] {
  return effects.flatMap((effect) => {
    switch (effect.effect) {
      case "end_session":
        return allOfSession(effect.session);
      case "end_sessions_of_user":
        return allOfUser(effect.user);
      case "end_all_sessions":
        return [everyone()];
      case "end_grant":
        return allOfGrant("id", effect.grant);
      case "revoke_token":
        return effect.grant === null ? [] : allOfGrant("id", effect.grant);
      case "take_event":
        return [lock("SELECT 1 FROM receivers WHERE id = ? FOR NO KEY UPDATE", effect.receiver)];
      default:
        return [];
    }
  });
}

type Locks = { readonly [Name in StepName]?: (...args: StepArguments<Name>) => readonly Bound[] };

const LOCKS: Locks = {
  changeUser: (id) => allOfUser(id),
  createClient: () => [audiences()],
  publishKeys: (id) => [audiences(), lock("SELECT 1 FROM clients WHERE id = ? FOR NO KEY UPDATE", id)],
  deleteClient: (id) => [clientTaken(id)],
  endGrantsOfClient: (id) => [clientTaken(id)],
  applyEffects: ofEffects,
  endSessions: (target) => {
    if ("session" in target) return allOfSession(target.session);
    return "user" in target ? allOfUser(target.user) : [everyone()];
  },
  open: ({ session: { user: id, client }, limit }) => [
    someone(),
    clientKept(client),
    ...(limit.max === 0 ? [user(id)] : allOfUser(id)),
  ],
  use: ({ secretId }) => allOfGrant("secret_id", secretId),
  endGrant: (target) => ("id" in target ? allOfGrant("id", target.id) : allOfGrant("secret_id", target.secretId)),
  settleWebhook: (id) => [lock("SELECT 1 FROM webhooks WHERE id = ? FOR NO KEY UPDATE", id)],
  skipWebhook: (id) => [lock("SELECT 1 FROM webhooks WHERE id = ? FOR NO KEY UPDATE", id)],
  tellStream: (id) => [lock("SELECT 1 FROM streams WHERE id = ? FOR NO KEY UPDATE", id)],
  receiveReceipt: (id) => [lock("SELECT 1 FROM streams WHERE id = ? FOR NO KEY UPDATE", id)],
  passOverSignals: (id) => [lock("SELECT 1 FROM streams WHERE id = ? FOR NO KEY UPDATE", id)],
  settlePush: (id) => [lock("SELECT 1 FROM streams WHERE id = ? FOR NO KEY UPDATE", id)],
  noteReceiver: (id) => [lock("SELECT 1 FROM receivers WHERE id = ? FOR NO KEY UPDATE", id)],
  slotElsewhere: ({ user: id }) => [user(id)],
  restartLog: () => [everyone()],
  compactLog: upkeep,
  endExpired: upkeep,
  forgetSessions: upkeep,
  pruneEvents: upkeep,
  pruneWebhookQueue: upkeep,
  forgetLists: upkeep,
  pruneSignals: upkeep,
  forgetTaken: upkeep,
};

/** Steps that hold the counter from the start. */
const FIRST: ReadonlySet<StepName> = new Set<StepName>([
  // Whether there is a data key of an id is looked at before it is written: of two that make one, the second would
  // overwrite the first, and what was encrypted under that could never be opened.
  "addDataKeys",
  "rewrapDataKeys",
  "removeDataKeys",
  // They are counted before there is one more.
  "createReceiver",
  // The version of the set is compared and moved on; a mark must not rise between an entry and its look at the marks.
  "replaceKeys",
  "raiseMark",
  // The epoch and the counter are one row.
  "restartLog",
  // An entry's transaction looks whether there are webhooks, and streams.
  "createWebhook",
  "changeWebhook",
  "deleteWebhook",
  "pruneWebhookQueue",
  "createStream",
  "changeStream",
  "deleteStream",
  "deleteClient",
  "pauseIdleStreams",
  "pruneSignals",
]);

export function locksOf<Name extends StepName>(name: Name, args: StepArguments<Name>): readonly Bound[] {
  const locks = LOCKS[name] as ((...args: StepArguments<Name>) => readonly Bound[]) | undefined;
  return locks?.(...args) ?? [];
}

export function holdsCounterFirst(name: StepName): boolean {
  return FIRST.has(name);
}

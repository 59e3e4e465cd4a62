/**
 * What another provider's event asks for here: a table of events, and one rule about subjects. Pure: whom a subject names
 * is looked up by the caller.
 *
 *   event                                        asks for
 *   CAEP session-revoked                         an end: of the session, where it is one of ours, or of the user's
 *   CAEP credential-change (not create)          an end of the user's sessions
 *   RISC account-disabled, account-purged        the same, or the account disabled here too, where the operator said so
 *   RISC credential-compromise, account-credential-change-required, sessions-revoked     an end of the user's sessions
 *   CAEP token-claims-change                     fresh tokens: those of the user that are out are refused, sessions stay
 *   all others                                   nothing
 *
 * A foreign provider ends one session or one user's: a subject that names no user and no session (a tenant, a group) is
 * wider than that and does nothing. One that narrows the user by something that is unknown here (a session of theirs, a
 * device) concerns sessions that nobody could tell from the others: a log-out there is none here, anything else ends them
 * all.
 */
import type { ReceivedSet } from "./read-set.ts";
import type { SimpleSubject } from "./subject.ts";

const CAEP = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC = "https://schemas.openid.net/secevent/risc/event-type/";

type Asks = "end" | "disable" | "renew" | "nothing";

/** By the type of event: what it asks for, as its members have it. `null`: its members are not as they should be. */
const MEASURES: Readonly<Record<string, (members: ReceivedSet["members"]) => Asks | null>> = {
  [`${CAEP}session-revoked`]: () => "end",
  [`${CAEP}credential-change`]: ({ change_type: change }) => CHANGES.get(change) ?? null,
  // CAEP 1.0 §3.2.1: the claims are named.
  [`${CAEP}token-claims-change`]: ({ claims }) => (isObject(claims) ? "renew" : null),
  [`${RISC}account-disabled`]: () => "disable",
  [`${RISC}account-purged`]: () => "disable",
  [`${RISC}account-credential-change-required`]: () => "end",
  [`${RISC}credential-compromise`]: () => "end",
  [`${RISC}sessions-revoked`]: () => "end",
};

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** CAEP 1.0 §3.3.1. A credential more is no reason to log anybody out. */
const CHANGES: ReadonlyMap<unknown, Asks> = new Map<unknown, Asks>([
  ["create", "nothing"],
  ["update", "end"],
  ["revoke", "end"],
  ["delete", "end"],
]);

/** The events that do something here: what is asked for where a stream is made. */
export const WANTED_EVENTS: readonly string[] = Object.keys(MEASURES);

export type Measure =
  /** @property session: that one only, if it is one of ours and the user's. @property user: null where none is named */
  | {
      readonly asks: "end" | "disable" | "renew";
      readonly user: SimpleSubject | null;
      readonly session: SimpleSubject | null;
      /** Whether a session that is not ours stands for all of the user's. */
      readonly widens: boolean;
    }
  | { readonly asks: "nothing"; readonly why: NoMeasure };

/** Why an event does nothing. */
export type NoMeasure =
  | "not_acted_on"
  /** It is about more than one user. */
  | "too_wide"
  /** The provider says that a member must be understood which nobody understands here (SSF 1.0 §3.5). */
  | "not_understood";

/** Members of a complex subject that say who, or where everybody is; any other narrows. */
const UNDERSTOOD: ReadonlySet<string> = new Set(["user", "session"]);
const WIDE: ReadonlySet<string> = new Set(["tenant", "org_unit", "group"]);

/** @param critical members that the provider wants understood @returns null where the event is not as it should be */
export function measureOf({ type, members, subject }: ReceivedSet, critical: readonly string[]): Measure | null {
  const known = Object.hasOwn(MEASURES, type) ? MEASURES[type] : undefined;
  const asks = known === undefined ? "nothing" : known(members);
  if (asks === null) return null;
  if (asks === "nothing") return { asks, why: "not_acted_on" };
  // Who signs out on one device has not signed out on the others.
  const widens = asks === "renew" || members.initiating_entity !== "user";
  if (subject.format !== "complex") return { asks, user: subject, session: null, widens };
  const names = [...subject.members.keys()];
  if (names.some((name) => critical.includes(name) && !UNDERSTOOD.has(name))) {
    return { asks: "nothing", why: "not_understood" };
  }
  const user = subject.members.get("user") ?? null;
  const session = subject.members.get("session") ?? null;
  if (user === null && session === null) return { asks: "nothing", why: "too_wide" };
  const narrows = names.some((name) => !UNDERSTOOD.has(name) && !WIDE.has(name));
  // Of a device that nobody knows, there is no session to be found.
  return { asks, user, session: session ?? (narrows ? { format: "other" } : null), widens };
}

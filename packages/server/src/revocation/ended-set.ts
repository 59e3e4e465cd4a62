/**
 * What the log has ended, as a node keeps it for sessions and grants that live in another store than the log. Whatever that
 * store says, a session or grant is over that an entry here concerns.
 *
 *   session, grant         by their own entry
 *   user, client, all      where they began before the entry: by position in the log, not by a clock
 *
 * A change of roles is an entry too, and ends nothing: it only makes copies of the user out of date.
 */
import type { ClientId, GrantId, SessionId, UserId } from "../prelude/ids.ts";
import { type EndReason, isBefore, type Position, type RevocationEntry } from "./entry.ts";

/** What of an entry says when and why something ended. */
export interface Cut extends Position {
  /** Unix milliseconds. */
  readonly at: number;
  readonly reason: EndReason;
}

const earliest = (cuts: readonly (Cut | undefined)[]): Cut | null => {
  let first: Cut | null = null;
  for (const cut of cuts) if (cut !== undefined && (first === null || isBefore(cut, first))) first = cut;
  return first;
};

export class EndedSet {
  readonly #sessions = new Map<string, Cut>();
  readonly #grants = new Map<string, Cut>();
  /** Each user's and client's cuts in the order of the log. */
  readonly #users = new Map<string, Cut[]>();
  readonly #clients = new Map<string, Cut[]>();
  #everyone: Cut[] = [];
  readonly #lastOfUser = new Map<string, Position>();

  /** Remembers entries; order and repetition do not matter. */
  add(entries: readonly RevocationEntry[]): void {
    for (const entry of entries) this.#add(entry);
  }

  #add({ kind, value, epoch, seq, at, reason }: RevocationEntry): void {
    const cut: Cut = { epoch, seq, at, reason };
    if (kind === "session") keepFirst(this.#sessions, value, cut);
    else if (kind === "grant") keepFirst(this.#grants, value, cut);
    else if (kind === "client") this.#clients.set(value, placed(this.#clients.get(value), cut));
    else if (kind === "all") this.#everyone = placed(this.#everyone, cut);
    else if (kind === "user") {
      const last = this.#lastOfUser.get(value);
      if (last === undefined || isBefore(last, cut)) this.#lastOfUser.set(value, cut);
      if (reason !== "roles_changed") this.#users.set(value, placed(this.#users.get(value), cut));
    }
  }

  /** What ended the session first; `null` where nothing did. `born`: the position that it began at. */
  ofSession(session: SessionId, user: UserId, born: Position): Cut | null {
    const after = (cuts: readonly Cut[] | undefined) => cuts?.find((cut) => isBefore(born, cut));
    return earliest([this.#sessions.get(session), after(this.#users.get(user)), after(this.#everyone)]);
  }

  /** What ended the grant by itself, without its session. */
  ofGrant(grant: GrantId, client: ClientId, born: Position): Cut | null {
    return earliest([this.#grants.get(grant), this.#clients.get(client)?.find((cut) => isBefore(born, cut))]);
  }

  /** Whether what was read of a user at a position is still so. What was read in another epoch never is. */
  isCurrent(user: UserId, at: Position, head: Position): boolean {
    const last = this.#lastOfUser.get(user);
    return at.epoch === head.epoch && (last === undefined || !isBefore(at, last));
  }

  /** Forgets what was ended before a time (Unix milliseconds): no session from before it can be alive by the clock. */
  forget(before: number): void {
    for (const cuts of [this.#sessions, this.#grants]) {
      for (const [value, { at }] of cuts) if (at < before) cuts.delete(value);
    }
    for (const lists of [this.#users, this.#clients]) {
      for (const [value, cuts] of lists) {
        const left = cuts.filter(({ at }) => at >= before);
        if (left.length === 0) lists.delete(value);
        else if (left.length < cuts.length) lists.set(value, left);
      }
    }
    this.#everyone = this.#everyone.filter(({ at }) => at >= before);
  }

  /** How many sessions, grants, users and clients it knows an end of. */
  get size(): number {
    return this.#sessions.size + this.#grants.size + this.#users.size + this.#clients.size + this.#everyone.length;
  }
}

function keepFirst(cuts: Map<string, Cut>, value: string, cut: Cut): void {
  const held = cuts.get(value);
  if (held === undefined || isBefore(cut, held)) cuts.set(value, cut);
}

function placed(cuts: readonly Cut[] = [], cut: Cut): Cut[] {
  const same = cuts.some(({ epoch, seq }) => epoch === cut.epoch && seq === cut.seq);
  if (same) return [...cuts];
  return [...cuts, cut].sort((a, b) => (isBefore(a, b) ? -1 : 1));
}

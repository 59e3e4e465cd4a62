/**
 * A second opinion: what a driver must answer, said as simply as possible and without any of the product's rules. It
 * keeps the whole history of a refresh token instead of a row, and looks everything up by searching.
 */

/** What the model's time, grace and expiries are in: milliseconds. */
export interface ModelTimes {
  readonly grace: number;
  readonly idle: number;
  readonly absolute: number;
}

export interface ModelUser {
  readonly id: string;
  active: boolean;
  version: number;
}

export interface ModelSession {
  readonly id: string;
  readonly user: ModelUser;
  readonly device: string;
  readonly began: number;
  /** When each generation was made and with which proof; the first at index 0. */
  readonly made: { at: number; proof: string | null }[];
  used: number;
  ended: string | null;
}

export type ModelProof = { readonly key: string | null; readonly device: string | null };
export type ModelEntry = readonly [kind: string, value: string, reason: string];

export class Model {
  readonly users: ModelUser[] = [];
  readonly sessions: ModelSession[] = [];
  readonly log: ModelEntry[] = [];
  readonly #times: ModelTimes;

  constructor(times: ModelTimes) {
    this.#times = times;
  }

  sorted(): string[] {
    return this.log.map((entry) => entry.join(" ")).sort();
  }

  #ranOut(session: ModelSession, now: number): boolean {
    return now >= session.began + this.#times.absolute || now >= session.used + this.#times.idle;
  }

  live(user: ModelUser, now: number): ModelSession[] {
    return this.sessions.filter((each) => each.user === user && each.ended === null && !this.#ranOut(each, now));
  }

  #end(session: ModelSession, reason: string, now: number): string {
    session.ended = this.#ranOut(session, now) ? "expired" : reason;
    return session.ended;
  }

  #unended(user: ModelUser | null): ModelSession[] {
    return this.sessions.filter((each) => each.ended === null && (user === null || each.user === user));
  }

  logIn(user: ModelUser, version: number, session: ModelSession, max: number, evict: boolean, now: number): string {
    if (!user.active || user.version !== version) return "stale_credential";
    const live = this.live(user, now).sort((a, b) => a.began - b.began || (a.id < b.id ? -1 : 1));
    const excess = max === 0 ? 0 : live.length + 1 - max;
    if (excess > 0 && !evict) return "session_limit";
    for (const oldest of live.slice(0, Math.max(0, excess))) {
      this.log.push(["session", oldest.id, this.#end(oldest, "evicted", now)]);
    }
    this.sessions.push(session);
    return "opened";
  }

  /** `how` and the generation held afterwards, or the refusal. */
  refresh(session: ModelSession, generation: number, proof: ModelProof, now: number): string {
    if (session.ended !== null) return `session_ended ${session.ended}`;
    if (this.#ranOut(session, now)) {
      this.log.push(["session", session.id, this.#end(session, "expired", now)]);
      return "session_ended expired";
    }
    const current = session.made.length;
    const last = session.made.at(-1);
    if (generation >= current) {
      while (session.made.length <= generation) session.made.push({ at: now, proof: proof.key });
      session.used = now;
      return `${generation === current ? "rotated" : "fast_forwarded"} ${session.made.length}`;
    }
    if (generation === current - 1 && last !== undefined) {
      if (now - last.at <= this.#times.grace) return `repeated ${current}`;
      const proven = (proof.key !== null && proof.key === last.proof) || proof.device === session.device;
      if (proven) return `recovered ${current}`;
    }
    this.log.push(["session", session.id, this.#end(session, "replayed", now)]);
    return "refresh_token_replayed";
  }

  endOne(session: ModelSession, reason: string, now: number): number {
    if (session.ended !== null) return 0;
    this.log.push(["session", session.id, this.#end(session, reason, now)]);
    return 1;
  }

  endOfUser(user: ModelUser, except: ModelSession | null, reason: string, now: number): number {
    const ending = this.#unended(user).filter((each) => each !== except);
    if (except === null) this.log.push(["user", user.id, reason]);
    // Newest first, as they are listed.
    for (const each of ending.sort((a, b) => b.began - a.began || (a.id < b.id ? 1 : -1))) {
      const because = this.#end(each, reason, now);
      if (except !== null) this.log.push(["session", each.id, because]);
    }
    return ending.length;
  }

  endAll(reason: string, now: number): void {
    this.log.push(["all", "", reason]);
    for (const each of this.#unended(null)) this.#end(each, reason, now);
  }

  disable(user: ModelUser, now: number): void {
    if (!user.active) return;
    user.active = false;
    this.endOfUser(user, null, "user_disabled", now);
  }

  changePassword(user: ModelUser, keep: ModelSession | null, now: number): void {
    user.version += 1;
    this.endOfUser(user, keep, "password_changed", now);
  }

  sweep(now: number): void {
    const out = this.#unended(null).filter((each) => this.#ranOut(each, now));
    for (const each of out) {
      this.log.push(["session", each.id, this.#end(each, "expired", now)]);
    }
  }
}

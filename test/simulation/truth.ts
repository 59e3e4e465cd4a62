/**
 * What is true, as nobody in the simulation can know it: which tokens there are, which revocations were committed when,
 * and so from when on each token is dead. Written from the statements alone, not from the code that is tried: whether an
 * entry for a user, a client or everyone kills a token is decided by which of the two transactions came first, never by
 * `rsq`.
 */
import { isBefore, type Position, type RevocationKind } from "../../packages/server/src/revocation/entry.ts";
import type { Commit } from "./database.ts";

export interface TokenFacts {
  readonly text: string;
  /** Short, for the trace. */
  readonly label: string;
  readonly jti: string;
  readonly sid: string;
  readonly gid: string;
  readonly sub: string;
  readonly audience: string;
  readonly client: string;
  readonly kid: string;
  /** The turn of the transaction that checked its state; Infinity for one that a thief made with a stolen key. */
  readonly turn: number;
  /** True time, in milliseconds. */
  readonly issuedAt: number;
  /** True time at which no verifier takes it any more, whatever its clock says. */
  readonly gone: number;
}

export interface Token extends TokenFacts {
  /** When what kills it was committed, in true time; Infinity while it lives. */
  deadAt: number;
  /** When somebody was first told `confirmed: true` of what kills it. */
  confirmedAt: number;
  /** Which entry killed it first, for the trace. */
  killer: string;
  /** It was dead once, and the log has forgotten by what: who knows it refuses it, who does not may accept it. */
  forgiven: boolean;
  /** Its session is not in the restored database: what names it there finds nothing to take back. */
  orphaned: boolean;
}

interface Record {
  readonly kind: RevocationKind;
  readonly value: string;
  readonly position: Position;
  readonly turn: number;
  readonly at: number;
}

const WIDE: readonly RevocationKind[] = ["user", "client", "all"];

export class Truth {
  readonly tokens: Token[] = [];
  #records: Record[] = [];
  /** Everything up to here was confirmed to somebody. */
  #confirmed: Position = { epoch: 0, seq: 0 };

  /** A token has come into being. What has been committed since its state was checked has killed it already. */
  issued(facts: TokenFacts, now: number): Token {
    const token: Token = {
      ...facts,
      deadAt: Number.POSITIVE_INFINITY,
      confirmedAt: Number.POSITIVE_INFINITY,
      killer: "",
      forgiven: false,
      orphaned: false,
    };
    for (const record of this.#records) bury(token, record);
    this.tokens.push(token);
    this.#markConfirmed(token, now);
    return token;
  }

  committed({ turn, entries }: Commit, now: number): void {
    for (const { kind, value, epoch, seq } of entries) {
      const record: Record = { kind, value, position: { epoch, seq }, turn, at: now };
      this.#records.push(record);
      for (const token of this.tokens) bury(token, record);
    }
  }

  /** Whether an entry of a kind was committed after a turn. */
  hasSince(kind: RevocationKind, turn: number): boolean {
    return this.#records.some((record) => record.kind === kind && record.turn > turn);
  }

  /** Somebody was told that no verifier accepts what was revoked up to a position. */
  confirmed(position: Position, now: number): void {
    if (!isBefore(this.#confirmed, position)) return;
    this.#confirmed = position;
    for (const token of this.tokens) this.#markConfirmed(token, now);
  }

  #markConfirmed(token: Token, now: number): void {
    if (token.confirmedAt <= now || token.deadAt > now) return;
    const sure = this.#records.some((record) => !isBefore(this.#confirmed, record.position) && kills(record, token));
    if (sure) token.confirmedAt = now;
  }

  /** What was committed after a turn was undone, by somebody who said that it may be. */
  forgot(turn: number, until: number): void {
    for (const token of this.tokens) if (token.turn > turn && token.turn <= until) token.orphaned = true;
    const lost = this.#records.filter((record) => record.turn > turn);
    this.#records = this.#records.filter((record) => record.turn <= turn);
    for (const token of this.tokens) {
      if (!lost.some((record) => kills(record, token))) continue;
      token.deadAt = Number.POSITIVE_INFINITY;
      token.confirmedAt = Number.POSITIVE_INFINITY;
      token.forgiven = true;
      for (const record of this.#records) bury(token, record);
    }
  }

  /** Forgets tokens that are over: nobody takes them any more. */
  prune(now: number): void {
    const alive = this.tokens.filter(({ gone }) => gone > now);
    this.tokens.splice(0, this.tokens.length, ...alive);
  }
}

function bury(token: Token, record: Record): void {
  if (record.at >= token.deadAt || !kills(record, token)) return;
  token.deadAt = record.at;
  token.killer = `${record.kind} in turn ${record.turn}`;
}

function kills({ kind, value, turn }: Record, token: Token): boolean {
  if (WIDE.includes(kind) && turn <= token.turn) return false;
  return value === nameOf(kind, token);
}

/** What an entry of a kind names of a token. */
export function nameOf(kind: RevocationKind, token: TokenFacts): string {
  switch (kind) {
    case "token":
      return token.jti;
    case "session":
      return token.sid;
    case "grant":
      return token.gid;
    case "key":
      return token.kid;
    case "user":
      return token.sub;
    case "client":
      return token.client;
    case "all":
      return "";
  }
}

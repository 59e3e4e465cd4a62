/**
 * What is true, as nobody in the simulation can know it: which tokens there are, which revocations were committed when,
 * what was answered to whom, and so from when on each token is dead. Written from the statements alone, not from the code
 * that is tried: whether an entry for a user, a client or everyone kills a token is decided by which of the two
 * transactions came first, never by `rsq`; and what was confirmed is what somebody asked for, not what the answer says that
 * it is about.
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
  /** The turn of the log-in that it goes back to; Infinity for a thief's. */
  readonly openedIn: number;
  /** True time, in milliseconds. */
  readonly issuedAt: number;
  /** True time from which on a verifier may call it expired whose clock is right. */
  readonly mayExpire: number;
  /** True time at which no verifier takes it any more, whatever its clock says. */
  readonly gone: number;
}

/** Somebody was told that no verifier accepts what he took back, but for those that the answer names. */
export interface Confirmation {
  readonly at: number;
  /** The instances that the answer calls unbound. */
  readonly unbound: ReadonlySet<string>;
}

export interface Token extends TokenFacts {
  /** When what kills it was committed, in true time; Infinity while it lives. */
  deadAt: number;
  /** What was answered of what kills it. */
  confirmations: Set<Confirmation>;
  /** Which entry killed it first, for the trace. */
  killer: string;
  /** It was dead once, and the log has forgotten by what: who knows it refuses it, who does not may accept it. */
  forgiven: boolean;
  /** Its session, or its key, is not in the restored database: what names it there finds nothing to take back. */
  orphaned: boolean;
  keyLost: boolean;
  /** A node's clock was off while there was this token: its times, or what introspection says of it, may be wrong. */
  doubtful: boolean;
}

/** What somebody asked to be taken back. */
export interface Wish {
  readonly kind: RevocationKind;
  readonly value: string;
  /** The last turn before he asked. */
  readonly after: number;
  /** Whether it is found by its row, and finds nothing where a restore has lost that. */
  readonly byRow: boolean;
}

interface Record {
  readonly kind: RevocationKind;
  readonly value: string;
  readonly position: Position;
  readonly turn: number;
  readonly at: number;
  readonly confirmations: Set<Confirmation>;
}

/** These end sessions or grants, and not only the tokens that are out. */
const ENDS: readonly RevocationKind[] = ["session", "grant", "user", "client", "all"];
const WIDE: readonly RevocationKind[] = ["user", "client", "all"];

export class Truth {
  readonly tokens: Token[] = [];
  #records: Record[] = [];
  /** What was answered to have been taken back, and what was said of that since. */
  #wishes: { readonly wish: Wish; readonly turn: number; readonly confirmations: Set<Confirmation> }[] = [];
  #doubtful = false;

  /** A token has come into being. What has been committed since its state was checked has killed it already. */
  issued(facts: TokenFacts): Token {
    const token: Token = {
      ...facts,
      deadAt: Number.POSITIVE_INFINITY,
      confirmations: new Set(),
      killer: "",
      forgiven: false,
      orphaned: false,
      keyLost: false,
      doubtful: this.#doubtful,
    };
    this.#bury(token);
    this.tokens.push(token);
    return token;
  }

  #bury(token: Token): void {
    for (const record of this.#records) bury(token, record);
    const said = [
      ...this.#records.filter((record) => kills(record, token)),
      ...this.#wishes.filter(({ wish }) => covers(wish, token)),
    ];
    token.confirmations = new Set(said.flatMap(({ confirmations }) => [...confirmations]));
  }

  /** What should have kept a token from being made, or alive: `null` where nothing should. */
  objection(token: Token, now: number): string | null {
    const { openedIn, turn } = token;
    const ended = this.#records.find(
      (record) => ENDS.includes(record.kind) && record.turn > openedIn && record.turn < turn && isAbout(record, token),
    );
    if (ended !== undefined) return `renewed after its end by ${ended.kind} in turn ${ended.turn}`;
    const taken = token.deadAt > now && this.#wishes.find(({ wish }) => covers(wish, token));
    return taken ? `alive, and ${taken.wish.kind} was acknowledged in turn ${taken.turn}` : null;
  }

  committed({ turn, entries }: Commit, now: number): void {
    for (const { kind, value, epoch, seq } of entries) {
      const record: Record = { kind, value, position: { epoch, seq }, turn, at: now, confirmations: new Set() };
      this.#records.push(record);
      for (const token of this.tokens) bury(token, record);
    }
  }

  /** Whether an entry of a kind was committed after a turn. */
  hasSince(kind: RevocationKind, turn: number): boolean {
    return this.#records.some((record) => record.kind === kind && record.turn > turn);
  }

  /**
   * Somebody was answered that it is taken back, in this turn.
   * @returns a token that is alive all the same; `null` where there is none
   */
  acknowledged(wish: Wish, turn: number, now: number): Token | null {
    this.#wishes.push({ wish, turn, confirmations: new Set() });
    return this.tokens.find((token) => token.gone > now && token.deadAt > now && covers(wish, token)) ?? null;
  }

  /** Somebody was told `confirmed: true`: of what he asked for, and of everything up to a position. */
  confirmed(wish: Wish, position: Position, confirmation: Confirmation): void {
    for (const one of this.#wishes) if (one.wish === wish) one.confirmations.add(confirmation);
    const records = this.#records.filter((record) => !isBefore(position, record.position));
    for (const record of records) record.confirmations.add(confirmation);
    for (const token of this.tokens) {
      if (covers(wish, token) || records.some((record) => kills(record, token))) token.confirmations.add(confirmation);
    }
  }

  /** Clocks of nodes are off from now on, or right again. */
  setDoubtful(doubtful: boolean): void {
    this.#doubtful = doubtful;
    if (doubtful) for (const token of this.tokens) token.doubtful = true;
  }

  /**
   * What was committed after a turn was undone, by somebody who said that it may be.
   * @param keys that there are now
   */
  forgot(turn: number, keys: ReadonlySet<string>): void {
    const lost = this.#records.filter((record) => record.turn > turn);
    this.#records = this.#records.filter((record) => record.turn <= turn);
    this.#wishes = this.#wishes.filter((one) => one.turn <= turn);
    for (const token of this.tokens) {
      if (token.openedIn > turn) token.orphaned = true;
      if (!keys.has(token.kid)) token.keyLost = true;
      if (!lost.some((record) => kills(record, token))) continue;
      token.deadAt = Number.POSITIVE_INFINITY;
      token.forgiven = true;
      this.#bury(token);
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
  return isAbout({ kind, value }, token);
}

/** Whether a token was there when it was asked for. What is named by a session or a grant, later ones are not made under. */
function covers(wish: Wish, token: Token): boolean {
  if (wish.byRow && (wish.kind === "key" ? token.keyLost : token.orphaned)) return false;
  return !(WIDE.includes(wish.kind) && token.turn > wish.after) && isAbout(wish, token);
}

function isAbout({ kind, value }: Pick<Record, "kind" | "value">, token: Parameters<typeof nameOf>[1]): boolean {
  return value === nameOf(kind, token);
}

/** What an entry of a kind names of a token. */
export function nameOf(
  kind: RevocationKind,
  token: Pick<TokenFacts, "jti" | "sid" | "gid" | "kid" | "sub" | "client">,
): string {
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

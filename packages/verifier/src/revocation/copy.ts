/**
 * A verifier's copy of the log, and the question that it is there for: is this token revoked?
 *
 *   token ──► names: jti sid gid kid sub client_id ──► prints, 64 bits each ──► set ──► entry ──► earlier than its rsq?
 *                                                        │ made once, kept with the verified token
 *                                                        └ for kinds that have entries only
 *
 * Entries are made with a feed key. Should the issuer get another one (a restore without the old one), the entries made with
 * the first stay as they are and count on: nothing is un-revoked. There are then two sets, until the first is empty.
 */
import type { AccessTokenClaims } from "../claims.ts";
import { ENTRY_BYTES, KINDS, REVOCATION_KINDS, type Revocation, type RevocationKind } from "./entry.ts";
import { type MacOf, macsLater, macsNow } from "./entry-key.ts";
import { comparePositions } from "./position.ts";
import { RevocationSet, SET_MAX } from "./set.ts";

/** What of a token entries can meet, and what has been made of it. */
export interface TokenPrints {
  readonly claims: AccessTokenClaims;
  /** The id of the key that verified it. */
  readonly kid: string;
  /** Two words for each kind, under the newest feed key; those whose bit is set in `made`. */
  words: Uint32Array;
  made: number;
  /** When the token was last found good: the turn and the version of its set. */
  turn: number;
  seen: number;
}

export interface Copy {
  readonly size: number;
  /** Octets that the entries take. */
  readonly bytes: number;
  /** Moves with every change that may concern a token. */
  readonly version: number;
  /**
   * Entries that follow were made with this feed key.
   * @param expected how many come, where that is known
   * @throws RangeError where the issuer changes its key faster than entries expire
   */
  use(feedKey: Uint8Array, expected?: number): void;
  /** Takes in `count` entries that stand one after the other. @returns false when the set is full and some are missing */
  add(octets: Uint8Array, offset: number, count: number): boolean;
  /** Drops a part of what ended before a time of the server. @param seconds since 1970 */
  forget(seconds: number): void;
  /** Begins a token's prints. */
  prints(claims: AccessTokenClaims, kid: string): TokenPrints;
  /** The entry that kills the token, null for none; undefined where only `judgeLater` can tell (no node:crypto). */
  judge(token: TokenPrints): Revocation | null | undefined;
  judgeLater(token: TokenPrints): Promise<Revocation | null>;
}

/** The entries made with one feed key. */
interface Generation {
  readonly feedKey: Uint8Array;
  readonly set: RevocationSet;
  readonly macOf: MacOf | null;
}

/** Feed keys with entries that have not ended: eight restores in ten minutes, each without the feed key of before. */
const GENERATIONS_MAX = 8;
/** Rows that are looked at for their end in one go: well below a millisecond. */
const FORGET_ROWS = 16_384;
const NONE = new Uint32Array(0);

/**
 * @param most entries at most, of all feed keys together
 * @param macs how MACs are made at once; it gives null where only WebCrypto can make them
 */
export function createCopy(issuer: string, most: number = SET_MAX, macs: typeof macsNow = macsNow): Copy {
  /** The newest first; only it gets entries. */
  let generations: readonly Generation[] = [];
  /** How often another feed key came: what was judged in an earlier turn is judged anew. */
  let turn = 0;
  /** Versions of sets that are gone, so that the sum never falls. */
  let past = 0;

  function total(of: (set: RevocationSet) => number): number {
    let sum = 0;
    for (const { set } of generations) sum += of(set);
    return sum;
  }

  /** The newest set changed since the token was found good: the changes one by one, or all of it. */
  function judgeAgain(token: TokenPrints, { set, macOf }: Generation): Revocation | null {
    let hit: Revocation | null = null;
    const looked = set.changedSince(token.seen, (kind, row, high, low) => {
      if (!hasWords(token, kind, macOf)) return false;
      if (token.words[kind * 2 - 2] === high && token.words[kind * 2 - 1] === low)
        hit = killing(set, row, token.claims);
      return hit !== null;
    });
    return looked ? hit : search(token, set, macOf);
  }

  function judgeOlder(token: TokenPrints): Revocation | null {
    for (const { set, macOf } of generations.slice(1)) {
      const hit = search(fresh(token), set, macOf);
      if (hit !== null) return hit;
    }
    return null;
  }

  function judge(token: TokenPrints): Revocation | null | undefined {
    const [newest] = generations;
    if (newest === undefined) return null;
    const { set, macOf } = newest;
    let hit: Revocation | null;
    if (token.turn === turn) {
      hit = token.seen === set.version ? null : judgeAgain(token, newest);
    } else {
      if (macOf === null) return undefined;
      token.words = NONE;
      token.made = 0;
      hit = search(token, set, macOf) ?? judgeOlder(token);
    }
    if (hit === null) found(token, turn, set.version);
    return hit;
  }

  async function judgeLater(token: TokenPrints): Promise<Revocation | null> {
    for (;;) {
      const asked = generations;
      const printed: [TokenPrints, Generation][] = [];
      for (const [index, generation] of asked.entries()) {
        const it = index === 0 ? token : fresh(token);
        if (index > 0 || token.turn !== turn) await printAll(it, generation.feedKey, issuer);
        printed.push([it, generation]);
      }
      // Should another feed key have come meanwhile, it is done again.
      if (asked !== generations) continue;
      for (const [it, { set, macOf }] of printed) {
        const hit = search(it, set, macOf);
        if (hit !== null) return hit;
      }
      const [newest] = asked;
      if (newest !== undefined) found(token, turn, newest.set.version);
      return null;
    }
  }

  return {
    get size() {
      return total((set) => set.size);
    },
    get bytes() {
      return total((set) => set.bytes);
    },
    get version() {
      return past + turn + total((set) => set.version);
    },
    use(feedKey, expected = 0) {
      const [newest] = generations;
      if (newest !== undefined && sameKey(newest.feedKey, feedKey)) return newest.set.reserve(expected);
      const known = generations.find((generation) => sameKey(generation.feedKey, feedKey));
      const others = generations.filter((generation) => generation !== known && generation.set.size > 0);
      if (others.length >= GENERATIONS_MAX) throw new RangeError("The issuer changes its feed key too often.");
      const next = known ?? { feedKey, set: new RevocationSet(most), macOf: macs(feedKey, issuer) };
      past = this.version - turn;
      generations = [next, ...others];
      past -= total((set) => set.version);
      turn += 1;
      next.set.reserve(expected);
    },
    add(octets, offset, count) {
      const [newest] = generations;
      if (newest === undefined) return false;
      const { set } = newest;
      const others = total((each) => each.size) - set.size;
      for (let index = 0; index < count; index++) {
        if (set.size + others >= most && !set.has(octets, offset + index * ENTRY_BYTES)) return false;
        if (!set.add(octets, offset + index * ENTRY_BYTES)) return false;
      }
      return true;
    },
    forget(seconds) {
      for (const { set } of generations) set.forget(seconds, FORGET_ROWS);
    },
    prints: (claims, kid) => ({ claims, kid, words: NONE, made: 0, turn: -1, seen: -1 }),
    judge,
    async judgeLater(token) {
      const hit = judge(token);
      return hit === undefined ? judgeLater(token) : hit;
    },
  };
}

function found(token: TokenPrints, turn: number, version: number): void {
  token.turn = turn;
  token.seen = version;
}

function fresh({ claims, kid }: TokenPrints): TokenPrints {
  return { claims, kid, words: NONE, made: 0, turn: -1, seen: -1 };
}

/** Looks for every kind that has entries. */
function search(token: TokenPrints, set: RevocationSet, macOf: MacOf | null): Revocation | null {
  for (let kind = 1; kind <= KINDS.length; kind++) {
    if (set.countOf(kind) === 0 || !hasWords(token, kind, macOf)) continue;
    const row = set.find(token.words[kind * 2 - 2] ?? 0, token.words[kind * 2 - 1] ?? 0);
    const hit = row < 0 ? null : killing(set, row, token.claims);
    if (hit !== null) return hit;
  }
  return null;
}

/** The entry of a row, where it kills a token with these claims. */
function killing(set: RevocationSet, row: number, { rsq, iat }: AccessTokenClaims): Revocation | null {
  const { kind, reason, position, at } = set.entryAt(row);
  if (REVOCATION_KINDS[kind].onlyEarlier) {
    // Issued when the entry was known, the token is one of after: a new login.
    if (rsq !== undefined && comparePositions({ epoch: rsq[0], seq: rsq[1] }, position) >= 0) return null;
    // A token that names no position (of a foreign issuer) has only its second.
    if (rsq === undefined && Math.floor(iat) > at) return null;
  }
  return { kind, reason, position };
}

/** What a token is called in the eyes of a kind; null where it has no such name. */
function nameOf({ claims, kid }: TokenPrints, kind: RevocationKind): string | null {
  switch (kind) {
    case "token":
      return claims.jti;
    case "session":
      return claims.sid ?? null;
    case "grant":
      return claims.gid ?? null;
    case "key":
      return kid;
    case "user":
      return claims.sub;
    case "client":
      return claims.client_id;
    case "all":
      return "";
  }
}

/** Makes the words of a kind where they are not there yet. False where the token has no such name. */
function hasWords(token: TokenPrints, kind: number, macOf: MacOf | null): boolean {
  if ((token.made & (1 << kind)) !== 0) return true;
  const name = KINDS[kind - 1];
  const value = name === undefined ? null : nameOf(token, name);
  if (name === undefined || value === null || macOf === null) return false;
  putWords(token, kind, macOf(name, value));
  return true;
}

/** Makes the words of every kind, by WebCrypto. */
async function printAll(token: TokenPrints, feedKey: Uint8Array, issuer: string): Promise<void> {
  const macOf = macsLater(feedKey, issuer);
  const macs = await Promise.all(
    KINDS.map((name) => {
      const value = nameOf(token, name);
      return value === null ? null : macOf(name, value);
    }),
  );
  token.words = NONE;
  token.made = 0;
  for (const [index, mac] of macs.entries()) if (mac !== null) putWords(token, index + 1, mac);
}

/** The first 64 bits of a key, from a MAC of one character per octet. */
function putWords(token: TokenPrints, kind: number, mac: string): void {
  if (token.words.length === 0) token.words = new Uint32Array(KINDS.length * 2);
  token.words[kind * 2 - 2] = wordOf(mac, 0);
  token.words[kind * 2 - 1] = wordOf(mac, 4);
  token.made |= 1 << kind;
}

function wordOf(mac: string, at: number): number {
  const upper = (mac.charCodeAt(at) << 24) | (mac.charCodeAt(at + 1) << 16);
  return (upper | (mac.charCodeAt(at + 2) << 8) | mac.charCodeAt(at + 3)) >>> 0;
}

function sameKey(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((octet, index) => octet === other[index]);
}

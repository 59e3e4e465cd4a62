/**
 * Remembers which tokens were verified, so that the same text presented again costs a lookup, not a signature check.
 *
 *              hit                       both halves bounded; when `young` is full it becomes `old`,
 *   token ──► young ──► old ──► miss     and what nobody asked for meanwhile is forgotten
 *               ▲        │
 *               └────────┘  asked for again
 *
 * What makes it safe:
 * - The key is the whole text. One content can have several texts that verify (an ECDSA signature also holds with -s);
 *   only the one that was verified is a hit. Only tokens that verified are kept, so nobody without a key can fill it.
 * - The time is looked at on every hit, so a token is refused in the millisecond it expires.
 * - `mark` counts everything else a verdict rests on: the key set, and with a revocation feed the
 *   entries known. An entry seen under an older mark is judged again by `stands` and forgotten where that says no.
 * - The verdict is frozen to its leaves, so no caller can change what the next one reads.
 * - Timing tells nothing worth having. A Map compares two texts only where their hashes are equal; the hash covers the
 *   whole text (tokens are far below the length from which V8 hashes the length alone) and is seeded anew in each process.
 *   To learn a remembered token from the time of a comparison, one would have to guess its hash anew for every guess.
 */
export interface Remembered<Verdict, Basis> {
  readonly verdict: Verdict;
  /** What the verdict rests on, for whoever has to judge it again. */
  readonly basis: Basis;
  /** First and last millisecond (since 1970) of the token's life, tolerance included; `until` itself is too late. */
  readonly from: number;
  readonly until: number;
}

export interface TokenCache<Verdict, Basis> {
  /**
   * @param now milliseconds since 1970
   * @param mark the present state of what verdicts rest on
   * @param stands judges an entry that was last judged under another mark
   */
  get(
    token: string,
    now: number,
    mark: number,
    stands: (entry: Remembered<Verdict, Basis>) => boolean,
  ): Verdict | undefined;
  put(token: string, mark: number, entry: Remembered<Verdict, Basis>): void;
  clear(): void;
  readonly size: number;
}

interface Entry<Verdict, Basis> {
  readonly of: Remembered<Verdict, Basis>;
  mark: number;
}

/** Characters of token text that one place stands for: bounds the memory of unusually long tokens. */
const CHARACTERS_PER_ENTRY = 1024;

/** @param entries how many verified tokens are remembered at most */
export function createTokenCache<Verdict, Basis>(entries: number): TokenCache<Verdict, Basis> {
  const perHalf = Math.max(1, Math.floor(entries / 2));
  let young = new Map<string, Entry<Verdict, Basis>>();
  let old = new Map<string, Entry<Verdict, Basis>>();
  let characters = 0;

  function keep(token: string, entry: Entry<Verdict, Basis>): void {
    if (young.size >= perHalf || characters + token.length > perHalf * CHARACTERS_PER_ENTRY) {
      old = young;
      young = new Map();
      characters = 0;
    }
    characters += token.length;
    young.set(token, entry);
  }

  function forget(token: string): undefined {
    if (young.delete(token)) characters -= token.length;
    old.delete(token);
    return undefined;
  }

  return {
    get(token, now, mark, stands) {
      let entry = young.get(token);
      if (entry === undefined) {
        entry = old.get(token);
        if (entry === undefined) return undefined;
        old.delete(token);
        keep(token, entry);
      }
      // Written so that a broken clock (NaN) is a miss.
      if (!(now < entry.of.until)) return forget(token);
      if (!(now >= entry.of.from)) return undefined;
      if (entry.mark !== mark) {
        if (!stands(entry.of)) return forget(token);
        entry.mark = mark;
      }
      return entry.of.verdict;
    },
    put(token, mark, entry) {
      forget(token);
      keep(token, { of: entry, mark });
    },
    clear() {
      young = new Map();
      old = new Map();
      characters = 0;
    },
    get size() {
      return young.size + old.size;
    },
  };
}

/**
 * The status lists as they are served: signed when somebody asks and something changed, and not for each who asks.
 *
 *   ask ──► looked less than a second ago? ──no──► what became invalid since, a page at a time ──► bits
 *                    │ yes                                                                          │
 *                    ▼                                                                              ▼
 *            same bits, signed less than ttl/2 ago? ──yes──► the same octets           compress ──► sign ──► keep
 *
 * So the cost is bounded by the number of lists and by the clock, whoever asks and however often. A list of a million
 * that were revoked is read in pages, and other work goes in between.
 *
 * How old may what somebody holds be? A shared cache keeps it for ttl/2, he for ttl, and what is served is at most a
 * second behind: one and a half ttl and a second. `exp` ends it in any case: two ttl after it was signed.
 */
import { createHash } from "node:crypto";
import type { Clock, SetAlarm } from "../prelude/world.ts";
import { encodeBits, gzipped, type ListClaims, newBits, setInvalid } from "./encode.ts";
import { type InvalidSlot, listUri, type StatusList } from "./slot.ts";
import type { StatusStore } from "./store.ts";

export interface SignedList {
  readonly text: string;
  /** `null` where it is not shorter. */
  readonly gzip: Uint8Array<ArrayBuffer> | null;
  /** Of the text, without quotes. */
  readonly tag: string;
  readonly kid: string;
}

export interface StatusLists {
  /** `undefined`: there is no such list, or not any more. */
  signed(id: number): Promise<SignedList | undefined>;
  /** The addresses of all (§9). */
  uris(): Promise<readonly string[]>;
  readonly ttlSeconds: number;
}

/** Signs the claims of a list, and says with which key. */
export type SignList = (claims: ListClaims) => Promise<{ readonly text: string; readonly kid: string }>;

export interface StatusListParts {
  readonly store: StatusStore;
  readonly issuer: string;
  readonly ttlMs: number;
  readonly sign: SignList;
  /** Whether a key still verifies. */
  readonly verifies: (kid: string) => boolean;
  readonly clock: Clock;
  readonly alarm: SetAlarm;
}

/** The store is asked at most this often. */
const LOOK_MS = 1_000;
/** So many slots are read before others have their turn: some 1 ms. */
const PAGE = 500;
const START: InvalidSlot = { epoch: 0, seq: 0, list: 0, idx: 0 };

interface Made {
  readonly version: number;
  /** On the monotonic clock. */
  readonly at: number;
  readonly list: Promise<SignedList>;
}

interface Held {
  readonly bits: Uint8Array;
  /** Moves with every change of the bits. */
  version: number;
  void: boolean;
  made: Made | null;
}

export function createStatusLists(parts: StatusListParts): StatusLists {
  const { store, issuer, ttlMs, sign, verifies, clock, alarm } = parts;
  const ttlSeconds = Math.ceil(ttlMs / 1000);
  const known = new Map<number, Held>();
  let lists: readonly StatusList[] = [];
  let read: InvalidSlot = START;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | null = null;

  const bitsOf = (id: number): Held => {
    const held = known.get(id);
    if (held !== undefined) return held;
    const begun: Held = { bits: newBits(), version: 0, void: false, made: null };
    known.set(id, begun);
    return begun;
  };

  async function catchUp(): Promise<void> {
    const began = clock.monotonic();
    for (;;) {
      const page = await store.invalid(read, PAGE);
      for (const slot of page) {
        const list = bitsOf(slot.list);
        if (!list.void) setInvalid(list.bits, slot.idx);
        list.version += 1;
      }
      read = page.at(-1) ?? read;
      if (page.length < PAGE) break;
      await new Promise<void>((wake) => alarm(0, wake));
    }
    // After the slots: a list that was opened meanwhile is one that nothing of was invalid when the pages were read.
    lists = await store.lists();
    const there = new Set(lists.map(({ id }) => id));
    for (const id of known.keys()) if (!there.has(id)) known.delete(id);
    for (const { id, void: isVoid } of lists) {
      const list = bitsOf(id);
      if (!isVoid || list.void) continue;
      list.void = true;
      list.bits.fill(0xff);
      list.version += 1;
    }
    lookedAt = began;
  }

  const lookNow = (): Promise<void> => {
    looking ??= catchUp().finally(() => {
      looking = null;
    });
    return looking;
  };
  const look = async (): Promise<void> => {
    if (clock.monotonic() - lookedAt >= LOOK_MS) await lookNow();
  };
  const isThere = (id: number): boolean => lists.some((list) => list.id === id);

  async function make(id: number, bits: Uint8Array): Promise<SignedList> {
    const lst = await encodeBits(bits);
    const iat = Math.floor(clock.now() / 1000);
    const sub = listUri(issuer, id);
    const status_list = { bits: 1, lst } as const;
    // A second more, since `iat` is rounded down: whoever keeps it for ttl from the last moment may do so.
    const claims = { iss: issuer, sub, iat, exp: iat + 2 * ttlSeconds + 1, ttl: ttlSeconds, status_list };
    const { text, kid } = await sign(claims);
    const packed = await gzipped(text);
    const tag = createHash("sha256").update(text).digest("base64url").slice(0, 22);
    return { text, gzip: packed.length < text.length ? Uint8Array.from(packed) : null, tag, kid };
  }

  const isFresh = ({ version }: Held, made: Made): boolean =>
    made.version === version && clock.monotonic() - made.at < ttlMs / 2;

  async function current(id: number, held: Held): Promise<SignedList> {
    const { made } = held;
    if (made !== null && isFresh(held, made)) {
      const list = await made.list;
      if (verifies(list.kid)) return list;
      if (held.made === made) held.made = null;
      else return current(id, held); // somebody else noticed first
    }
    const next: Made = {
      version: held.version,
      at: clock.monotonic(),
      list: make(id, Uint8Array.from(held.bits)),
    };
    held.made = next;
    next.list.catch(() => {
      if (held.made === next) held.made = null; // the next one who asks tries again
    });
    return next.list;
  }

  return {
    ttlSeconds,
    uris: async () => {
      await look();
      return lists.map(({ id }) => listUri(issuer, id));
    },
    signed: async (id) => {
      await look();
      if (!isThere(id) && id > (lists.at(-1)?.id ?? 0)) {
        // It may have been opened a moment ago, and a token may name it already. A look under way began before we asked.
        await looking;
        await lookNow();
      }
      return isThere(id) ? current(id, bitsOf(id)) : undefined;
    },
  };
}

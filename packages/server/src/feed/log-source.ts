/**
 * The login server's log on its way into the mirror: the database keeps kind and value, because compaction, the audit and
 * everything derived from the log need them; the hash is made once, here, where an entry is about to leave. So the feed key
 * can change without rewriting the log.
 */
import { type FeedEntry, SECONDS_MAX } from "@mapae/verifier/revocation";
import { isBefore, type RevocationEntry } from "../revocation/entry.ts";
import type { RevocationStore } from "../revocation/store.ts";
import type { LogMirror } from "./mirror.ts";

const PAGE = 5_000;

/** @returns the entry as it travels @param keyOf the keyed hash of an entry */
export function travelling(entry: RevocationEntry, keyOf: (entry: RevocationEntry) => Uint8Array): FeedEntry {
  const { kind, reason, epoch, seq, at, expires } = entry;
  // Who stole a key writes `exp` as he likes: no verifier may forget that it was revoked.
  const until = kind === "key" ? SECONDS_MAX : Math.ceil(expires);
  return {
    ...{ kind, reason, position: { epoch, seq }, at: Math.floor(at / 1000), expires: until },
    key: keyOf(entry),
  };
}

export interface LogSource {
  readonly log: RevocationStore;
  readonly mirror: LogMirror;
  readonly keyOf: (entry: RevocationEntry) => Uint8Array;
  /** Told of each commit that the mirror has taken in. */
  readonly news: (entries: readonly RevocationEntry[]) => void;
  /** Told of a page that could not be read; it is read again once this resolves. */
  readonly failed: (error: unknown) => Promise<void>;
}

/** Fills the mirror with the log as it is, and with every commit from now on. */
export async function mirrorLog({ log, mirror, keyOf, news, failed }: LogSource): Promise<void> {
  const add = (entries: readonly RevocationEntry[]): void => {
    for (const entry of entries) {
      if (isBefore(mirror.head, entry)) mirror.add(travelling(entry, keyOf), entry.audience);
    }
  };
  let early: RevocationEntry[] | null = [];
  log.onCommit((entries) => {
    if (early !== null) {
      early.push(...entries);
      return;
    }
    add(entries);
    news(entries);
  });
  for (;;) {
    const page = await log.after(mirror.head, PAGE).catch(failed);
    if (page === undefined) continue;
    add(page);
    if (page.length < PAGE) break;
  }
  // What was committed while the pages were read, in its order; nothing can come in between.
  add(early);
  early = null;
  mirror.advance(log.head());
}

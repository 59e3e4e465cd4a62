/**
 * What has been revoked and is not yet forgotten, in this process's memory: the server's own API honours the log at
 * once, without asking the store. It is filled from the log at start and by every commit before its cause is answered.
 */
import type { AccessTokenClaims } from "@mapae/verifier";
import {
  type EndReason,
  isBefore,
  type Position,
  REVOCATION_KINDS,
  type RevocationEntry,
  type RevocationKind,
} from "./entry.ts";
import type { RevocationStore } from "./store.ts";

const PAGE = 1000;

export class LiveSet {
  readonly #entries = new Map<string, RevocationEntry>();

  static async load(store: RevocationStore): Promise<LiveSet> {
    const set = new LiveSet();
    store.onCommit((entries) => set.add(entries));
    let from: Position = { epoch: 0, seq: 0 };
    for (;;) {
      const page = await store.after(from, PAGE);
      set.add(page);
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return set;
      from = last;
    }
  }

  /** Remembers entries; order and repetition do not matter. */
  add(entries: readonly RevocationEntry[]): void {
    for (const entry of entries) {
      const key = `${entry.kind}:${entry.value}`;
      const held = this.#entries.get(key);
      if (held === undefined || isBefore(held, entry)) this.#entries.set(key, entry);
    }
  }

  /** Forgets entries that concern no living token; `now` in Unix seconds. `key` entries stay. */
  compact(now: number): void {
    for (const [key, entry] of this.#entries) {
      if (entry.expires < now && entry.kind !== "key") this.#entries.delete(key);
    }
  }

  /** Where the last entry of a kind and a value stands. */
  last(kind: RevocationKind, value: string): Position | undefined {
    return this.#entries.get(`${kind}:${value}`);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Why the token is revoked; `null` where it is not. */
  reasonFor(claims: AccessTokenClaims, kid: string | undefined): EndReason | null {
    const issued: Position = { epoch: claims.rsq?.[0] ?? 0, seq: claims.rsq?.[1] ?? 0 };
    const values: Record<RevocationKind, string | undefined> = {
      token: claims.jti,
      session: claims.sid,
      grant: claims.gid,
      key: kid,
      user: claims.sub,
      client: claims.client_id,
      all: "",
    };
    for (const kind of Object.keys(values) as RevocationKind[]) {
      const entry = this.#entries.get(`${kind}:${values[kind] ?? ""}`);
      if (entry === undefined) continue;
      if (!REVOCATION_KINDS[kind].onlyEarlier || isBefore(issued, entry)) return entry.reason;
    }
    return null;
  }
}

/**
 * The snapshots that a relay hands on: the issuer signed them, so they cannot be made here. The last one is given to all who
 * ask, until so much has come since that a new one is got from upstream.
 */
import type { Believed, KeptSnapshot, NotHad } from "@mapae/verifier/revocation";
import { RESUME_ENTRIES_MAX } from "../feed/connection.ts";
import { type FeedSnapshot, SNAPSHOT_FRESH_ENTRIES, SNAPSHOT_FRESH_MS } from "../feed/snapshots.ts";
import { Unavailable } from "../prelude/fault.ts";
import type { Clock } from "../prelude/world.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import type { Begun, RelayLog } from "./log.ts";

interface Held extends FeedSnapshot {
  /** The log that it belongs to. */
  readonly of: Begun;
  readonly gotAt: number;
}

export class RelaySnapshots {
  readonly #log: RelayLog;
  readonly #clock: Clock;
  readonly #fetch: () => Promise<Believed | NotHad>;
  #held: Held | null = null;
  #getting: Promise<Held> | null = null;

  /** @param fetch gets one from upstream and checks it */
  constructor(log: RelayLog, clock: Clock, fetch: () => Promise<Believed | NotHad>) {
    this.#log = log;
    this.#clock = clock;
    this.#fetch = fetch;
  }

  /** Rejects with `Unavailable` where there is none that whoever loads it could go on from. */
  async get(): Promise<FeedSnapshot> {
    const held = this.#atHand();
    const since = this.#since(held);
    const age = this.#clock.monotonic() - held.gotAt;
    // The log also moves by what concerns others: a checkpoint may then speak of no position as early as this one.
    if (this.#isHead(held) || (since <= SNAPSHOT_FRESH_ENTRIES && age < SNAPSHOT_FRESH_MS)) return held;
    this.#getting ??= this.#get().finally(() => {
      this.#getting = null;
    });
    const got = await this.#getting.catch(() => null);
    if (got !== null) return got;
    // Upstream gives none now. An older one does, as long as the stream reaches back to it.
    if (this.#since(this.#atHand()) <= RESUME_ENTRIES_MAX) return this.#atHand();
    throw new Unavailable("upstream gives no snapshot");
  }

  /** The last one got, or the one that the log began with. */
  #atHand(): Held {
    const { current } = this.#log;
    if (current === null) throw new Unavailable("this relay has no snapshot yet");
    if (this.#held === null || this.#held.of !== current) {
      const { position, kept } = current;
      this.#held = this.#hold(current, position, kept);
    }
    return this.#held;
  }

  #hold(of: Begun, position: Position, { snapshot: octets, checkpoint }: KeptSnapshot): Held {
    // The signature changes with whatever it signs, and is shorter than that.
    const etag = `"${checkpoint.slice(checkpoint.lastIndexOf(".") + 1)}"`;
    return { of, position, octets, checkpoint, etag, gotAt: this.#clock.monotonic() };
  }

  #isHead({ position }: Held): boolean {
    const { current } = this.#log;
    return current !== null && !isBefore(position, current.mirror.head);
  }

  /** How many entries have come since; more than can be resumed from where its signature may hold no more. */
  #since({ position }: Held): number {
    const { current } = this.#log;
    const revoked = current?.dismissals.newestKey ?? null;
    // It may be the key that signed it.
    if (current === null || (revoked !== null && isBefore(position, revoked))) return Number.POSITIVE_INFINITY;
    return current.mirror.countAfter(position);
  }

  async #get(): Promise<Held> {
    const believed = await this.#fetch();
    if (!believed.ok) throw new Unavailable(believed.reason);
    const { snapshot, kept, signed } = believed;
    const { current } = this.#log;
    // One of another log than the one that is told here is of no use to those who follow here.
    if (current === null || signed.position.epoch !== current.position.epoch || signed.aud !== current.audience) {
      throw new Unavailable("upstream tells another log now");
    }
    if (!Buffer.from(snapshot.feedKey).equals(current.feedKey)) throw new Unavailable("upstream has another feed key");
    const held = this.#hold(current, signed.position, kept);
    this.#held = held;
    return held;
  }
}

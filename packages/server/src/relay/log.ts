/**
 * The log that a relay hands on: what its upstream told, as it is.
 *
 *   snapshot ──► the next log, until all of it is in ──► the log ◄── rev, rev, rev …
 *
 * A snapshot that is loaded later takes the place of what was there: whoever follows here has to load it too.
 */
import type { Checkpoint, EntrySink, KeptSnapshot } from "@mapae/verifier/revocation";
import { LogMirror } from "../feed/mirror.ts";
import type { Position } from "../revocation/entry.ts";
import { Dismissals } from "./dismissals.ts";

/** What one snapshot began. */
export interface Told {
  readonly feedKey: Uint8Array;
  readonly mirror: LogMirror;
  readonly dismissals: Dismissals;
}

export interface Begun extends Told {
  readonly kept: KeptSnapshot;
  /** Where the snapshot stands, and whose single tokens are in it. */
  readonly position: Position;
  readonly audience: string;
}

export class RelayLog implements EntrySink {
  readonly #issuer: string;
  readonly #most: number;
  readonly #turned: (epochChanged: boolean) => void;
  #current: Begun | null = null;
  #next: Told | null = null;

  /** @param most entries at most @param turned told when another log has taken the place of the one before */
  constructor(issuer: string, most: number, turned: (epochChanged: boolean) => void) {
    this.#issuer = issuer;
    this.#most = most;
    this.#turned = turned;
  }

  /** `null` before the first snapshot. */
  get current(): Begun | null {
    return this.#current;
  }

  use(feedKey: Uint8Array): void {
    const dismissals = new Dismissals(feedKey, this.#issuer);
    this.#next = { feedKey: Uint8Array.from(feedKey), mirror: new LogMirror(), dismissals };
  }

  add(octets: Uint8Array, offset: number, count: number): boolean {
    const into = this.#next ?? this.#current;
    if (into === null || into.mirror.size + count > this.#most) return false;
    into.mirror.addOctets(octets, offset, count);
    into.dismissals.add(octets, offset, count);
    return true;
  }

  whole(kept: KeptSnapshot, { position, aud: audience }: Checkpoint): void {
    const [next, before] = [this.#next, this.#current];
    if (next === null) return;
    next.mirror.advance(position);
    this.#next = null;
    this.#current = { ...next, kept, position, audience };
    if (before !== null) this.#turned(before.mirror.head.epoch !== position.epoch);
  }

  /** The mirror forgets at its own pace: `compact`. */
  forget(): void {}
}

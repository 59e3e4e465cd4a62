/**
 * This node's permission to trust its copy of the log, as a verifier has one (REVOCATION §3): for so long after it *asked*
 * for the head of the log as was agreed, and not for so long after it was told. While the copy may be trusted nothing is
 * asked; where it may not and the log cannot say, refreshing is unavailable, and nobody is logged out.
 */
import type { Clock } from "../../prelude/world.ts";
import type { RevocationStore } from "../../revocation/store.ts";

export class CopyLease {
  readonly #log: Pick<RevocationStore, "readHead">;
  readonly #clock: Clock;
  readonly #ms: number;
  #asked = { monotonic: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY };
  #renewing: Promise<void> | null = null;

  constructor(log: Pick<RevocationStore, "readHead">, clock: Clock, ms: number) {
    this.#log = log;
    this.#clock = clock;
    this.#ms = ms;
  }

  /** Resolves at once where the copy can be trusted, else when it can. Rejects with `Unavailable` where nobody can say. */
  async hold(): Promise<void> {
    // A monotonic clock can stop while a machine sleeps, and a wall clock can be set back: the longer of both counts.
    const elapsed = Math.max(this.#clock.monotonic() - this.#asked.monotonic, this.#clock.now() - this.#asked.wall);
    if (elapsed < this.#ms / 2) return;
    const renewal = this.#renew();
    if (elapsed >= this.#ms) return renewal;
    // Asked early enough: whoever comes now need not wait, and a failure is told to the one who must.
    renewal.catch(() => {});
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#ask().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #ask(): Promise<void> {
    const asked = { monotonic: this.#clock.monotonic(), wall: this.#clock.now() };
    await this.#log.readHead();
    this.#asked = asked;
  }
}

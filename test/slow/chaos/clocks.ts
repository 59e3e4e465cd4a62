/**
 * The clocks of a verifier process, which a test may bend without touching the machine's: what the verifier reads as its
 * monotonic and as its wall clock runs at another rate, stands still or jumps.
 *
 *   reading = base + (machine's clock − since) × rate        bending: base = reading now + jump, since = machine's now
 */

export interface Bend {
  /** 1: as the machine's; 0: stands still. */
  readonly monoRate?: number;
  readonly wallRate?: number;
  /** Milliseconds by which the wall clock is set. */
  readonly wallJump?: number;
}

class BentClock {
  readonly #machine: () => number;
  #rate = 1;
  #since: number;
  #base: number;

  constructor(machine: () => number) {
    this.#machine = machine;
    this.#since = machine();
    this.#base = this.#since;
  }

  readonly read = (): number => this.#base + (this.#machine() - this.#since) * this.#rate;

  bend(rate: number | undefined, jump: number): void {
    this.#base = this.read() + jump;
    this.#since = this.#machine();
    this.#rate = rate ?? this.#rate;
  }
}

/** Puts bent clocks in place of this process's. Node's own timers go on by the machine's. */
export function bendable(): (bend: Bend) => void {
  const mono = new BentClock(performance.now.bind(performance));
  const wall = new BentClock(Date.now);
  performance.now = mono.read;
  Date.now = () => Math.floor(wall.read());
  return ({ monoRate, wallRate, wallJump = 0 }) => {
    mono.bend(monoRate, 0);
    wall.bend(wallRate, wallJump);
  };
}

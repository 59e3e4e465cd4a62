/** What the gate measures. The library behind it is loaded when somebody first asks; until then there is one number per outcome. */
import type { Outcome } from "./decision.ts";

/** A page of measurements and its content type. */
export interface Exposition {
  readonly type: string;
  readonly text: string;
}

export interface GateMetrics {
  count(outcome: Outcome): void;
  text(): Promise<Exposition>;
}

/** A number that is read when it is asked for, and its sentence. */
export interface Source {
  readonly name: string;
  readonly help: string;
  readonly read: () => number;
}

export function createGateMetrics(sources: readonly Source[]): GateMetrics {
  const counts = new Map<Outcome, number>();
  let page: Promise<() => Promise<Exposition>> | undefined;

  async function open(): Promise<() => Promise<Exposition>> {
    const { Counter, collectDefaultMetrics, Gauge, Registry } = await import("prom-client");
    const registry = new Registry();
    const registers = [registry];
    new Counter({
      name: "mapae_gate_decisions_total",
      help: "Requests judged, by how that ended",
      labelNames: ["outcome"],
      registers,
      collect() {
        this.reset();
        for (const [outcome, count] of counts) this.inc({ outcome }, count);
      },
    });
    for (const { name, help, read } of sources) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    }
    collectDefaultMetrics({ register: registry });
    return async () => ({ type: registry.contentType, text: await registry.metrics() });
  }

  return {
    count: (outcome) => void counts.set(outcome, (counts.get(outcome) ?? 0) + 1),
    text: async () => {
      page ??= open();
      return (await page)();
    },
  };
}

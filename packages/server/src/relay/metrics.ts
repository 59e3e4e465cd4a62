/** What a relay measures: the feed's numbers, under the names that the login server has for them, and how its own lease fares. */
import { type Exposition, observeFeed } from "../server/prometheus.ts";
import type { Relay } from "./relay.ts";

/** The library behind it is loaded when somebody first asks. */
export function createRelayMetrics(relay: Relay): () => Promise<Exposition> {
  let page: Promise<() => Promise<Exposition>> | undefined;

  async function open(): Promise<() => Promise<Exposition>> {
    const { collectDefaultMetrics, Gauge, Registry } = await import("prom-client");
    const registry = new Registry();
    const registers = [registry];
    const gauge = (name: string, help: string, read: () => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    };
    gauge("mapae_relay_lease_left_seconds", "What is left of the lease: the most that is given", () => {
      return relay.status().leaseLeft / 1000;
    });
    gauge("mapae_relay_depth", "Relays between this one and the issuer", () => relay.status().above.length);
    observeFeed(relay, gauge, registers);
    collectDefaultMetrics({ register: registry });
    return async () => ({ type: registry.contentType, text: await registry.metrics() });
  }

  return async () => {
    page ??= open();
    return (await page)();
  };
}

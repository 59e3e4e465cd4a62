/**
 * What the server measures. The library behind it is a fifth of all the modules of a start, so it is loaded once the
 * first request has been answered; what is observed until then waits.
 */
import type { Exposition, MetricSources, Observation, Prometheus } from "./prometheus.ts";

export interface Metrics {
  observe(observation: Observation): void;
  text(): Promise<Exposition>;
}

export function createMetrics(sources: MetricSources): Metrics {
  let prometheus: Prometheus | undefined;
  let loading: Promise<Prometheus> | undefined;
  const early: Observation[] = [];

  const load = (): Promise<Prometheus> => {
    loading ??= import("./prometheus.ts").then(({ openPrometheus }) => {
      prometheus = openPrometheus(sources);
      for (const observation of early.splice(0)) prometheus.observe(observation);
      return prometheus;
    });
    return loading;
  };
  return {
    observe: (observation) => {
      if (prometheus !== undefined) return prometheus.observe(observation);
      if (early.push(observation) === 1) setImmediate(load);
    },
    text: async () => (await load()).text(),
  };
}

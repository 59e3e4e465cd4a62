/**
 * What the server measures. The library behind it is a fifth of all the modules of a start, so it is loaded once the
 * first request has been answered; what is observed until then waits.
 */
import type { HashAdmissionMetrics } from "./passwords/admission.ts";
import type { Prometheus } from "./prometheus.ts";

export interface Observation {
  /** The pattern of the route. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
}

/** A page of measurements and its content type. */
export interface Exposition {
  readonly type: string;
  readonly text: string;
}

export interface MetricSources {
  readonly hashing: () => HashAdmissionMetrics;
  readonly revocations: () => number;
}

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

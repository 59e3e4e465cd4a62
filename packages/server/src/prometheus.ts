/** The measurements as Prometheus has them. Labels come from closed sets, so that no caller can make new ones. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { HashAdmissionMetrics } from "./passwords/admission.ts";

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]);

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

export interface Prometheus {
  observe(observation: Observation): void;
  text(): Promise<Exposition>;
}

export function openPrometheus(sources: MetricSources): Prometheus {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: "mapae_http_requests_total",
    help: "Requests answered",
    labelNames: ["route", "method", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "mapae_http_request_seconds",
    help: "Time to answer",
    labelNames: ["route"],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
    registers,
  });
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
  gauge("mapae_hashing_in_flight", "Passwords being hashed", () => sources.hashing().inFlight);
  gauge("mapae_hashing_waiting", "Passwords waiting to be hashed", () => sources.hashing().waiting);
  gauge("mapae_hashing_refused_total", "Log-ins refused because too many waited", () => sources.hashing().refused);
  gauge("mapae_revocation_entries", "Revocations in force", sources.revocations);

  let collecting = false;
  return {
    observe: ({ route, method, status, seconds: took }) => {
      requests.inc({ route, method: METHODS.has(method) ? method : "other", status });
      seconds.observe({ route }, took);
    },
    text: async () => {
      // The process metrics sample the event loop from their first day on: not before anyone asks for them.
      if (!collecting) collectDefaultMetrics({ register: registry });
      collecting = true;
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** What the lab says: one measurement a line, beside what was promised and what theory expects. */
import type { StrategyName } from "../../../packages/server/src/sessions/strategy.ts";

export interface Row {
  readonly strategy: StrategyName;
  readonly fault: string;
  readonly metric: MetricName;
  readonly value: number;
  readonly unit: Unit;
  /** What must hold, as people read it; `null` where nothing is promised. */
  readonly promised: string | null;
  /** Whether it did; `null` where nothing is promised. */
  readonly kept: boolean | null;
  /** What theory expects. */
  readonly predicted: number | null;
  readonly seed: number;
  /** How many servers there were. */
  readonly servers: number;
}

export type Unit = "share" | "count" | "ms" | "us" | "bytes" | "MB" | "ratio";

/** Every metric, its unit, and what it says. */
export const METRICS = {
  requests: { unit: "count", says: "requests that were judged" },
  wrong_refusals: { unit: "share", says: "of the requests that were entitled, those refused" },
  users_hit: { unit: "share", says: "users who were refused wrongly at least once" },
  errors: { unit: "share", says: "requests with 5xx, a broken connection or no answer in time" },
  wrong_user: { unit: "count", says: "answers that showed somebody else's account" },
  zombies: { unit: "count", says: "answers to a log-in that had ended for more than a second" },
  devices_kept: { unit: "count", says: "answers to a device that another log-in had replaced for more than a second" },
  sessions_lost: { unit: "share", says: "live log-ins that no server knows afterwards" },
  ends_undone: { unit: "count", says: "acknowledged forced log-outs after which a server let the log-in in again" },
  recovered: { unit: "ms", says: "from the fault to the last wrong answer or error" },
  forced_logout_p50: { unit: "ms", says: "from the request to the refusal at the last server, median" },
  forced_logout_max: { unit: "ms", says: "the same, the slowest" },
  latency_p50: { unit: "ms", says: "an answer to /v1/me, median" },
  latency_p99: { unit: "ms", says: "an answer to /v1/me, 99th of 100" },
  cpu: { unit: "us", says: "CPU of all servers per request" },
  store_bytes_per_login: { unit: "bytes", says: "bytes to and from the session store per log-in, over all servers" },
  sessions_per_server: { unit: "count", says: "log-ins that one server can answer for, mean over the servers" },
  skew: { unit: "ratio", says: "the fullest server against the mean" },
  memory_per_login: {
    unit: "bytes",
    says: "memory of one server for each log-in that there is anywhere, mean over the servers",
  },
  resident: { unit: "MB", says: "resident memory of one server, mean" },
  faults: { unit: "count", says: "random faults that struck" },
  confirmed: { unit: "count", says: "log-outs everywhere that were confirmed" },
  zombies_confirmed: { unit: "count", says: "tokens that a verifier accepted after their end was confirmed" },
  renewed_twice: { unit: "count", says: "refresh tokens shown twice at once" },
  double_generations: { unit: "count", says: "of them, those that got two successors" },
} as const satisfies Record<string, { readonly unit: Unit; readonly says: string }>;
export type MetricName = keyof typeof METRICS;

/**
 * What theory says of a strategy under a fault, before anything is measured: N servers, requests and log-ins spread evenly.
 */
import { STRATEGIES, type StrategyName } from "../../../packages/server/src/sessions/strategy.ts";
import type { FaultName } from "./faults.ts";
import type { MetricName } from "./row.ts";

export interface Expectation {
  readonly value: number;
  /** For shares of users: half of the interval in which 9,999 of 10,000 runs fall. */
  readonly within: number;
}

export interface Setting {
  readonly servers: number;
  readonly users: number;
  /** Live log-ins: some have two devices. */
  readonly logins: number;
  /** Those of them that are from before the fault. */
  readonly held: number;
}

/** @returns `null` where theory has no figure */
export function expected(
  strategy: StrategyName,
  fault: FaultName,
  metric: MetricName,
  { servers: n, users, logins, held }: Setting,
): Expectation | null {
  const { promises, routing } = STRATEGIES[strategy];
  const ownOnly = promises.anyServer !== "answers";
  const anyRouting = routing === "any";
  const share = (value: number): Expectation => ({ value, within: interval(value, users) });
  switch (metric) {
    case "wrong_user":
    case "zombies":
    case "ends_undone":
      return { value: 0, within: 0 };
    case "wrong_refusals":
      if (!ownOnly) return { value: 0, within: 0 };
      // Only one server of those that may be asked knows the log-in.
      if (anyRouting) return fault === "none" ? share(1 - 1 / n) : null;
      return fault === "none" ? { value: 0, within: 0 } : null;
    case "sessions_lost":
      if (!ownOnly) return { value: 0, within: 0 };
      if (fault === "rolling_restart" || fault === "restart_everything") return { value: 1, within: 0 };
      if (fault === "kill_server" || fault === "drain_server") return { value: 1 / n, within: interval(1 / n, held) };
      return { value: 0, within: 0 };
    case "sessions_per_server":
      return promises.copies === "never"
        ? null
        : { value: ownOnly ? logins / n : logins, within: logins * interval(1 / n, users) };
    default:
      return null;
  }
}

/** 9,999 of 10,000: 3.891 standard deviations of a share among so many. */
function interval(share: number, among: number): number {
  return 3.891 * Math.sqrt((share * (1 - share)) / among) + 1 / among;
}

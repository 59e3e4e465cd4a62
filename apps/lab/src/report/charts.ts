/** The charts of the report, as configurations of Chart.js: plain data, drawn by the library in the page. */
import { STRATEGY_NAMES, type StrategyName } from "../../../../packages/server/src/sessions/strategy.ts";
import { FAULT_NAMES } from "../faults.ts";
import type { MetricName, Row } from "../row.ts";
import { FAULT_WORDS, type Language, METRIC_WORDS, WORDS } from "./words.ts";

/** One strategy's wrong refusals in steps after a fault struck: share of the requests of each step. */
export interface Timeline {
  readonly strategy: StrategyName;
  readonly stepMs: number;
  readonly shares: readonly (number | null)[];
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly config: unknown;
}

const COLOURS: Readonly<Record<StrategyName, string>> = {
  memory: "#b8442e",
  sticky: "#c98a1b",
  replicated: "#3f7d58",
  central: "#2f6690",
  token: "#5a4a8a",
};

interface Series {
  readonly label: string;
  readonly data: readonly (number | null)[];
  readonly backgroundColor: string | readonly string[];
  readonly borderColor?: string;
}

function bars(labels: readonly string[], datasets: readonly Series[], unit: string, logarithmic = false): unknown {
  return {
    type: "bar",
    data: { labels, datasets },
    options: {
      animation: false,
      plugins: { legend: { display: datasets.length > 1 } },
      scales: {
        y: { title: { display: true, text: unit }, type: logarithmic ? "logarithmic" : "linear", beginAtZero: true },
      },
    },
  };
}

export function chartsOf(rows: readonly Row[], timelines: readonly Timeline[], language: Language): readonly Chart[] {
  const here = STRATEGY_NAMES.filter((name) => rows.some(({ strategy }) => strategy === name));
  const value = (strategy: StrategyName, metric: MetricName, fault = "none"): number | null => {
    const found = rows.filter((row) => row.strategy === strategy && row.metric === metric && row.fault === fault);
    return found.length === 0 ? null : middle(found.map((row) => row.value));
  };
  const perStrategy = (metric: MetricName, fault = "none"): Series => ({
    label: METRIC_WORDS[metric][language],
    data: here.map((strategy) => value(strategy, metric, fault)),
    backgroundColor: here.map((strategy) => COLOURS[strategy]),
  });
  const shaded = (metric: MetricName, shade: string): Series => ({ ...perStrategy(metric), backgroundColor: shade });
  const faults = FAULT_NAMES.filter((name) => rows.some(({ fault }) => fault === name));
  const byFault = (metric: MetricName): unknown =>
    bars(
      faults.map((fault) => FAULT_WORDS[fault][language]),
      here.map((strategy) => ({
        label: strategy,
        data: faults.map((fault) => percent(value(strategy, metric, fault))),
        backgroundColor: COLOURS[strategy],
      })),
      "%",
    );
  const chart = (id: keyof typeof WORDS, config: unknown): Chart => ({ id, title: WORDS[id][language], config });
  return [
    chart("overTime", {
      type: "line",
      data: {
        labels: (timelines[0]?.shares ?? []).map((_, index) =>
          ((index * (timelines[0]?.stepMs ?? 0)) / 1000).toFixed(2),
        ),
        datasets: timelines.map(({ strategy, shares }) => ({
          label: strategy,
          data: shares.map(percent),
          borderColor: COLOURS[strategy],
          backgroundColor: COLOURS[strategy],
          pointRadius: 0,
          tension: 0.2,
        })),
      },
      options: {
        animation: false,
        scales: {
          x: { title: { display: true, text: WORDS.seconds[language] } },
          y: { title: { display: true, text: "%" }, min: 0, max: 100 },
        },
      },
    }),
    chart("lost", byFault("sessions_lost")),
    chart("errors", byFault("errors")),
    chart(
      "logout",
      bars(here, [shaded("forced_logout_p50", "#9fb8ad"), shaded("forced_logout_max", "#3f7d58")], "ms", true),
    ),
    chart("memory", bars(here, [perStrategy("sessions_per_server")], WORDS.memory[language])),
    chart("heap", bars(here, [perStrategy("memory_per_login", "growth")], "bytes")),
    chart("bytes", bytesByServers(rows, here, language)),
    chart("latency", bars(here, [shaded("latency_p50", "#9fb8ad"), shaded("latency_p99", "#3f7d58")], "ms")),
    chart("skew", bars(here, [perStrategy("skew")], "max / mean")),
  ];
}

/** Against the number of servers: what every copy costs grows with it. */
function bytesByServers(rows: readonly Row[], here: readonly StrategyName[], language: Language): unknown {
  const grown = rows.filter(({ fault, metric }) => fault === "growth" && metric === "store_bytes_per_login");
  const counts = [...new Set(grown.map(({ servers }) => servers))].sort((a, b) => a - b);
  return {
    type: "line",
    data: {
      labels: counts,
      datasets: here.map((strategy) => ({
        label: strategy,
        data: counts.map(
          (count) => grown.find((row) => row.strategy === strategy && row.servers === count)?.value ?? null,
        ),
        borderColor: COLOURS[strategy],
        backgroundColor: COLOURS[strategy],
      })),
    },
    options: {
      animation: false,
      scales: {
        x: { title: { display: true, text: WORDS.servers[language] } },
        y: { title: { display: true, text: "bytes" }, beginAtZero: true },
      },
    },
  };
}

function percent(share: number | null): number | null {
  return share === null ? null : Math.round(share * 10_000) / 100;
}

export function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

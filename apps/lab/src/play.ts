/**
 * The runs of a lab: each strategy with each seed, on a cluster of its own that is gone afterwards; then what a log-in costs
 * with more servers, and in memory.
 */
import type { StrategyName } from "../../../packages/server/src/sessions/strategy.ts";
import { playChaos } from "./chaos.ts";
import { Clean } from "./clean.ts";
import { type Cluster, type ClusterOptions, openCluster } from "./cluster.ts";
import type { FaultName } from "./faults.ts";
import { chaosRowsOf, growthRowOf, rowsOf } from "./measure.ts";
import type { Timeline } from "./report/charts.ts";
import type { Row } from "./row.ts";
import { openStores, type Stores } from "./stores.ts";
import { bytesPerLogIn, memoryPerLogIn, type Pace, playStory, type Told } from "./story.ts";

export interface Asked {
  readonly strategies: readonly StrategyName[];
  readonly seeds: readonly number[];
  readonly pace: Pace;
  readonly servers: number;
  readonly json: boolean;
  readonly out: string | null;
  readonly quick: boolean;
  /** Of each strategy and seed, in milliseconds; `null` for the story. */
  readonly chaosMs: number | null;
}

export interface Lab {
  readonly asked: Asked;
  readonly clean: Clean;
  /** What is being done, for people who wait. */
  readonly say: (line: string) => void;
  readonly keep: (rows: readonly Row[]) => void;
  readonly chart: (timeline: Timeline) => void;
}

/** ABBA: the second seed plays the strategies backwards, so that what drifts falls on all alike. */
function orderOf(strategies: readonly StrategyName[], index: number): readonly StrategyName[] {
  return index % 2 === 0 ? strategies : [...strategies].reverse();
}

/** Much of a run is waiting: a quick one plays three strategies at a time, each with stores of its own. */
const LANES_QUICK = 3;

export async function play(lab: Lab, stores: Stores): Promise<void> {
  const { asked, clean } = lab;
  const { seeds, strategies, quick, pace } = asked;
  const runs = seeds.flatMap((seed, index) => orderOf(strategies, index).map((strategy) => ({ seed, strategy })));
  let begun = 0;
  const lane = async (own: Stores): Promise<void> => {
    for (let run = runs[begun]; run !== undefined; run = runs[begun]) {
      begun += 1;
      await playRun(lab, own, run.strategy, run.seed, `${begun}/${runs.length}  ${run.strategy}, seed ${run.seed}`);
    }
  };
  const further = quick ? Math.min(LANES_QUICK, runs.length) - 1 : 0;
  const beside = Array.from({ length: further }, async () => lane(await openStores(clean, pace.users)));
  await Promise.all([lane(stores), ...beside]);
  if (!quick && asked.chaosMs === null) await playGrowth(lab, stores);
}

async function onCluster<T>(
  { clean }: Lab,
  options: ClusterOptions,
  run: (cluster: Cluster, clean: Clean) => Promise<T>,
): Promise<T> {
  const own = new Clean();
  // Whoever interrupts the lab leaves no server behind.
  clean.after(() => own.up());
  try {
    return await run(await openCluster(options, own), own);
  } finally {
    await own.up();
  }
}

async function playRun(lab: Lab, stores: Stores, strategy: StrategyName, seed: number, head: string): Promise<void> {
  const { servers, pace, chaosMs, seeds } = lab.asked;
  const say = (line: string): void => lab.say(`${head}: ${line}`);
  say(`starting ${servers} servers`);
  await onCluster(lab, { strategy, servers, stores }, async (cluster, clean) => {
    if (chaosMs !== null) {
      const { users, pauseMs } = pace;
      const told = await playChaos(cluster, stores, { users, pauseMs, lastsMs: chaosMs }, seed, clean, say);
      lab.keep(chaosRowsOf(told, seed, servers));
      return;
    }
    const told = await playStory(cluster, pace, seed, say);
    const timeline = timelineOf(told);
    if (timeline !== null && seed === seeds[0]) lab.chart(timeline);
    lab.keep(rowsOf(told, { servers, users: pace.users }, seed));
  });
}

/** With how many servers a log-in's bytes are counted, and of how many people. */
const GROWTH = [2, 3, 4, 6];
const GROWTH_USERS = 100;
/** So many log-ins are made to see what each takes in memory. */
const MEMORY_LOGINS = 3_000;

async function playGrowth(lab: Lab, stores: Stores): Promise<void> {
  const { strategies, seeds, pace, servers: usual } = lab.asked;
  const [seed = 1] = seeds;
  for (const strategy of strategies) {
    for (const servers of GROWTH) {
      lab.say(`${strategy}: the bytes of a log-in with ${servers} servers`);
      const users = Math.min(pace.users, GROWTH_USERS);
      const bytes = await onCluster(lab, { strategy, servers, stores }, (cluster) => bytesPerLogIn(cluster, users));
      lab.keep([growthRowOf(strategy, "store_bytes_per_login", servers, bytes, seed)]);
    }
    lab.say(`${strategy}: the memory of a log-in`);
    const bytes = await onCluster(lab, { strategy, servers: usual, stores, limit: 0 }, (cluster) =>
      memoryPerLogIn(cluster, pace.users, MEMORY_LOGINS),
    );
    lab.keep([growthRowOf(strategy, "memory_per_login", usual, bytes, seed)]);
  }
}

const STEP_MS = 250;

/** The wrong refusals of the act that the chart shows. */
function timelineOf({ strategy, acts }: Told): Timeline | null {
  const act = acts.find(({ fault }) => fault === ("kill_server" satisfies FaultName));
  if (act === undefined) return null;
  const steps = Math.max(1, Math.floor((act.ended - act.began) / STEP_MS));
  const shares = Array.from({ length: steps }, (_, step) => {
    const from = act.began + step * STEP_MS;
    const seen = act.sightings.filter(
      ({ sent, action, verdict }) =>
        sent >= from &&
        sent < from + STEP_MS &&
        action !== "poll" &&
        (verdict === "right" || verdict === "wrong_refusal"),
    );
    return seen.length === 0 ? null : seen.filter(({ verdict }) => verdict === "wrong_refusal").length / seen.length;
  });
  return { strategy, stepMs: STEP_MS, shares };
}

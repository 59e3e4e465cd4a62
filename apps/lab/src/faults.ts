/** The faults, as a table: what is done to the cluster, how it is healed, and which strategies it concerns. */
import { STRATEGIES, type StrategyName } from "../../../packages/server/src/sessions/strategy.ts";
import type { Cluster } from "./cluster.ts";

export interface Fault {
  /** What is done; resolves when it is done, and the crowd goes on meanwhile. */
  readonly strike: (cluster: Cluster) => Promise<void>;
  /** Makes the cluster whole again. */
  readonly heal: (cluster: Cluster) => Promise<void>;
  readonly concerns: (strategy: StrategyName) => boolean;
  /** One server or its way to the store: where log-ins live elsewhere, no wrong refusal is allowed. */
  readonly singleServer: boolean;
  /** Part of the quick run. */
  readonly quick: boolean;
}

const FREEZE_MS = 1_500;
const CUT_MS = 1_200;
const later = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));
const everywhere = (): boolean => true;
const nothing = async (): Promise<void> => {};
const keepsElsewhere = (strategy: StrategyName): boolean =>
  STRATEGIES[strategy].promises.storeLost !== "no session store";
const onValkey = (strategy: StrategyName): boolean =>
  STRATEGIES[strategy].promises.storeLost === "what no replica confirmed";

export const FAULTS = {
  none: { strike: nothing, heal: nothing, concerns: everywhere, singleServer: true, quick: true },
  kill_server: {
    strike: (cluster) => cluster.server(1).kill(),
    heal: (cluster) => cluster.server(1).start(),
    concerns: everywhere,
    singleServer: true,
    quick: true,
  },
  drain_server: {
    strike: (cluster) => cluster.server(1).stop(),
    heal: (cluster) => cluster.server(1).start(),
    concerns: everywhere,
    singleServer: true,
    quick: false,
  },
  freeze_store: {
    strike: async (cluster) => {
      await cluster.freezeStore();
      await later(FREEZE_MS);
      await cluster.thawStore();
    },
    heal: nothing,
    concerns: everywhere,
    singleServer: false,
    quick: true,
  },
  kill_store: {
    strike: (cluster) => cluster.killStore(),
    heal: (cluster) => cluster.healStore(),
    concerns: keepsElsewhere,
    singleServer: false,
    quick: false,
  },
  cut_replication_kill_store: {
    strike: async (cluster) => {
      await cluster.cutReplication();
      await later(CUT_MS);
      await cluster.killStore();
    },
    heal: (cluster) => cluster.healStore(),
    concerns: onValkey,
    singleServer: false,
    quick: true,
  },
  partition_server: {
    strike: async (cluster) => {
      await cluster.partition(1);
      await later(CUT_MS);
      await cluster.rejoin(1);
    },
    heal: nothing,
    concerns: everywhere,
    singleServer: false,
    quick: false,
  },
  restart_balancer: {
    strike: (cluster) => cluster.restartBalancer(),
    heal: nothing,
    concerns: everywhere,
    singleServer: false,
    quick: false,
  },
  rolling_restart: {
    strike: async (cluster) => {
      for (const server of cluster.servers) {
        await server.stop();
        await server.start();
        await cluster.untilBalanced();
      }
    },
    heal: nothing,
    concerns: everywhere,
    singleServer: true,
    quick: false,
  },
  restart_everything: {
    strike: async (cluster) => {
      await Promise.all(cluster.servers.map((server) => server.kill()));
      await cluster.restartStore();
      await Promise.all(cluster.servers.map((server) => server.start()));
    },
    heal: nothing,
    concerns: everywhere,
    singleServer: false,
    quick: false,
  },
  // The last one: it stays, and so do the log-ins that it took.
  add_server: {
    strike: (cluster) => cluster.spare.start(),
    heal: nothing,
    concerns: everywhere,
    singleServer: true,
    quick: true,
  },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as readonly FaultName[];

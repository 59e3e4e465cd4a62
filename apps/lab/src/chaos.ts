/**
 * Random faults while everyone lives on: no acts, no order, and two of them at a time, one at a server and one at what all
 * servers need. Seeded in what strikes; what meets what is the machine's business.
 *
 *   crowd ─────────────────────────────────────────────────────────────────► (+ log-outs that wait, tokens renewed twice)
 *   servers    kill ▓▓▓   stop ▓▓   cut ▓▓▓▓   hold ▓▓   slow ▓▓▓▓▓▓
 *   stores     freeze ▓▓   kill ▓▓▓▓▓   cut the replicas, then kill ▓▓▓▓▓   database ▓▓   balancer ▓
 *   verifiers  ───────────── refuse from the confirmation on ──────────────► audit: what is lost, what came back
 */
import { createVerifier, type Verifier } from "@mapae/verifier";
import { STRATEGIES } from "../../../packages/server/src/sessions/strategy.ts";
import { until } from "../../../test/components/redis.ts";
import type { Clean } from "./clean.ts";
import type { Cluster } from "./cluster.ts";
import { type Habit, startCrowd } from "./crowd.ts";
import { DELTA_MS, VERDICTS, type Verdict } from "./ledger.ts";
import { personOf } from "./person.ts";
import { type Chance, chanceOf } from "./random.ts";
import type { Stores } from "./stores.ts";
import { type Audit, auditAll, later, logInAll } from "./story.ts";

export interface ChaosPace {
  readonly users: number;
  readonly pauseMs: number;
  readonly lastsMs: number;
}

export interface ChaosTold {
  readonly strategy: Cluster["strategy"];
  readonly faults: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  readonly audit: Audit;
  /** Log-outs that were confirmed, and the tokens that a verifier accepted all the same. */
  readonly confirmed: number;
  readonly accepted: number;
  readonly renewedTwice: number;
  readonly doubleGenerations: number;
}

/** Told at once, one by one: whoever looks for the cause has the moment. */
const NEVER: ReadonlySet<Verdict> = new Set(["wrong_refusal", "wrong_user", "zombie", "kept_device"]);

type Trouble = (cluster: Cluster, chance: Chance) => Promise<void>;

/** From 0.3 to 3 s. */
const aWhile = (chance: Chance): Promise<void> => later(300 + chance.below(2_700));
const REST_MS = 1_500;
/**
 * Shorter than it takes the Sentinels to replace a primary: one that is replaced while it is frozen, and thaws, can still
 * have a log-in confirmed by a replica that is about to leave it (docs/valkey.md says so, and what closes it).
 */
const FREEZE_MOST_MS = 1_500;
/** A server that finds no database or store ends, and whoever runs it starts it again. */
const STARTED_MS = 60_000;

const AT_A_SERVER: Readonly<Record<string, Trouble>> = {
  "a server is killed": async (cluster, chance) => {
    const server = cluster.server(chance.below(cluster.servers.length));
    await server.kill();
    await aWhile(chance);
    await startAgain(server);
  },
  "a server is stopped": async (cluster, chance) => {
    const server = cluster.server(chance.below(cluster.servers.length));
    await server.stop();
    await startAgain(server);
  },
  "a server is cut off": async (cluster, chance) => {
    const index = chance.below(cluster.servers.length);
    await cluster.partition(index);
    await aWhile(chance);
    await cluster.rejoin(index);
  },
  "a server's way to the database is half open": async (cluster, chance) => {
    const link = cluster.link(chance.below(cluster.servers.length));
    link.hold();
    await aWhile(chance);
    link.heal();
  },
  "a server's way to the database is cut and slow": async (cluster, chance) => {
    const link = cluster.link(chance.below(cluster.servers.length));
    link.delay(5 + chance.below(60));
    link.cut();
    link.heal();
    await aWhile(chance);
    link.delay(0);
    link.cut();
    link.heal();
  },
};

const AT_THE_STORE: Readonly<Record<string, Trouble>> = {
  "the session store freezes": async (cluster, chance) => {
    await cluster.freezeStore();
    await later(300 + chance.below(FREEZE_MOST_MS - 300));
    await cluster.thawStore();
  },
  "the session store's primary is killed": async (cluster) => {
    await cluster.killStore();
    await cluster.healStore();
  },
  "the replicas are cut off, then the primary is killed": async (cluster, chance) => {
    await cluster.cutReplication();
    await aWhile(chance);
    await cluster.killStore();
    await cluster.healStore();
  },
};

const AT_THE_REST: Readonly<Record<string, Trouble>> = {
  "the database freezes": async ({ database }, chance) => {
    database.freeze();
    await aWhile(chance);
    database.thaw();
  },
  "the database is killed": async ({ database }, chance) => {
    await database.kill();
    await aWhile(chance);
    await database.start();
  },
  "the balancer is killed": (cluster) => cluster.killBalancer(),
  "the balancer is restarted": (cluster) => cluster.restartBalancer(),
};

async function startAgain(server: Cluster["servers"][number]): Promise<void> {
  await until(
    `server ${server.name}`,
    async () => {
      await server.start();
      return true;
    },
    STARTED_MS,
  );
}

/** @param say what is being done, for people who wait */
export async function playChaos(
  cluster: Cluster,
  stores: Stores,
  pace: ChaosPace,
  seed: number,
  clean: Clean,
  say: (line: string) => void,
): Promise<ChaosTold> {
  const verdicts = Object.fromEntries(VERDICTS.map((verdict) => [verdict, 0])) as Record<Verdict, number>;
  let attempts = 0;
  const people = Array.from({ length: pace.users }, (_, index) =>
    personOf(
      `user${index}`,
      ({ user, action, verdict, status, because }) => {
        verdicts[verdict] += 1;
        if (NEVER.has(verdict)) say(`${verdict}: ${user}, ${action}, ${status} ${because}`);
      },
      () => {
        attempts += 1;
        return `chaos-${seed}-${String(attempts).padStart(8, "0")}`;
      },
    ),
  );
  const counts = { faults: 0, confirmed: 0, accepted: 0, renewedTwice: 0, doubleGenerations: 0 };
  await cluster.untilBalanced();
  const verifiers = await openVerifiers(cluster, stores, clean);

  const logOutAndLook: Habit = {
    share: 0.02,
    act: async (person, door, on) => {
      const login = person.logins.get(on);
      const tokens = login === undefined ? null : await person.logOutConfirmed(door, login);
      if (tokens === null) return;
      counts.confirmed += 1;
      for (const verifier of verifiers) {
        counts.accepted += tokens.filter((token) => verifier.verify(token).ok).length;
      }
      await person.logIn(door, on);
    },
  };
  const twoTabs: Habit = {
    share: 0.05,
    act: async (person, door, on) => {
      const login = person.logins.get(on);
      const successors = login === undefined ? null : await person.refreshTwice(door, login);
      if (successors === null) return;
      counts.renewedTwice += 1;
      if (successors > 1) counts.doubleGenerations += 1;
    },
  };

  say("everyone logs in");
  await logInAll(cluster, people, "desktop");
  const chances = people.map((_, index) => chanceOf(seed * 1_000_003 + index));
  const crowd = startCrowd(people, cluster.balancer, chances, pace.pauseMs, [logOutAndLook, twoTabs]);
  const over = performance.now() + pace.lastsMs;
  const strike = async (troubles: Readonly<Record<string, Trouble>>, chance: Chance): Promise<void> => {
    const names = Object.keys(troubles);
    while (performance.now() < over) {
      await later(chance.below(2 * REST_MS));
      const name = chance.pick(names);
      say(name);
      counts.faults += 1;
      await troubles[name]?.(cluster, chance);
    }
  };
  const elsewhere = cluster.ownStore ? { ...AT_THE_STORE, ...AT_THE_REST } : AT_THE_REST;
  await Promise.all([strike(AT_A_SERVER, chanceOf(seed)), strike(elsewhere, chanceOf(seed + 1))]);
  say("everything is whole again: what was lost, and what came back?");
  await cluster.untilBalanced();
  // Everyone goes on for a moment with everything in order: a device that had no answer asks again.
  await later(3 * pace.pauseMs);
  await crowd.stop();
  await later(DELTA_MS);
  return { strategy: cluster.strategy, ...counts, verdicts, audit: await auditAll(cluster, people) };
}

/** Beside the servers, as an API would have them: one for each, all by way of the balancer. */
async function openVerifiers(cluster: Cluster, { client }: Stores, clean: Clean): Promise<readonly Verifier[]> {
  if (STRATEGIES[cluster.strategy].carries !== "tokens") return [];
  const { issuer } = cluster;
  const verifiers = cluster.servers.map(() =>
    createVerifier({
      issuer,
      audience: issuer,
      credentials: { clientId: client.id, clientSecret: client.secret },
      revocation: { onStale: "reject" },
    }),
  );
  for (const verifier of verifiers) clean.after(() => verifier.close());
  await Promise.all(verifiers.map((verifier) => verifier.ready()));
  return verifiers;
}

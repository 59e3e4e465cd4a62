/**
 * The story under one strategy: everyone logs in, and then one fault after the other, each in the same five acts.
 *
 *   before ──► strike ──► while it lasts ──► heal ──► audit: which log-ins does which server still know? ──► lost ones again
 *
 * Everything that anybody saw is a sighting; rows are worked out from the sightings between two moments.
 */
import { STRATEGIES, type StrategyName } from "../../../packages/server/src/sessions/strategy.ts";
import type { Cluster } from "./cluster.ts";
import { startCrowd } from "./crowd.ts";
import { FAULTS, type FaultName } from "./faults.ts";
import { DELTA_MS } from "./ledger.ts";
import { type DeviceClass, type Login, type Person, personOf, type Sighting } from "./person.ts";
import { chanceOf } from "./random.ts";

export interface Pace {
  readonly users: number;
  /** How long a fault is watched after it struck, in milliseconds. */
  readonly watchMs: number;
  /** Between two things that one person does, on average. */
  readonly pauseMs: number;
  /** How many are logged out everywhere, to see how long that takes. */
  readonly forcedLogouts: number;
  readonly faults: readonly FaultName[];
}

/** What was seen while a fault lasted. */
export interface Act {
  readonly fault: FaultName;
  /** Milliseconds of the monotonic clock. */
  readonly began: number;
  readonly ended: number;
  readonly sightings: readonly Sighting[];
  readonly audit: Audit;
  readonly forced: readonly ForcedLogout[];
  /** CPU that the servers used, in seconds. */
  readonly cpuSeconds: number;
}

export interface Audit {
  readonly live: number;
  /** Of the live ones, those from before the fault; who was refused and logged in again is not among them. */
  readonly held: number;
  /** Of those held, the ones that no server knows any more. */
  readonly lost: number;
  /** How many of the live log-ins each server lets in. */
  readonly known: readonly number[];
  /** Ended log-ins that some server lets in. */
  readonly undone: number;
}

/** One user logged out everywhere: until every server refused. */
export interface ForcedLogout {
  readonly ms: number;
  /** A server let it in for longer than a second. */
  readonly zombie: boolean;
}

export interface Told {
  readonly strategy: StrategyName;
  readonly acts: readonly Act[];
  readonly logInBytes: number;
  readonly residentMb: number;
}

/** Bytes to and from the session store for one log-in, with nothing else going on. */
export async function bytesPerLogIn(cluster: Cluster, users: number): Promise<number> {
  let attempts = 0;
  const people = Array.from({ length: users }, (_, index) =>
    personOf(
      `user${index}`,
      () => {},
      () => {
        attempts += 1;
        return `bytes-${cluster.servers.length}-${String(attempts).padStart(8, "0")}`;
      },
    ),
  );
  const before = await cluster.storeBytes();
  await logInAll(cluster, people, "desktop");
  // What the servers hear of each other comes a moment later.
  await later(DELTA_MS);
  return ((await cluster.storeBytes()) - before) / people.length;
}

/** The first log-ins load code and fill pools. */
const WARM_UP = 300;

/** What each log-in takes in the memory of each server, with so many of them. */
export async function memoryPerLogIn(cluster: Cluster, users: number, logins: number): Promise<number> {
  let attempts = 0;
  const somebody = (index: number): Person =>
    personOf(
      `user${index % users}`,
      () => {},
      () => {
        attempts += 1;
        return `memory-${String(attempts).padStart(8, "0")}`;
      },
    );
  const logIn = async (count: number): Promise<void> => {
    await logInAll(
      cluster,
      Array.from({ length: count }, (_, index) => somebody(index)),
      "desktop",
    );
    // What the servers hear of each other comes a moment later.
    await later(DELTA_MS);
  };
  await logIn(WARM_UP);
  const before = await cluster.heldBytes();
  await logIn(logins);
  return ((await cluster.heldBytes()) - before) / logins;
}

/** @param say what is being done, for people who wait */
export async function playStory(
  cluster: Cluster,
  pace: Pace,
  seed: number,
  say: (line: string) => void,
): Promise<Told> {
  let sightings: Sighting[] = [];
  let attempts = 0;
  const chance = chanceOf(seed);
  const people = Array.from({ length: pace.users }, (_, index) =>
    personOf(
      `user${index}`,
      (sighting) => sightings.push(sighting),
      () => {
        attempts += 1;
        return `attempt-${seed}-${String(attempts).padStart(6, "0")}`;
      },
    ),
  );
  const phones = people.filter(() => chance.next() < 0.3);

  say("everyone logs in");
  const before = cluster.storeBytes();
  await logInAll(cluster, people, "desktop");
  const logInBytes = ((await cluster.storeBytes()) - (await before)) / people.length;
  await logInAll(cluster, phones, "mobile");
  const chances = people.map((_, index) => chanceOf(seed * 1_000_003 + index));
  const crowd = startCrowd(people, cluster.balancer, chances, pace.pauseMs);

  const acts: Act[] = [];
  for (const name of pace.faults) {
    const fault = FAULTS[name];
    if (!fault.concerns(cluster.strategy)) continue;
    if ((acts.at(-1)?.audit.lost ?? 0) > 0 && STRATEGIES[cluster.strategy].promises.anyServer !== "answers") {
      // A server that came back knows nobody: theory speaks of log-ins that are spread evenly.
      say("everyone logs in anew");
      for (const person of people) for (const on of [...person.logins.keys()]) person.forget(on);
      await logInAll(cluster, people, "desktop");
      await logInAll(cluster, phones, "mobile");
    }
    say(name === "none" ? "nothing happens" : name.replaceAll("_", " "));
    sightings = [];
    crowd.resume();
    const cpu = await cluster.cpuSeconds();
    const began = performance.now();
    const struck = fault.strike(cluster);
    await Promise.all([struck, later(pace.watchMs)]);
    const ended = performance.now();
    const cpuSeconds = (await cluster.cpuSeconds()) - cpu;
    await crowd.pause();
    await fault.heal(cluster);
    await cluster.untilBalanced();
    // Whoever ended lately is not judged before a second has passed.
    await later(DELTA_MS);
    const seen = sightings;
    sightings = [];
    const audit = await auditAll(cluster, people, began);
    const forced = name === "none" ? await forceLogouts(cluster, people, pace.forcedLogouts) : [];
    acts.push({ fault: name, began, ended, sightings: [...seen, ...sightings], audit, forced, cpuSeconds });
    await logInAll(
      cluster,
      people.filter(({ logins }) => logins.size === 0),
      "desktop",
    );
  }
  await crowd.stop();
  return { strategy: cluster.strategy, acts, logInBytes, residentMb: await cluster.residentMb() };
}

export const later = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));
const AT_ONCE = 8;

async function inTurns<T>(all: readonly T[], atOnce: number, each: (one: T) => Promise<void>): Promise<void> {
  const queue = [...all];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let one = queue.shift(); one !== undefined; one = queue.shift()) await each(one);
    }),
  );
}

/** Until everyone is in: a server that has too much to do says so, and is asked again. */
export async function logInAll(cluster: Cluster, people: readonly Person[], on: DeviceClass): Promise<void> {
  await inTurns(people, AT_ONCE, async (person) => {
    for (let attempt = 0; !(await person.logIn(cluster.balancer, on)); attempt += 1) {
      if (attempt > 20) throw new Error(`${person.name} cannot log in`);
      await later(250);
    }
  });
}

/** @param since log-ins from before this moment are asked for as `held`; left out: all */
export async function auditAll(
  cluster: Cluster,
  people: readonly Person[],
  since = Number.POSITIVE_INFINITY,
): Promise<Audit> {
  const there = cluster.running();
  const known = there.map(() => 0);
  let live = 0;
  let held = 0;
  let lost = 0;
  let undone = 0;
  const letIn = async (person: Person, login: Login): Promise<readonly number[]> => {
    const seen = await Promise.all(there.map(({ door }) => person.poll(door, login)));
    return seen.flatMap(({ status }, index) => (status === 200 ? [index] : []));
  };
  await inTurns(people, AT_ONCE, async (person) => {
    for (const [on, login] of [...person.logins]) {
      // Nobody can tell what became of a log-in whose end was asked for and not answered.
      if (login.entitled.endRequestedAt !== null) {
        person.forget(on);
        continue;
      }
      // An access token is renewed as the app would: the log-in is what counts.
      if (login.held.by === "tokens") await person.refresh(cluster.balancer, login);
      live += 1;
      const isHeld = login.entitled.begun < since;
      if (isHeld) held += 1;
      const at = await letIn(person, login);
      for (const index of at) known[index] = (known[index] ?? 0) + 1;
      if (at.length > 0) continue;
      if (isHeld) lost += 1;
      person.forget(on);
    }
    for (const login of person.ended) {
      if (login.entitled.endedAt === null || login.entitled.cause !== "logout") continue;
      if ((await letIn(person, login)).length > 0) undone += 1;
    }
  });
  return { live, held, lost, known, undone };
}

async function forceLogouts(
  cluster: Cluster,
  people: readonly Person[],
  count: number,
): Promise<readonly ForcedLogout[]> {
  const forced: ForcedLogout[] = [];
  for (const person of people.slice(0, count)) {
    const login = person.logins.get("desktop");
    if (login === undefined) continue;
    const all = [...person.logins.values()];
    // Where only one server knows it, that one has to be met.
    for (let attempt = 0; attempt < 50; attempt += 1) {
      if (await person.logOutEverywhere(cluster.balancer, login)) break;
    }
    const asked = login.entitled.endRequestedAt ?? 0;
    const latest = asked + 5 * DELTA_MS;
    const refusals = await Promise.all(
      cluster.servers.flatMap(({ door }) =>
        all.map(async (each) => {
          for (;;) {
            const { status, received } = await person.poll(door, each);
            if (status === 401 || received > latest) return received;
            await later(2);
          }
        }),
      ),
    );
    const ms = Math.max(...refusals) - asked;
    forced.push({ ms, zombie: ms > DELTA_MS });
  }
  return forced;
}

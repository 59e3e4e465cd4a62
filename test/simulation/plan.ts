/**
 * What a seed stands for: how many of whom, on what machines and paths, and which troubles come how often. Drawn once, at
 * the beginning, and printed with a failing seed. Each part is drawn from a stream of its own: one more thing to draw
 * leaves the others as they were.
 */
import type { Rates } from "./machine.ts";
import type { Weather } from "./network.ts";
import type { Dice } from "./random.ts";

export const CLOCK_RATE_ERROR = 0.01;

export const TROUBLES = [
  /** A verifier's process stands still: the event loop, or SIGSTOP. */
  "pause a verifier",
  /** A machine is suspended: the monotonic clock with it. */
  "sleep",
  /** It comes back with what was on its disk: as it was, an older copy, or damaged. */
  "restart a verifier",
  /** A wall clock is set, by up to an hour. */
  "set a clock",
  /** Nothing gets through, in one direction or both, and nobody is told. */
  "go dark",
  /** A constant delay, of up to three leases. */
  "lag",
  /** Streams break, or nothing can be opened either. */
  "break",
  /** No stream can be opened, but requests go through: a proxy that knows no WebSocket. */
  "refuse streams",
  /** A path so narrow that a frame takes its time: what is sent piles up. */
  "slow reader",
  /** Frames are lost, doubled, late, cut short or flipped on their way. */
  "mangle",
  "pause a node",
  "crash a node",
  "drain a node",
  /** All nodes stop and come back with another N. */
  "change the lease",
  /** A node cannot reach the database, in one direction or both. */
  "cut the database",
  /** The way to the database takes its time, or the database itself does. */
  "slow database",
  /** The database is gone for a while, and comes back with everything that it acknowledged. */
  "crash the database",
  /** Everything stops, and an older copy is put in place of the database. */
  "restore",
  /** Everything stops for half an hour: entries expire, and are compacted. */
  "long night",
] as const;
/** Where there are relays. */
export const RELAY_TROUBLES = ["pause a relay", "crash a relay", "drain a relay"] as const;
export type Trouble = (typeof TROUBLES)[number] | (typeof RELAY_TROUBLES)[number];

export interface RelayPlan {
  readonly audience: number;
  /** The relay that it follows; null for the issuer. */
  readonly above: number | null;
  readonly streams: boolean;
  readonly rates: Rates;
  readonly wallOffset: number;
}

export interface VerifierPlan {
  readonly audience: number;
  /** The relay that it follows; null for the issuer. */
  readonly relay: number | null;
  readonly onStale: "reject" | "introspect" | "accept";
  /** Milliseconds; 0 unless `accept`. */
  readonly acceptMs: number;
  /** Milliseconds; Infinity for what the server gives. */
  readonly maxStaleness: number;
  readonly streams: boolean;
  /** Keeps the last snapshot on its disk. */
  readonly keeps: boolean;
  /** Has the keys that there were in the beginning in its configuration, and fetches none. */
  readonly keysConfigured: boolean;
  readonly rates: Rates;
  readonly wallOffset: number;
}

export interface Plan {
  readonly seed: number;
  readonly nodes: readonly { readonly rates: Rates; readonly wallOffset: number }[];
  /** Connections that a node has besides, which say hello and nothing more. */
  readonly crowd: number;
  /** How many connections a node takes, the crowd not counted. */
  readonly connectionsMax: number;
  readonly relays: readonly RelayPlan[];
  readonly verifiers: readonly VerifierPlan[];
  readonly users: number;
  readonly weather: Weather;
  readonly databaseWeather: Weather;
  readonly lostNotifications: number;
  /** Several nodes know each other, and answer for their verifiers (feed/others.ts). */
  readonly roll: boolean;
  readonly leaseMs: number;
  /** How long the troubles last, before everything is healed. */
  readonly durationMs: number;
  /** Mean milliseconds between log-ins, and between revocations. */
  readonly logInEvery: number;
  readonly revokeEvery: number;
  /** Mean milliseconds between troubles of a kind; those that are not named do not come. */
  readonly troubles: Partial<Record<Trouble, number>>;
}

export const LEASES = [1_000, 2_000, 5_000] as const;

export function planOf(seed: number, dice: Dice): Plan {
  const size = dice.split("size");
  const time = dice.split("time");
  const paths = dice.split("paths");
  const leaseMs = time.pick([1_000, 1_000, 2_000, 2_000, 5_000]);
  // The worst that is assumed: those who count the time fast, and those for whom it is counted slow.
  const adverse = time.chance(0.4);
  const slow = { mono: 1 - CLOCK_RATE_ERROR, wall: 1 - CLOCK_RATE_ERROR };
  const calm = { lost: 0, twice: 0 };
  const relays = relaysOf(dice.split("relays")).map((relay) => (adverse ? { ...relay, rates: slow } : relay));
  return {
    seed,
    nodes: Array.from({ length: Number(size.weighted({ 1: 5, 2: 3, 3: 1 })) }, (_, index) => {
      const own = dice.split(`node ${index}`);
      return {
        rates: adverse ? { mono: 1 + CLOCK_RATE_ERROR, wall: 1 } : ratesOf(own),
        wallOffset: own.between(-5_000, 5_000),
      };
    }),
    verifiers: Array.from({ length: 2 + size.below(3) }, (_, index) => {
      const own = dice.split(`verifier ${index}`);
      const verifier = { ...verifierOf(own, leaseMs), rates: adverse ? slow : ratesOf(own) };
      return behind(own.split("relay"), relays, verifier);
    }),
    relays,
    users: 3 + size.below(4),
    crowd: size.chance(0.05) ? 500 : 0,
    connectionsMax: size.chance(0.1) ? 1 : 100,
    weather: {
      delay: paths.pick([0.2, 1, 20]),
      jitter: paths.pick([0.2, 2, 30]),
      lost: paths.pick([0, 0, 0.01, 0.1]),
      twice: paths.pick([0, 0.02, 0.2]),
    },
    databaseWeather: { ...calm, delay: paths.pick([0.1, 1]), jitter: paths.pick([0.1, 1, 10, 100]) },
    lostNotifications: paths.pick([0, 0, 0.2, 1]),
    roll: dice.split("roll").chance(0.7),
    leaseMs,
    durationMs: time.between(15, 30) * 1_000,
    logInEvery: time.between(300, 900),
    revokeEvery: time.between(250, 900),
    troubles: {
      ...troublesOf(dice.split("troubles")),
      ...(relays.length === 0 ? {} : relayTroublesOf(dice.split("relay troubles"))),
    },
  };
}

/** These stop everything. */
const RARE: readonly Trouble[] = ["restore", "long night", "change the lease"];

/** Some seeds know one trouble, and it often; others know many. */
function troublesOf(dice: Dice): Plan["troubles"] {
  const kinds = Number(dice.weighted({ 1: 3, 2: 3, 3: 2, 6: 2 }));
  const troubles: Partial<Record<Trouble, number>> = {};
  for (let index = 0; index < kinds; index += 1) {
    const trouble = dice.pick(TROUBLES);
    const mean = RARE.includes(trouble) ? dice.between(5_000, 12_000) : dice.between(1_200, 3_500);
    troubles[trouble] = mean * Math.sqrt(kinds);
  }
  return troubles;
}

function relayTroublesOf(dice: Dice): Plan["troubles"] {
  const drawn = RELAY_TROUBLES.filter(() => dice.chance(0.4));
  return Object.fromEntries(drawn.map((trouble) => [trouble, dice.between(2_000, 6_000)]));
}

/** In most worlds there are none; else one, two beside each other, or one behind another. */
function relaysOf(dice: Dice): readonly RelayPlan[] {
  const one = (above: number | null, audience = dice.below(2)): RelayPlan => ({
    above,
    audience,
    streams: !dice.chance(0.15),
    rates: ratesOf(dice),
    wallOffset: wallOffsetOf(dice),
  });
  switch (dice.weighted({ none: 12, one: 3, two: 2, chain: 3 })) {
    case "none":
      return [];
    case "one":
      return [one(null)];
    case "two":
      return [one(null), one(null)];
    case "chain": {
      // A relay hands on the audience that it hears of.
      const near = one(null);
      return [near, one(0, near.audience)];
    }
  }
}

/** Follows a relay, most of the time, where there are any: the last one more often than others. */
function behind(dice: Dice, relays: readonly RelayPlan[], verifier: Omit<VerifierPlan, "relay">): VerifierPlan {
  const relay = dice.chance(0.5) ? relays.length - 1 : dice.below(Math.max(1, relays.length));
  const followed = relays[relay];
  return followed === undefined || dice.chance(0.2)
    ? { ...verifier, relay: null }
    : { ...verifier, relay, audience: followed.audience };
}

function verifierOf(dice: Dice, leaseMs: number): Omit<VerifierPlan, "rates" | "relay"> {
  const onStale = dice.weighted({ reject: 4, introspect: 3, accept: 3 });
  return {
    audience: dice.below(2),
    onStale,
    acceptMs: onStale === "accept" ? dice.pick([500, 3_000, 8_000]) : 0,
    maxStaleness: dice.chance(0.2) ? Math.max(1_000, leaseMs / 2) : Number.POSITIVE_INFINITY,
    streams: !dice.chance(0.25),
    keeps: dice.chance(0.3),
    keysConfigured: dice.chance(0.25),
    wallOffset: wallOffsetOf(dice),
  };
}

/** Further off than the margin there is no lease, and its owner's policy has to do. */
function wallOffsetOf(dice: Dice): number {
  return dice.chance(0.1) ? dice.pick([-630_000, 590_000, 630_000]) : dice.between(-20_000, 20_000);
}

/** Often at the very edge of what is assumed: that is where an argument breaks first. */
function ratesOf(dice: Dice): Rates {
  const rate = (): number => 1 + (dice.chance(0.5) ? dice.pick([-1, 1]) : dice.between(-1, 1)) * CLOCK_RATE_ERROR;
  const mono = rate();
  return { mono, wall: dice.chance(0.5) ? mono : rate() };
}

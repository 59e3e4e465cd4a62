/**
 * The crowd: everyone of a fixed population does one thing after the other through the balancer, with pauses in between.
 * Who does what next comes from the seed; when an answer comes is the machine's business.
 */
import type { Door } from "./http.ts";
import type { DeviceClass, Person } from "./person.ts";
import type { Chance } from "./random.ts";

export interface Crowd {
  /** Lets everyone finish what is under way, and pauses. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends it; whoever was at something has finished. */
  stop(): Promise<void>;
}

export interface Habit {
  readonly share: number;
  readonly act: (person: Person, door: Door, on: DeviceClass, chance: Chance) => Promise<unknown>;
}

/** What people do, and how often; the rest of the time they look. */
const HABITS: readonly Habit[] = [
  {
    share: 0.08,
    act: async (person, door, on) => {
      const login = person.logins.get(on);
      if (login !== undefined && (await person.refresh(door, login)) === null) await person.look(door, login);
    },
  },
  {
    share: 0.02,
    act: async (person, door, on) => {
      await person.logOut(door, on);
      await person.logIn(door, on);
    },
  },
  // Another phone, or another PC: the one before is replaced.
  { share: 0.02, act: (person, door, on) => person.logIn(door, on) },
  {
    share: 0.01,
    act: async (person, door, on) => {
      const login = person.logins.get(on);
      if (login === undefined || !(await person.logOutEverywhere(door, login))) return;
      await person.logIn(door, on);
    },
  },
  // What has ended is tried again, as a thief or an old tab would.
  {
    share: 0.05,
    act: async (person, door, _on, chance) => {
      if (person.ended.length > 0) await person.poll(door, chance.pick(person.ended));
    },
  },
];

/**
 * @param pauseMs between two things that one person does, on average
 * @param more what people do besides
 */
export function startCrowd(
  people: readonly Person[],
  door: Door,
  chances: readonly Chance[],
  pauseMs: number,
  more: readonly Habit[] = [],
): Crowd {
  const habits = [...more, ...HABITS];
  let running = true;
  let stopped = false;
  let resumed: Promise<void> = Promise.resolve();
  let resume = (): void => {};
  const underWay = new Set<Promise<void>>();

  const one = async (person: Person, chance: Chance): Promise<void> => {
    const on: DeviceClass = person.logins.has("mobile") && chance.next() < 0.3 ? "mobile" : "desktop";
    if (!person.logins.has(on)) return void (await person.logIn(door, on));
    let at = chance.next();
    for (const { share, act } of habits) {
      at -= share;
      if (at < 0) return void (await act(person, door, on, chance));
    }
    const login = person.logins.get(on);
    if (login !== undefined) await person.look(door, login);
  };

  const live = async (person: Person, chance: Chance): Promise<void> => {
    for (;;) {
      await new Promise((wake) => setTimeout(wake, pauseMs * (0.5 + chance.next())));
      if (!running) await resumed;
      if (stopped) return;
      const doing = one(person, chance);
      underWay.add(doing);
      await doing.finally(() => underWay.delete(doing));
    }
  };
  for (const [index, person] of people.entries()) {
    const chance = chances[index];
    if (chance === undefined) throw new RangeError("there is a source of chance for each");
    void live(person, chance);
  }
  const pause = async (): Promise<void> => {
    if (running) {
      running = false;
      resumed = new Promise((wake) => {
        resume = wake;
      });
    }
    while (underWay.size > 0) await Promise.allSettled([...underWay]);
  };
  return {
    pause,
    resume: () => {
      running = true;
      resume();
    },
    stop: async () => {
      stopped = true;
      await pause();
      resume();
    },
  };
}

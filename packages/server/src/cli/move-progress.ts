/** How far a move is, for people: on a terminal one line that replaces itself, and a line for every table that is done. */
import type { Clock } from "../prelude/world.ts";
import type { Step, Telling } from "../storage/move/move.ts";
import type { Output } from "./output.ts";
import { plural, span } from "./text.ts";

const BEGINNINGS = {
  begin: "",
  again: "The file was used since a move was begun: it begins again.",
  resume: "A move was begun: it goes on.",
} as const;
const DOING = { carry: "carrying over", compare: "comparing" } as const;
const DONE = { carry: "carried over", compare: "compared" } as const;
/** Before so long, what is left is guesswork. */
const EARLY_MS = 2_000;

/** Every row is carried over once, and compared once. */
export function moveProgress(output: Output, clock: Clock): Telling {
  const counts = new Map<string, number>();
  const done = { carry: new Map<string, number>(), compare: new Map<string, number>() };
  let before = 0;
  let since = 0;
  const sum = (of: ReadonlyMap<string, number>): number => [...of.values()].reduce((total, rows) => total + rows, 0);

  const line = ({ phase, table, rows, of }: Step): string => {
    const all = 2 * sum(counts);
    const ready = sum(done.carry) + sum(done.compare);
    const share = all === 0 ? 100 : Math.floor((100 * ready) / all);
    const elapsed = clock.monotonic() - since;
    const fresh = ready - before;
    const left =
      fresh <= 0 || elapsed < EARLY_MS ? "" : `, about ${span((elapsed / fresh) * ((all - ready) / 1000))} left`;
    const [here, whole] = [rows, of].map((count) => count.toLocaleString("en-US"));
    return `${DOING[phase]} ${table}: ${here} of ${whole}; ${share}%${left}`;
  };

  return {
    begins: (tables, course, carried) => {
      for (const [table, rows] of tables) counts.set(table, rows);
      before = carried;
      since = clock.monotonic();
      if (course !== "begin") output.say(BEGINNINGS[course]);
      output.say(
        `${plural(sum(counts), "row")} to carry over${carried > 0 ? `, ${carried.toLocaleString("en-US")} are there` : ""}`,
      );
    },
    step: (step) => {
      const { phase, table, rows, of } = step;
      const told = done[phase].get(table) === of;
      done[phase].set(table, rows);
      if (told) return;
      if (rows >= of && of > 0) output.say(`${table}: ${plural(of, "row")} ${DONE[phase]}`);
      else if (of > 0) output.progress(line(step));
    },
  };
}

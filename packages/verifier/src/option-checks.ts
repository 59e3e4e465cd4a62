/** How options are checked: each says what is wrong as a sentence that begins with the option's name. */

/** Longest that is still sensible for any time: a day. */
const SECONDS_MAX = 86_400;

/** @returns milliseconds @throws TypeError */
export function seconds(value: number | undefined, usual: number, least: number, name: string): number {
  if (value === undefined) return usual * 1000;
  if (typeof value !== "number" || !(value >= least && value <= SECONDS_MAX)) {
    throw new TypeError(`${name} must be a number of seconds from ${least} to ${SECONDS_MAX}.`);
  }
  return value * 1000;
}

/** A misspelt limit is a limit that does not exist. @throws TypeError for a name that is none of `names` */
export function refuseOthers(given: object, names: readonly string[], what: string): void {
  for (const name of Object.keys(given)) {
    if (!names.includes(name))
      throw new TypeError(`${what} has no option ${JSON.stringify(name)}; it has ${names.join(", ")}.`);
  }
}

export function record(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

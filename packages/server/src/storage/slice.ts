/** Upkeep goes in slices of this many rows, so that it never holds up the writer for long. */
export const SLICE = 500;

/** Times in tables: to the second, in UTC, sortable. */
export function when(time: string | null): string {
  return time === null ? "–" : time.replace("T", " ").replace(/\.\d+Z$/, "Z");
}

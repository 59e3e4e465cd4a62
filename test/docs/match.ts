/** Whether what a command printed is what the document says it prints. `…` in the document stands for what varies. */

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Whether a text is the pattern, in which each `…` stands for anything on one line. */
function isLike(pattern: string, text: string): boolean {
  return new RegExp(`^${pattern.split("…").map(escaped).join(".*")}$`, "u").test(text);
}

/** The first difference between printed text and what the document shows; `null` where there is none. */
export function textDifference(shown: string, printed: string): string | null {
  const patterns = shown.trimEnd().split("\n");
  const lines = printed.trimEnd().split("\n");
  let at = 0;
  for (const [index, pattern] of patterns.entries()) {
    if (pattern.trim() === "…") {
      const next = patterns[index + 1];
      if (next === undefined) return null;
      while (at < lines.length && !isLike(next, lines[at] ?? "")) at += 1;
      continue;
    }
    const line = lines[at];
    if (line === undefined) return `ends before the line: ${pattern}`;
    if (!isLike(pattern.trimEnd(), line.trimEnd())) return `has the line: ${line}\nwhere the document has: ${pattern}`;
    at += 1;
  }
  return at === lines.length ? null : `goes on with the line: ${lines[at]}`;
}

/** The same for JSON; members may come in any order. */
export function jsonDifference(shown: unknown, printed: unknown, place = ""): string | null {
  if (shown === "…") return null;
  const where = place === "" ? "the answer" : place;
  if (typeof shown === "string" && typeof printed === "string") {
    return isLike(shown, printed) ? null : `${where} is ${JSON.stringify(printed)}, not ${JSON.stringify(shown)}`;
  }
  if (typeof shown !== "object" || shown === null || typeof printed !== "object" || printed === null) {
    return Object.is(shown, printed) ? null : `${where} is ${JSON.stringify(printed)}, not ${JSON.stringify(shown)}`;
  }
  const [left, right] = [new Map(Object.entries(shown)), new Map(Object.entries(printed))];
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    const member = `${place}/${name}`;
    if (!left.has(name)) return `${member} is there, and the document does not show it`;
    if (!right.has(name)) return `${member} is missing`;
    const difference = jsonDifference(left.get(name), right.get(name), member);
    if (difference !== null) return difference;
  }
  return null;
}

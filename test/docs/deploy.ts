/** Reads a Dockerfile as far as the repository's own goes: stages of instructions, continued lines joined. */

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

export interface Stage {
  /** What `AS` calls it; `""` for the last, which is the image. */
  readonly name: string;
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

export function parseDockerfile(text: string): readonly Stage[] {
  const lines = text.replaceAll("\\\n", " ").split("\n");
  const stages: (Omit<Stage, "instructions"> & { instructions: Instruction[] })[] = [];
  for (const line of lines) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, name = "", rest = ""] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (name !== "FROM") {
      const stage = stages.at(-1);
      if (stage === undefined) throw new Error(`before FROM: ${line}`);
      stage.instructions.push({ name, text: rest });
      continue;
    }
    const [, base = "", as = ""] = /^(\S+)(?: AS (\S+))?$/.exec(rest) ?? [];
    stages.push({ name: as, base, instructions: [] });
  }
  return stages;
}

export interface Copy {
  /** The stage that is copied from; `null`: the build context. */
  readonly from: string | null;
  readonly sources: readonly string[];
  readonly target: string;
}

export function readCopy(text: string): Copy {
  const words = text.split(/\s+/);
  const from = /^--from=(.+)$/.exec(words[0] ?? "")?.[1] ?? null;
  const paths = from === null ? words : words.slice(1);
  return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? "" };
}

/** The words of an instruction in exec form (JSON), or `null` for the shell form. */
export function execForm(text: string): readonly string[] | null {
  const list = /\[.*\]$/.exec(text)?.[0];
  return list === undefined ? null : (JSON.parse(list) as string[]);
}

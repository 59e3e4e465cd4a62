/**
 * A document as what can be run of it. The first word after the fence is the language, the rest says what a test does:
 *
 *   ```sh run              runs, in order, in one shell for the scene; what follows it as output is compared
 *   ```json output         what the last command printed, as JSON: `…` stands for any value, or any part of a text
 *   ```text output         the same, line by line; a line `…` stands for any number of lines
 *   ```ts check            is type-checked
 *   ```ts file=api.ts      is type-checked and lies in the scene's folder for the commands after it
 *   ```sh shown            is not run: it needs a domain, root, or an engine that a test does not have
 *
 *   <!-- scene: MAPAE_SESSION_LIMIT=1 api -->     from here on: a login server with these settings (and the example's API)
 *   <!-- scene: postgres -->                      the same, and an empty database of a real PostgreSQL
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../processes.ts";

export interface Block {
  readonly language: string;
  /** `run`, `output`, `check`, `shown`, or `file=…`; empty where the block says nothing. */
  readonly does: string;
  readonly text: string;
  /** Where the block begins in its document. */
  readonly line: number;
}

export interface Scene {
  readonly settings: Readonly<Record<string, string>>;
  /** Whether the example's API runs beside the login server. */
  readonly api: boolean;
  /** Whether there is a PostgreSQL. */
  readonly postgres: boolean;
  readonly blocks: readonly Block[];
}

export interface Document {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly Block[];
  readonly scenes: readonly Scene[];
}

const FENCE = /^```(\S*)[ ]*(.*)$/;
const SCENE = /^<!-- scene:(.*)-->$/;

function readScene(words: string): Omit<Scene, "blocks"> {
  const settings: Record<string, string> = {};
  let api = false;
  let postgres = false;
  for (const word of words.trim().split(/\s+/)) {
    const [name = "", value] = word.split("=", 2);
    if (value !== undefined) settings[name] = value;
    else if (word === "api") api = true;
    else if (word === "postgres") postgres = true;
    else if (word !== "") throw new Error(`a scene knows no ${JSON.stringify(word)}`);
  }
  return { settings, api, postgres };
}

export function parseDocument(path: string, text: string): Document {
  const blocks: Block[] = [];
  const scenes: (Omit<Scene, "blocks"> & { blocks: Block[] })[] = [];
  let open: { language: string; does: string; line: number; text: string[] } | null = null;
  for (const [index, line] of text.split("\n").entries()) {
    if (open !== null) {
      if (line !== "```") {
        open.text.push(line);
        continue;
      }
      const block = { ...open, text: open.text.join("\n") };
      blocks.push(block);
      scenes.at(-1)?.blocks.push(block);
      open = null;
      continue;
    }
    const scene = SCENE.exec(line)?.[1];
    if (scene !== undefined) scenes.push({ ...readScene(scene), blocks: [] });
    const fence = FENCE.exec(line);
    if (fence !== null) open = { language: fence[1] ?? "", does: (fence[2] ?? "").trim(), line: index + 1, text: [] };
  }
  if (open !== null) throw new Error(`${path}:${open.line}: the block is never closed`);
  return { path, text, blocks, scenes };
}

export function readDocument(path: string): Document {
  return parseDocument(path, readFileSync(join(ROOT, path), "utf8"));
}

/** Every document of the repository that people read. */
export function documentPaths(): readonly string[] {
  const isDocument = (name: string) => name.endsWith(".md");
  const under = (folder: string) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => isDocument(name) && !name.includes("node_modules"))
      .map((name) => join(folder, name));
  return [...readdirSync(ROOT).filter(isDocument), ...under("docs"), ...under("examples"), ...under("deploy")].sort();
}

/** The sources of the packages, read as text: what each file imports, and how long it is. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Import {
  /** As it stands, or relative to the repository where it is a file of ours. */
  readonly from: string;
  readonly typesOnly: boolean;
}

export interface Source {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  /** Without comments and what stands in quotes: to look for words of the language. */
  readonly code: string;
  readonly lines: number;
  readonly imports: readonly Import[];
}

const IMPORT = /^\s*(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm;
const DYNAMIC = /\bimport\("([^"]+)"\)/g;
const TOKENS = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;

function codeOf(text: string): string {
  return text.replace(TOKENS, (token) => {
    // Whatever is inserted into a template is code.
    const inserted = token.startsWith("`") ? [...token.matchAll(/\$\{([^}]*)\}/g)].map(([, code]) => code) : [];
    return token.startsWith("/") ? " " : `"${inserted.join(" ")}"`;
  });
}

function importsOf(path: string, text: string): readonly Import[] {
  const uncommented = text.replace(/^\s*\*.*$/gm, "");
  const found = [...uncommented.matchAll(IMPORT)].map(([, types, from = ""]) => ({
    from,
    typesOnly: types !== undefined,
  }));
  const dynamic = [...uncommented.matchAll(DYNAMIC)].map(([, from = ""]) => ({ from, typesOnly: false }));
  return [...found, ...dynamic].map(({ from, typesOnly }) => ({
    from: from.startsWith(".")
      ? normalize(join(dirname(path), from))
          .split(sep)
          .join("/")
      : from,
    typesOnly,
  }));
}

/** Every TypeScript file that the patterns name, tests and what only tests use left out unless asked for. */
export function readSources(patterns: readonly string[], tests = false): readonly Source[] {
  const paths = globSync([...patterns], { cwd: ROOT }).map((path) => relative(".", path).split(sep).join("/"));
  return paths
    .filter(
      (path) =>
        !path.includes("node_modules") && (tests || !/\.test(-support)?\.ts$|\/(testing|contract)\//.test(path)),
    )
    .sort()
    .map((path) => {
      const text = readFileSync(join(ROOT, path), "utf8");
      const lines = text.split("\n").length - 1;
      return { path, text, code: codeOf(text), lines, imports: importsOf(path, text) };
    });
}

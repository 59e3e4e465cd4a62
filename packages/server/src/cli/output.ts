/**
 * What a command says, and where. Results go to stdout: with `--json` one document, or one a line for lists, and nothing
 * else; otherwise tables and sentences. Everything that is no result (progress, warnings, prompts) goes to stderr.
 */
import { styleText } from "node:util";
import { type Column, type Layout, layOut } from "./table.ts";
import { printable } from "./text.ts";

/** The two streams, as far as they are used here; a test gives its own. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export type Tone = "good" | "bad" | "doubtful" | "quiet" | "strong";
const STYLES = { good: "green", bad: "red", doubtful: "yellow", quiet: "dim", strong: "bold" } as const;

export interface Output {
  readonly json: boolean;
  /** One result: the document for programs, the text for people. */
  result(document: unknown, human: string): void;
  /** A list, which may be long: rows are printed as they come. */
  list<Row>(rows: AsyncIterable<readonly Row[]>, columns: readonly Column<Row>[], empty: string): Promise<void>;
  /** A line on stderr. */
  say(line: string): void;
  /** A line on stderr that replaces itself, on a terminal only. */
  progress(line: string): void;
  /** Coloured where stdout is a terminal that wants it: `NO_COLOR`, `FORCE_COLOR` and `TERM=dumb` are respected. */
  tone(tone: Tone, text: string): string;
}

export function createOutput(json: boolean, stdout: Sink, stderr: Sink, env: NodeJS.ProcessEnv): Output {
  const width = stdout.isTTY === true ? (stdout.columns ?? 80) : null;
  const coloured =
    !json &&
    ((stdout.isTTY === true && (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb") || (env.FORCE_COLOR ?? "0") !== "0");
  let open = false;
  const clear = (): void => {
    if (open) stderr.write("\r\x1b[K");
    open = false;
  };
  const line = (text: string): void => {
    stdout.write(`${text}\n`);
  };
  return {
    json,
    result: (document, human) => {
      clear();
      line(json ? JSON.stringify(document) : human);
    },
    list: async <Row>(pages: AsyncIterable<readonly Row[]>, columns: readonly Column<Row>[], empty: string) => {
      let layout: Layout<Row> | undefined;
      for await (const rows of pages) {
        if (json) for (const row of rows) line(JSON.stringify(row));
        else if (rows.length > 0) {
          if (layout === undefined) {
            layout = layOut(columns, rows, width);
            line(layout.head());
          }
          for (const row of rows) line(layout.line(row));
        }
      }
      if (!json && layout === undefined) stderr.write(`${empty}\n`);
    },
    say: (text) => {
      clear();
      stderr.write(`${text}\n`);
    },
    progress: (text) => {
      if (stderr.isTTY !== true) return;
      stderr.write(`\r\x1b[K${printable(text)}`);
      open = true;
    },
    tone: (tone, text) => (coloured ? styleText(STYLES[tone], text, { validateStream: false }) : text),
  };
}

/** A record for people: one member a line. */
export function record(members: readonly (readonly [string, string])[]): string {
  const longest = Math.max(...members.map(([name]) => name.length));
  return members.map(([name, value]) => `${name.padEnd(longest)}  ${printable(value)}`).join("\n");
}

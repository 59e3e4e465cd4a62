/** The program `mapae` as a person or a script calls it: a process of its own, its output, its exit code. */
import { spawn } from "node:child_process";
import { environment, FLAGS, LOGIN_SERVER } from "../processes.ts";

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: string;
  readonly settings?: Readonly<Record<string, string>>;
}

/** Runs a command in a folder. Stdin is no terminal: nothing can be asked. */
export function mapae(folder: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { stdin = "", settings = {} } = options;
  const child = spawn(process.execPath, [...FLAGS, LOGIN_SERVER, ...args], {
    cwd: folder,
    env: environment({ MAPAE_PORT: "0", ...settings }),
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {}); // a command that does not read its stdin closes it
  child.stdin.end(stdin);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** The JSON documents on stdout: one a line, and nothing else. */
export function documents(ran: Ran): readonly unknown[] {
  return ran.stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
}

/**
 * The real programs as child processes, for tests that look from outside: the login server and the example's API, each on
 * a free port, each with an environment of its own and nothing of the tester's.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** How the repository runs its sources. */
export const FLAGS = ["--conditions=mapae-source", "--disable-warning=ExperimentalWarning"];
export const LOGIN_SERVER = join(ROOT, "packages/server/src/bin.ts");
export const ORDERS_API = join(ROOT, "examples/two-servers/api.ts");

const START_MS = 20_000;

export interface Running {
  /** Where it answers, without a slash at the end. */
  readonly url: string;
  readonly pid: number;
  /** What it wrote for people so far. */
  told(): string;
  /** Sends SIGTERM and waits for the end. @returns the exit code, `null` where it had to be killed */
  stop(): Promise<number | null>;
  /** Ends it as a power cut would: SIGKILL, no clean-up. */
  kill(): Promise<void>;
}

/** A folder that is removed when the test is over. */
export function temporaryFolder(cleanUp: (task: () => void) => void): string {
  const folder = mkdtempSync(join(tmpdir(), "mapae-test-"));
  cleanUp(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The environment of a child: what programs need to run, and the settings given. */
export function environment(settings: Readonly<Record<string, string>>): Record<string, string> {
  const { PATH = "", HOME = tmpdir() } = process.env;
  return { PATH, HOME, NODE_COMPILE_CACHE: join(tmpdir(), "mapae-test-compile-cache"), ...settings };
}

/** Starts a program and waits for the line that says where it answers. */
export function start(
  program: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
  line: RegExp = /ready at (http:\/\/localhost:\d+)/,
): Promise<Running> {
  const child = spawn(process.execPath, [...FLAGS, ...program], { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
  let told = "";
  let ready = false;
  return new Promise((resolve, reject) => {
    const failed = (why: string) => reject(new Error(`${program[0]} ${why}\n${told}`));
    const late = setTimeout(() => {
      child.kill("SIGKILL");
      failed("did not start in time");
    }, START_MS);
    child.once("error", reject);
    child.once("exit", (code) => {
      clearTimeout(late);
      if (!ready) failed(`ended with ${code} before it was ready`);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      told += text;
      const url = line.exec(told)?.[1];
      if (ready || url === undefined) return;
      ready = true;
      clearTimeout(late);
      const { pid = 0 } = child;
      resolve({ url, pid, told: () => told, stop: () => stop(child), kill: () => kill(child) });
    });
  });
}

function stop(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve(child.exitCode);
      return;
    }
    const late = setTimeout(() => child.kill("SIGKILL"), START_MS);
    child.once("exit", (code) => {
      clearTimeout(late);
      resolve(code);
    });
    child.kill("SIGTERM");
  });
}

function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}

/** The login server with its data in a folder. */
export function startLoginServer(folder: string, settings: Readonly<Record<string, string>> = {}): Promise<Running> {
  return start([LOGIN_SERVER, "serve"], environment({ MAPAE_PORT: "0", MAPAE_LOG_LEVEL: "warn", ...settings }), folder);
}

/** The example's API, trusting an issuer. */
export function startOrdersApi(folder: string, settings: Readonly<Record<string, string>>): Promise<Running> {
  return start([ORDERS_API], environment({ API_PORT: "0", ...settings }), folder);
}

/** A port that nobody has now. */
export function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

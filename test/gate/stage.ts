/**
 * A proxy of the operating system in front of an API that echoes, with `mapae gate` beside it: real programs, each on a
 * free port of loopback, the configurations those of deploy/gate/ with other addresses in them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chownSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net";
import { delimiter, join } from "node:path";
import type { TestContext } from "node:test";
import { environment, FLAGS, LOGIN_SERVER, ROOT } from "../processes.ts";

const DEPLOYED = join(ROOT, "deploy/gate");
const START_MS = 20_000;

export type ProxyName = "nginx" | "haproxy";

/** Where the program is; `null` where this machine has none, which is a failure where everything must be tested. */
export function programOf(name: ProxyName): string | null {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
  if (found === null && process.env.CI === "true") throw new Error(`${name} is not installed, and CI must test it`);
  if (found === null) console.error(`SKIPPED: ${name} is not installed, so nothing is tested behind it.`);
  return found;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** One request on a connection of its own, headers exactly as given. */
export function ask(url: string, headers: readonly string[] = [], method = "GET", body = ""): Promise<Reply> {
  const { hostname, port, pathname, search } = new URL(url);
  const length = body === "" ? [] : ["Content-Length", String(Buffer.byteLength(body))];
  const all = ["Host", "api.example.com", ...headers, ...length];
  return new Promise((resolve, reject) => {
    const options = { host: hostname, port, path: pathname + search, method, headers: all, agent: false };
    const sent = httpRequest(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sent.once("error", reject);
    sent.end(body);
  });
}

export const bearer = (token: string): readonly string[] => ["Authorization", `Bearer ${token}`];

export interface Api {
  readonly port: number;
  /** How many requests reached it. */
  readonly requests: number;
}

/** An API that answers with the headers it got: names in lower case, and values, as pairs. */
export async function startApi(t: TestContext): Promise<Api> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    const pairs: [string, string][] = [];
    for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
      pairs.push([(request.rawHeaders[at] ?? "").toLowerCase(), request.rawHeaders[at + 1] ?? ""]);
    }
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.once("end", () => {
      // The API's own failures are its own: no proxy may take them for the gate's.
      response.writeHead(request.url === "/broken" ? 500 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify({ method: request.method, url: request.url, headers: pairs, body }));
    });
  });
  const port = await listening(server);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    port,
    get requests() {
      return requests;
    },
  };
}

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

export const seen = (reply: Reply): Seen => JSON.parse(reply.text) as Seen;

function listening(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

export async function freePort(): Promise<number> {
  const server = createTcpServer();
  const port = await listening(server);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

export interface Program {
  readonly child: ChildProcess;
  told(): string;
  /** Sends SIGTERM and waits. @returns the exit code, `null` where it ended by a signal */
  stop(): Promise<number | null>;
}

function run(t: TestContext, command: string, args: readonly string[], options: object): Program {
  const child = spawn(command, [...args], { stdio: ["ignore", "pipe", "pipe"], ...options });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  }
  const ended = new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("exit", (code) => resolve(code));
  });
  const stop = (): Promise<number | null> => {
    const late = setTimeout(() => child.kill("SIGKILL"), START_MS);
    child.kill("SIGCONT");
    child.kill("SIGTERM");
    return ended.finally(() => clearTimeout(late));
  };
  t.after(stop);
  return { child, told: () => text, stop };
}

async function until(what: string, holds: () => boolean | Promise<boolean>, program: Program): Promise<void> {
  for (const end = Date.now() + START_MS; Date.now() < end; ) {
    if (await holds()) return;
    if (program.child.exitCode !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not come\n${program.told()}`);
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (connected: boolean): void => {
      socket.destroy();
      resolve(connected);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

/** `mapae gate` as an operator starts it. */
export async function startGate(
  t: TestContext,
  port: number,
  args: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const all = [...FLAGS, LOGIN_SERVER, "gate", "--listen", `127.0.0.1:${port}`, ...args];
  const gate = run(t, process.execPath, all, { env: environment(settings) });
  await until("the gate", () => /gate answers at /.test(gate.told()), gate);
  return gate;
}

/** Waits until the gate has what it needs to judge. */
export async function untilReady(gate: Program, port: number): Promise<void> {
  await until("readiness", async () => (await ask(`http://127.0.0.1:${port}/readyz`)).status === 200, gate);
}

interface Ports {
  readonly proxy: number;
  readonly gate: number;
  readonly api: number;
}

/** The sample with the test's addresses; every replacement must find its place. */
function sample(file: string, replacements: readonly (readonly [string, string])[]): string {
  let text = readFileSync(join(DEPLOYED, file), "utf8");
  for (const [from, to] of replacements) {
    if (!text.includes(from)) throw new Error(`deploy/gate/${file} does not have ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

function nginxFiles(folder: string, { proxy, gate, api }: Ports): readonly string[] {
  for (const part of ["ask", "guard", "answers"]) {
    copyFileSync(join(DEPLOYED, `mapae-gate-${part}.conf`), join(folder, `mapae-gate-${part}.conf`));
  }
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  writeFileSync(
    join(folder, "nginx.conf"),
    [
      "daemon off; worker_processes 1; pid nginx.pid; error_log stderr warn;",
      "events { worker_connections 256; }",
      "http {",
      "access_log off;",
      ...temporary.map((name) => `${name}_temp_path ${name};`),
      sample("nginx.conf", [
        ["listen 80;", `listen 127.0.0.1:${proxy};`],
        ["127.0.0.1:4100", `127.0.0.1:${gate}`],
        ["127.0.0.1:8080", `127.0.0.1:${api}`],
      ]),
      "}",
    ].join("\n"),
  );
  return ["-p", folder, "-c", "nginx.conf", "-e", "stderr"];
}

function haproxyFiles(folder: string, { proxy, gate, api }: Ports): readonly string[] {
  copyFileSync(join(DEPLOYED, "mapae-gate.lua"), join(folder, "mapae-gate.lua"));
  const config = sample("haproxy.cfg", [
    ["/etc/haproxy/mapae-gate.lua", join(folder, "mapae-gate.lua")],
    ["maxconn 10000", "maxconn 200"],
    ["bind :80", `bind 127.0.0.1:${proxy}`],
    ["127.0.0.1:4100", `127.0.0.1:${gate}`],
    ["127.0.0.1:8080", `127.0.0.1:${api}`],
  ]);
  writeFileSync(join(folder, "haproxy.cfg"), config);
  return ["-db", "-f", join(folder, "haproxy.cfg")];
}

const FILES: Record<ProxyName, (folder: string, ports: Ports) => readonly string[]> = {
  nginx: nginxFiles,
  haproxy: haproxyFiles,
};
/** Debian's nobody: a proxy that does not bind a low port needs no rights. */
const NOBODY = 65_534;

/** Runs a program in a folder that it may write to, without rights where we have them. */
export function runAsNobody(t: TestContext, program: string, args: readonly string[], folder: string): Program {
  const root = process.getuid?.() === 0;
  if (root) chownSync(folder, NOBODY, NOBODY);
  return run(t, program, args, {
    cwd: folder,
    env: { PATH: process.env.PATH ?? "" },
    ...(root ? { uid: NOBODY, gid: NOBODY } : {}),
  });
}

/** Starts the proxy with its sample configuration. @returns its address */
export async function startProxy(
  t: TestContext,
  program: string,
  name: ProxyName,
  parent: string,
  ports: Omit<Ports, "proxy">,
): Promise<{ readonly url: string; readonly program: Program }> {
  const folder = join(parent, name);
  mkdirSync(folder);
  const proxy = await freePort();
  const args = FILES[name](folder, { ...ports, proxy });
  if (process.getuid?.() === 0) chownSync(parent, NOBODY, NOBODY);
  const running = runAsNobody(t, program, args, folder);
  await until(name, () => connects(proxy), running);
  return { url: `http://127.0.0.1:${proxy}`, program: running };
}

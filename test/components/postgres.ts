/**
 * PostgreSQL as it is, for tests: an instance of its own in a temporary folder, on a free loopback port, stopped by its
 * process id.
 *
 *   const postgres = await startPostgres();            // null where PostgreSQL is not installed
 *   const url = await postgres.database();             // a fresh, empty database
 *   postgres.freeze(); postgres.thaw(); await postgres.kill(); await postgres.restart(); await postgres.stop();
 *
 * The server refuses to run as root: a tester who is root starts it as the user `postgres` or `nobody`.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";

const DEBIAN = "/usr/lib/postgresql";
const START_MS = 30_000;
const LOOK_MS = 25;
const USER = "mapae";
const PASSWORD = "a password: with /odd@ characters";

/** The newest installed PostgreSQL's folder of programs; `null` where there is none. */
export function findPostgres(): string | null {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.map((version) => join(DEBIAN, version, "bin")).find((bin) => existsSync(join(bin, "initdb")));
  if (found !== undefined) return found;
  const inPath = (process.env.PATH ?? "").split(":").find((bin) => bin !== "" && existsSync(join(bin, "initdb")));
  return inPath ?? null;
}

/**
 * Whether tests with PostgreSQL are left out, as `skip` of node:test has it. Says so in one loud line; in CI a missing
 * component is a failure.
 */
export function withoutPostgres(): string | false {
  if (findPostgres() !== null) return false;
  if (process.env.CI === "true") throw new Error("PostgreSQL is not installed, and in CI its tests must run");
  const line = "PostgreSQL is not installed: its tests are left out (Debian: apt install postgresql)";
  process.stderr.write(`\n*** ${line} ***\n\n`);
  return line;
}

export interface PostgresOptions {
  /** The folder of its programs. */
  readonly bin?: string;
  /** Settings of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A data folder to begin with, that this instance takes over, instead of a new cluster. */
  readonly folder?: string;
  /** Lines of pg_hba.conf before those that let everyone in with the password. */
  readonly hba?: readonly string[];
}

export class Postgres {
  readonly bin: string;
  readonly folder: string;
  port = 0;
  readonly #settings: Readonly<Record<string, string>>;
  #process: ChildProcess | null = null;
  #databases = 0;
  #log = "";

  constructor(bin: string, folder: string, settings: Readonly<Record<string, string>>) {
    this.bin = bin;
    this.folder = folder;
    this.#settings = settings;
  }

  /** What it wrote to its log. */
  get log(): string {
    return this.#log;
  }

  /** Of the postmaster. */
  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error("PostgreSQL is not running");
    return pid;
  }

  /** The address of a database. */
  url(database = "postgres", query = ""): string {
    return `postgres://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${this.port}/${database}${query}`;
  }

  /** Makes an empty database. @returns its address */
  async database(): Promise<string> {
    this.#databases += 1;
    const name = `test_${process.pid}_${this.#databases}`;
    await this.query(`CREATE DATABASE ${name}`);
    return this.url(name);
  }

  /** Makes an empty schema, which is quicker than a database. @returns an address whose tables are in it */
  async schema(): Promise<string> {
    this.#databases += 1;
    const name = `test_${process.pid}_${this.#databases}`;
    await this.query(`CREATE SCHEMA ${name}`);
    return this.url("postgres", `?options=${encodeURIComponent(`-c search_path=${name}`)}`);
  }

  /** Asks something as the superuser, over a connection of its own. */
  async query<R extends pg.QueryResultRow>(sql: string, url = this.url()): Promise<R[]> {
    const client = new pg.Client({ connectionString: url });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query<R>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  async start(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      this.port = this.port === 0 || attempt > 1 ? await freePort() : this.port;
      if (await this.#run()) return;
      if (attempt === 3) throw new Error(`PostgreSQL did not start\n${this.#log}`);
    }
  }

  async #run(): Promise<boolean> {
    const settings = {
      listen_addresses: "127.0.0.1",
      port: String(this.port),
      unix_socket_directories: this.folder,
      max_connections: "300",
      shared_buffers: "32MB",
      ...this.#settings,
    };
    const given = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(join(this.bin, "postgres"), ["-D", join(this.folder, "data"), ...given], {
      ...asServer(),
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#log += text;
    });
    running.add(child);
    child.once("exit", () => running.delete(child));
    const until = performance.now() + START_MS;
    while (child.exitCode === null && child.signalCode === null && performance.now() < until) {
      try {
        await this.query("SELECT 1");
        return true;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    }
    child.kill("SIGKILL");
    return false;
  }

  /** Ends it as `pg_ctl stop -m fast` does. */
  async stop(): Promise<void> {
    await this.#end("SIGINT");
  }

  /** Ends it as a power cut would, with all of its processes: SIGKILL. */
  async kill(): Promise<void> {
    const children = childrenOf(this.pid);
    await this.#end("SIGKILL");
    for (const pid of children) signal(pid, "SIGKILL");
  }

  /** Starts it again on its data and its port. */
  async restart(): Promise<void> {
    await this.#end("SIGKILL");
    await this.start();
  }

  /** Stops every process of it where it stands. */
  freeze(): void {
    for (const pid of [this.pid, ...childrenOf(this.pid)]) signal(pid, "SIGSTOP");
  }

  thaw(): void {
    for (const pid of [...childrenOf(this.pid), this.pid]) signal(pid, "SIGCONT");
  }

  /** Stops it and removes what it kept. */
  async remove(): Promise<void> {
    if (this.#process !== null) await this.#end("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #end(name: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(name);
    await ended;
  }
}

/** Starts an instance; `null` where PostgreSQL is not installed. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres | null> {
  const bin = options.bin ?? findPostgres();
  if (bin === null) return null;
  const folder = options.folder ?? newFolder();
  const postgres = new Postgres(bin, folder, options.settings ?? {});
  if (options.folder === undefined) initialise(bin, folder, options.hba ?? []);
  await postgres.start();
  return postgres;
}

/** An empty folder that the server's user owns. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "mapae-postgres-"));
  chmodSync(folder, 0o700);
  const { uid, gid } = asServer();
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid);
  return folder;
}

function initialise(bin: string, folder: string, hba: readonly string[]): void {
  const script = `umask 077; printf %s "$1" > "$2/password" &&
    "$3" -D "$2/data" -U ${USER} --pwfile "$2/password" -A scram-sha-256 -E UTF8 --locale=C --no-sync &&
    rm "$2/password"`;
  const given = ["-c", script, "sh", PASSWORD, folder, join(bin, "initdb")];
  execFileSync("sh", given, { ...asServer(), stdio: ["ignore", "ignore", "pipe"] });
  if (hba.length === 0) return;
  const file = join(folder, "data", "pg_hba.conf");
  const lines = `${hba.join("\n")}\n${readFileSync(file, "utf8")}`;
  execFileSync("sh", ["-c", 'printf %s "$1" > "$2"', "sh", lines, file], asServer());
}

/** Runs one of PostgreSQL's programs as the server's user. */
export function runTool(bin: string, tool: string, args: readonly string[]): string {
  const env = { PATH: process.env.PATH, PGPASSWORD: PASSWORD };
  return execFileSync(join(bin, tool), [...args], { ...asServer(), env, encoding: "utf8" });
}

/** The user that the server runs as: the tester, or for root one without rights. */
function asServer(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const user = users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody");
  return user === undefined ? {} : { uid: Number(user[2]), gid: Number(user[3]) };
}

function childrenOf(pid: number): readonly number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return children
      .split(" ")
      .filter((text) => text !== "")
      .map(Number);
  } catch {
    const found = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).split("\n");
    return found
      .map((line) => line.trim().split(/\s+/).map(Number))
      .flatMap(([id = 0, parent]) => (parent === pid ? [id] : []));
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has gone already.
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/** Whatever happens to the tests, no server is left behind. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

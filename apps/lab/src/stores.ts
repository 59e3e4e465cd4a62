/**
 * What all strategies share: one PostgreSQL with the users in it, made once, and a copy of that database for each run, so
 * that every strategy begins with the same people and an empty log.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hash } from "@node-rs/argon2";
import { findPostgres, type Postgres, startPostgres } from "../../../test/components/postgres.ts";
import { redisProgram } from "../../../test/components/redis.ts";
import { programOf } from "../../../test/gate/stage.ts";
import { environment, FLAGS, LOGIN_SERVER } from "../../../test/processes.ts";
import type { Clean } from "./clean.ts";
import { PASSWORD } from "./person.ts";

export interface Stores {
  readonly postgres: Postgres;
  /** What wraps the keys in every copy. */
  readonly secret: string;
  readonly haproxy: string;
  /** A resource server, of which the lab runs verifiers. */
  readonly client: { readonly id: string; readonly secret: string };
  /** A fresh copy of the database with the users. @returns its name */
  copy(): Promise<string>;
  versions(): Promise<Readonly<Record<string, string>>>;
}

/** The database's address by way of a link. */
export function through(port: number, url: string): string {
  const address = new URL(url);
  address.port = String(port);
  return address.href;
}

/** Programs that are not on this machine. */
export function missing(): readonly string[] {
  const there = { PostgreSQL: findPostgres(), "Redis or Valkey": redisProgram, HAProxy: programOf("haproxy") };
  return Object.entries(there).flatMap(([name, program]) => (program === null ? [name] : []));
}

const BASE = "lab_people";
/** Argon2id (the library's default) as OWASP recommends it, and the login server's own: each log-in of the lab costs what it costs in production. */
const PASSWORD_COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

export async function openStores(clean: Clean, users: number): Promise<Stores> {
  const haproxy = programOf("haproxy");
  if (haproxy === null) throw new Error("HAProxy is not installed");
  const postgres = await startPostgres();
  if (postgres === null) throw new Error("PostgreSQL is not installed");
  clean.after(() => postgres.remove());
  const secret = crypto.randomUUID() + crypto.randomUUID();
  await postgres.query(`CREATE DATABASE ${BASE}`);
  const client = await importPeople(clean, postgres.url(BASE), secret, users);
  let copies = 0;
  return {
    postgres,
    secret,
    haproxy,
    client,
    copy: async () => {
      copies += 1;
      const name = `lab_${copies}`;
      await postgres.query(`CREATE DATABASE ${name} TEMPLATE ${BASE}`);
      return name;
    },
    versions: async () => ({
      PostgreSQL: await versionOf(join(postgres.bin, "postgres"), "-V"),
      Redis: await versionOf(redisProgram ?? ""),
      HAProxy: await versionOf(haproxy),
    }),
  };
}

/** All with one hash: they have one password, and nobody is to wait for nine hundred hashes. */
async function importPeople(clean: Clean, database: string, secret: string, users: number): Promise<Stores["client"]> {
  const folder = mkdtempSync(join(tmpdir(), "mapae-lab-"));
  clean.after(() => rmSync(folder, { recursive: true, force: true }));
  const password_hash = await hash(PASSWORD, PASSWORD_COST);
  const file = join(folder, "people.jsonl");
  const lines = Array.from({ length: users }, (_, index) =>
    JSON.stringify({ identifier: `user${index}`, password_hash }),
  );
  writeFileSync(file, `${lines.join("\n")}\n`);
  const settings = { MAPAE_DATABASE_URL: database, MAPAE_SECRET: secret, MAPAE_DATA: join(folder, "data") };
  const mapae = (...words: string[]) =>
    output(process.execPath, [...FLAGS, LOGIN_SERVER, ...words], environment(settings));
  const ran = await mapae("users", "import", file);
  if (ran.code !== 0) throw new Error(`the people could not be imported: ${ran.text}`);
  const made = await mapae("clients", "create", "lab", "--json");
  const { client_secret } = (made.code === 0 ? JSON.parse(made.text) : {}) as Record<string, unknown>;
  if (typeof client_secret !== "string") throw new Error(`there is no resource server: ${made.text}`);
  return { id: "lab", secret: client_secret };
}

export function output(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = environment({}),
): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = spawn(program, [...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, text }));
  });
}

async function versionOf(program: string, flag = "-v"): Promise<string> {
  const { text } = await output(program, [flag]);
  return /v?=?(\d+\.\d+(\.\d+)?)/.exec(text)?.[1] ?? "unknown";
}

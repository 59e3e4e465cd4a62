/** An installation that moves: a SQLite file, a database of a PostgreSQL to go to, and the program that moves it. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { mapae, type Ran } from "../cli/mapae.ts";
import type { Postgres } from "../components/postgres.ts";
import { environment, FLAGS, LOGIN_SERVER } from "../processes.ts";

export interface Target {
  /** Without a password, as it is given to `--to`. */
  readonly to: string;
  /** With it. */
  readonly url: string;
  /** What the program needs beside `--to`. */
  readonly settings: Readonly<Record<string, string>>;
  /** What a server on it needs. */
  readonly serving: Readonly<Record<string, string>>;
}

export function targetOf(url: string): Target {
  const bare = new URL(url);
  const password = decodeURIComponent(bare.password);
  bare.password = "";
  const settings = { MAPAE_DATABASE_PASSWORD: password };
  return { to: bare.href, url, settings, serving: { ...settings, MAPAE_DATABASE_URL: bare.href } };
}

export function fileIn(folder: string): string {
  return join(folder, "data/database/mapae.db");
}

export function move(folder: string, { to, settings }: Target, ...options: readonly string[]): Promise<Ran> {
  return mapae(folder, ["move", "--to", to, ...options], { settings });
}

/** Moves, and kills the program -9 when what it told matches. @returns whether it was killed, and not done before */
export function moveAndKill(
  folder: string,
  { to, settings }: Target,
  when: (told: string) => boolean,
): Promise<boolean> {
  const child = spawn(process.execPath, [...FLAGS, LOGIN_SERVER, "move", "--to", to], {
    cwd: folder,
    env: environment(settings),
    stdio: ["ignore", "ignore", "pipe"],
  });
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
    if (when(told)) child.kill("SIGKILL");
  });
  return new Promise((resolve) => child.once("close", (_, signal) => resolve(signal === "SIGKILL")));
}

/** A row as text, so that two engines' can be laid side by side: octets in hexadecimal. */
function textOf(row: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(row).sort();
  const of = (value: unknown) => (value instanceof Uint8Array ? `x${Buffer.from(value).toString("hex")}` : value);
  return JSON.stringify(names.map((name) => [name, of(row[name])]));
}

/** Every row of every table that a file and a database have both, read without any code of the move. */
export function rowsOfFile(file: string): ReadonlyMap<string, readonly string[]> {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const names = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all();
    const tables = names.map(({ name }) => String(name)).filter((name) => name !== "moved");
    return new Map(tables.sort().map((name) => [name, db.prepare(`SELECT * FROM "${name}"`).all().map(textOf).sort()]));
  } finally {
    db.close();
  }
}

export async function rowsOfDatabase(url: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const client = new pg.Client({
    connectionString: url,
    types: {
      getTypeParser: ((oid: number, format: "text") =>
        oid === 20 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
    },
  });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1",
    );
    const own = ["mapae", "move", "move_tables", "nodes"];
    const found = new Map<string, readonly string[]>();
    for (const { name } of rows) {
      if (own.includes(name)) continue;
      const { rows: all } = await client.query<Record<string, unknown>>(`SELECT * FROM "${name}"`);
      found.set(name, all.map(textOf).sort());
    }
    return new Map([...found].sort());
  } finally {
    await client.end();
  }
}

export async function ask<R extends pg.QueryResultRow>(postgres: Postgres, sql: string, { url }: Target): Promise<R[]> {
  return postgres.query<R>(sql, url);
}

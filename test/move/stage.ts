/** An installation that moves: a SQLite file, a database of a PostgreSQL to go to, and the program that moves it. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { mapae, type Ran } from "../cli/mapae.ts";
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

export interface Interrupted {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly told: string;
}

/** Moves, and sends the program a signal when what it told is enough. */
export function moveUntil(
  folder: string,
  { to, settings }: Target,
  name: NodeJS.Signals,
  enough: (told: string) => boolean,
): Promise<Interrupted> {
  const child = spawn(process.execPath, [...FLAGS, LOGIN_SERVER, "move", "--to", to], {
    cwd: folder,
    env: environment(settings),
    stdio: ["ignore", "ignore", "pipe"],
  });
  let told = "";
  let sent = false;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
    if (sent || !enough(told)) return;
    sent = true;
    child.kill(name);
  });
  return new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal, told })));
}

/** The same with a kill -9. @returns whether it was killed, and not done before */
export async function moveAndKill(folder: string, to: Target, enough: (told: string) => boolean): Promise<boolean> {
  return (await moveUntil(folder, to, "SIGKILL", enough)).signal === "SIGKILL";
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

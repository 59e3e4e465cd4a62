/**
 * The way to the operator API: through the running server where one serves this data folder, and otherwise over the
 * storage in this process. Both are the same handler (operator/operator.ts), and there is never a second writer of a file:
 * SQLite's is locked by whoever has it open. PostgreSQL takes any number of processes.
 *
 *   the socket answers ──► ask it
 *   nobody there       ──► open the storage ──► held by somebody: a server that is just starting? look again for a while
 */
import { existsSync } from "node:fs";
import { z } from "zod";
import { fromRequest } from "../http/incoming.ts";
import { askSocket, presenceAt } from "../operator/socket.ts";
import { StartRefused } from "../prelude/fault.ts";
import { systemSleep, systemWorld } from "../prelude/world.ts";
import { EXAMPLE_API } from "../server/first-start.ts";
import { type Config, readEnvironment } from "../settings/config.ts";
import { type Places, placesIn } from "../settings/places.ts";
import { CommandFailed, type ExitName } from "./exit.ts";

export interface Operator {
  /** Asks, and reads the answer. A refusal becomes a `CommandFailed`. */
  ask<Schema extends z.ZodType>(schema: Schema, request: Ask): Promise<z.infer<Schema>>;
  /** Asks for something whose answer is empty. */
  tell(request: Ask): Promise<void>;
  /** Whether a server answers; otherwise the storage is open in this process. */
  readonly live: boolean;
  close(): Promise<void>;
}

export interface Ask {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
}

interface Answer {
  readonly status: number;
  readonly body: string | null;
}

/** How long to look for a server that holds the database and has no socket yet. */
const STARTING_MS = 5_000;
const AGAIN_MS = 100;
const problemSchema = z.looseObject({
  detail: z.string(),
  faults: z.array(z.looseObject({ pointer: z.string(), detail: z.string() })).optional(),
});
const pageSchema = z.looseObject({ next: z.string().nullable() });

/** The settings, with `--data` in place of MAPAE_DATA. Throws `CommandFailed` for a setting that is wrong. */
export function readSettings(env: NodeJS.ProcessEnv, data: string | undefined): Config {
  const read = readEnvironment(data === undefined ? env : { ...env, MAPAE_DATA: data });
  if (read.ok) return read.config;
  throw new CommandFailed("usage", read.faults.join(" "));
}

/** The file of the embedded database; `null` where the database is none. */
export function databaseFile(config: Config, places: Places): string | null {
  if (config.databaseUrl === null) return places.database;
  return /^sqlite:(.+)$/.exec(config.databaseUrl)?.[1] ?? null;
}

/** Whether the database is on a server of its own, which any number of processes may use. */
export function isServed(config: Config): boolean {
  return /^postgres(ql)?:/.test(config.databaseUrl ?? "");
}

/** Throws for a database that no other process can reach. */
export function requireFile(config: Config): string {
  const file = databaseFile(config, placesIn(config.data));
  if (file !== null) return file;
  if (isServed(config)) {
    throw new CommandFailed("failed", "PostgreSQL has tools of its own for this: pg_dump and pg_restore");
  }
  throw new CommandFailed(
    "failed",
    "an in-memory database lives inside its server: the command line cannot reach it. Use SQLite, or the admin API.",
  );
}

/** @param makes whether the command may begin an empty database: a mistyped folder should not become one */
export async function connect(config: Config, makes: boolean, say: (line: string) => void): Promise<Operator> {
  const served = isServed(config);
  const file = served ? null : requireFile(config);
  const { socket } = placesIn(config.data);
  const until = systemWorld.clock.monotonic() + STARTING_MS;
  for (;;) {
    const presence = await presenceAt(socket);
    if (presence === "live") return overSocket(socket);
    if (presence === "forbidden") {
      throw new CommandFailed("failed", `the server's socket ${socket} belongs to another user: run this as that user`);
    }
    if (file !== null && !makes && !existsSync(file)) {
      throw new CommandFailed("failed", `there is no database at ${file}: start the server once, or set --data`);
    }
    try {
      return await overStorage(config, say);
    } catch (error) {
      const { heldLine } = await import("../storage/sqlite/faults.ts");
      if (!(error instanceof StartRefused) || file === null || error.message !== heldLine(file)) throw error;
      if (systemWorld.clock.monotonic() >= until) throw new CommandFailed("tryAgain", error.message);
      await systemSleep(AGAIN_MS);
    }
  }
}

function overSocket(socket: string): Operator {
  const ask = async (request: Ask): Promise<Answer> => {
    try {
      const body = request.body === undefined ? null : JSON.stringify(request.body);
      return await askSocket(socket, request.method, target(request), body);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new CommandFailed("tryAgain", `the server went away before it answered (${reason}): see what was done`);
    }
  };
  return { ...speaking(ask), live: true, close: async () => {} };
}

async function overStorage(config: Config, say: (line: string) => void): Promise<Operator> {
  const { openServer } = await import("../server/server.ts");
  const { createOperator } = await import("../operator/operator.ts");
  const { createLogger } = await import("../prelude/log.ts");
  const logger = createLogger("silent");
  const issuer = config.issuer ?? `http://localhost:${config.port}`;
  const server = await openServer({ config, issuer, logger, delivers: false });
  if (server.exampleSecret !== null) {
    say(`A new database was made: ${server.nature.says}.`);
    say(`A resource server to try: ${EXAMPLE_API} ${server.exampleSecret.reveal()} (shown this once)`);
  }
  const app = createOperator(server.operations, config, logger);
  const ask = async (request: Ask): Promise<Answer> => {
    const init: RequestInit = { method: request.method };
    if (request.body !== undefined) {
      init.body = JSON.stringify(request.body);
      init.headers = { "content-type": "application/json" };
    }
    const { status, body } = await app(fromRequest(new Request(`http://operator.invalid${target(request)}`, init)), {});
    return { status, body: body === null ? null : String(body) };
  };
  return { ...speaking(ask), live: false, close: () => server.close() };
}

function target({ path, query = {} }: Ask): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value);
  return search.size === 0 ? path : `${path}?${search}`;
}

function speaking(ask: (request: Ask) => Promise<Answer>): Pick<Operator, "ask" | "tell"> {
  const succeed = async (request: Ask): Promise<string | null> => {
    const { status, body } = await ask(request);
    if (status >= 400) throw failureOf(status, body);
    return body;
  };
  return {
    ask: async (schema, request) => schema.parse(JSON.parse((await succeed(request)) ?? "null")),
    tell: async (request) => {
      await succeed(request);
    },
  };
}

const EXITS: Partial<Record<number, ExitName>> = { 404: "notFound", 429: "tryAgain", 503: "tryAgain" };

/** A problem document (RFC 9457) as one line. */
function failureOf(status: number, body: string | null): CommandFailed {
  const exit = EXITS[status] ?? "failed";
  const read = problemSchema.safeParse(parsed(body));
  if (!read.success) return new CommandFailed(exit, `the server answered ${status}`);
  const { detail, faults = [] } = read.data;
  const lines = faults.map((fault) => `${fault.pointer.replace(/^\//, "")}: ${fault.detail}`);
  return new CommandFailed(exit, lines.length > 0 ? lines.join("; ") : detail);
}

function parsed(body: string | null): unknown {
  try {
    return JSON.parse(body ?? "null");
  } catch {
    return null;
  }
}

/** Every page of a list, as it comes. @param member where the rows stand in the answer */
export async function* pages<Row>(
  operator: Operator,
  row: z.ZodType<Row>,
  member: string,
  request: Ask,
): AsyncGenerator<readonly Row[]> {
  let after: string | undefined;
  do {
    const page = await operator.ask(pageSchema, { ...request, query: { ...request.query, limit: "200", after } });
    yield z.array(row).parse(page[member]);
    after = page.next ?? undefined;
  } while (after !== undefined);
}

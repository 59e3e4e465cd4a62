/**
 * `mapae move`: the installation goes from its SQLite file to PostgreSQL, and nothing is served meanwhile. Here is what a
 * person sees of it: what is asked for, how far it is, how it ended, and what to do next. The move itself is storage/move/.
 */

import { presenceAt } from "../../operator/socket.ts";
import { StartRefused, Unavailable } from "../../prelude/fault.ts";
import { Secret } from "../../prelude/secret.ts";
import { systemWorld } from "../../prelude/world.ts";
import type { Config } from "../../settings/config.ts";
import { placesIn } from "../../settings/places.ts";
import type { Difference } from "../../storage/move/compare.ts";
import { type MovedTable, type MoveOutcome, move } from "../../storage/move/move.ts";
import { type Preview, previewMove } from "../../storage/move/preview.ts";
import { MoveSource } from "../../storage/move/source.ts";
import { MoveTarget } from "../../storage/move/target.ts";
import { undoMove } from "../../storage/move/undo.ts";
import { type Address, readAddress } from "../../storage/postgres/address.ts";
import { databaseFile, isServed } from "../connection.ts";
import type { Command, Context } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { moveProgress } from "../move-progress.ts";
import type { Output } from "../output.ts";
import { readSecret } from "../prompt.ts";
import { layOut } from "../table.ts";
import { plural } from "../text.ts";

const AGAIN = "run the same command again, and it goes on where it stopped";
const SHORT_DIGEST = 16;

async function addressOf({ given, keyboard }: Context, settings: Config): Promise<Address> {
  const to = given.text("to");
  const named = to === undefined ? "MAPAE_DATABASE_URL" : "--to";
  const url = to ?? (isServed(settings) ? settings.databaseUrl : null);
  if (url === null) {
    throw new CommandFailed("usage", "say where to: --to postgres://…, or MAPAE_DATABASE_URL with that address");
  }
  if (!/^postgres(ql)?:/.test(url)) {
    throw new CommandFailed("usage", `${named}: an installation moves to PostgreSQL, an address postgres://…`);
  }
  if (to !== undefined && URL.canParse(to) && new URL(to).password !== "") {
    throw new CommandFailed(
      "usage",
      "a password in an argument can be read by every user of the machine (ps): leave it out of --to, and set MAPAE_DATABASE_PASSWORD or pipe it with --password-stdin; or leave --to out, and set MAPAE_DATABASE_URL",
    );
  }
  const piped = given.flag("passwordStdin") ? new Secret(await readSecret(keyboard, "a password")) : null;
  try {
    return readAddress(url, piped ?? settings.databasePassword, named);
  } catch (error) {
    throw error instanceof StartRefused ? new CommandFailed("usage", error.message) : error;
  }
}

/** The configured file; the data folder's own where the settings name PostgreSQL already. */
function fileOf(settings: Config): string {
  const places = placesIn(settings.data);
  const file = isServed(settings) ? places.database : databaseFile(settings, places);
  if (file !== null) return file;
  throw new CommandFailed("failed", "an in-memory database ends with its server: there is nothing to move");
}

function tableOf(rows: readonly { readonly table: string; readonly rows: number; readonly digest?: string }[]): string {
  const columns = [
    { title: "table", of: (row: (typeof rows)[number]) => row.table },
    { title: "rows", of: (row: (typeof rows)[number]) => row.rows.toLocaleString("en-US") },
    { title: "SHA-256", of: (row: (typeof rows)[number]) => row.digest?.slice(0, SHORT_DIGEST) ?? "" },
  ].filter(({ title }) => title !== "SHA-256" || rows.some(({ digest }) => digest !== undefined));
  const sorted = [...rows].sort((a, b) => (a.table < b.table ? -1 : 1));
  const layout = layOut(columns, sorted, null);
  return [layout.head(), ...sorted.map((row) => layout.line(row))].join("\n");
}

function told(preview: Preview, running: boolean, says: string, output: Output): number {
  const tables = [...preview.tables].map(([table, rows]) => ({ table, rows }));
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const { course, refusal } = preview;
  const does = {
    begin: `${plural(rows, "row")} would be moved to ${says}`,
    resume: `the move to ${says} would go on where it stopped`,
    nothing: `the move to ${says} is done: there is nothing to do`,
    refuse: "nothing would be moved",
  }[course.go];
  output.result(
    { dry_run: true, to: says, would: course.go, refusal, server_running: running, rows, tables },
    `${tableOf(tables.filter((table) => table.rows > 0))}\n${does}; nothing was changed`,
  );
  if (running) output.say("A server runs on this data folder: stop it before the move.");
  if (refusal !== null) throw new CommandFailed("failed", refusal);
  return exitCode("ok");
}

const WORDS: Readonly<Record<Difference["kind"], string>> = {
  missing: "is not there",
  surplus: "is there, and not in the file",
  differs: "differs",
};

function differences(tables: readonly MovedTable[]): string {
  return tables
    .filter((table) => table.differences > 0)
    .map(({ table, differences: count, examples }) => {
      const first = examples.map(
        ({ kind, row, column }) => `row ${row} ${WORDS[kind]}${column === null ? "" : ` in ${column}`}`,
      );
      return `${table}: ${plural(count, "row")} (${first.join(", ")})`;
    })
    .join("; ");
}

function ended(
  outcome: MoveOutcome,
  { file, mark }: MoveSource,
  says: string,
  settings: Config,
  output: Output,
): number {
  const served = mark?.gone === true ? "nothing is served until then" : `${file} is as it was`;
  if (outcome.kind === "stopped") throw new CommandFailed("interrupted", `interrupted; ${served}: ${AGAIN}`);
  if (outcome.kind === "differs") {
    throw new CommandFailed(
      "failed",
      `not all rows are the same on both sides, so the move is not ended: ${differences(outcome.tables)}. mapae move --undo, and move again`,
    );
  }
  if (outcome.kind === "already") {
    const { doneAt, usedAt } = outcome.record;
    const at = new Date(doneAt ?? 0).toISOString();
    output.result(
      { to: says, already: true, done_at: at, opened: usedAt !== null },
      `moved to ${says} already, on ${at}; there is nothing left to do`,
    );
    return exitCode("ok");
  }
  const tables = outcome.tables.map(({ table, rows, source }) => ({ table, rows, digest: source }));
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  output.result(
    {
      ...{ to: says, already: false, rows },
      tables: tables.map(({ digest, ...table }) => ({ ...table, sha256: digest })),
    },
    `${tableOf(tables.filter((table) => table.rows > 0))}\nmoved to ${says}: ${plural(rows, "row")}, each compared; no session ended`,
  );
  const secret = settings.secret === null ? placesIn(settings.data).secret : "MAPAE_SECRET";
  output.say(`Next: set MAPAE_DATABASE_URL to that address, keep ${secret} as it is, and start the server.`);
  output.say(
    `${file} is not served any more. Until something is changed in the new database, mapae move --undo goes back.`,
  );
  return exitCode("ok");
}

/** Runs until it is done or told to stop, and says where it would go on. */
async function run(source: MoveSource, target: MoveTarget, output: Output): Promise<MoveOutcome> {
  let stopping = false;
  const stop = (): void => {
    stopping = true;
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  try {
    const tell = moveProgress(output, systemWorld.clock);
    return await move({ source, target, world: systemWorld, tell, stopped: () => stopping });
  } catch (error) {
    if (error instanceof Unavailable) throw new CommandFailed("tryAgain", `${error.message}: ${AGAIN}`);
    throw error;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, stop);
  }
}

export const moveCommand: Command = async (context) => {
  const { given, output, config } = context;
  const settings = config();
  const [dryRun, undo] = [given.flag("dryRun"), given.flag("undo")];
  if (dryRun && undo) throw new CommandFailed("usage", "--dry-run and --undo do not go together");
  const address = await addressOf(context, settings);
  const file = fileOf(settings);
  const running = (await presenceAt(placesIn(settings.data).socket)) !== "none";
  if (running && !dryRun) {
    throw new CommandFailed("failed", "a server runs on this data folder: stop it first, then move");
  }
  if (address.warning !== null) output.say(`WARNING: ${address.warning}.`);
  const source = dryRun ? MoveSource.look(file) : MoveSource.open(file);
  const target = new MoveTarget(address, settings.databaseTimeout, systemWorld);
  try {
    if (dryRun) return told(await previewMove(source, target, systemWorld.clock.now), running, target.says, output);
    if (!undo) return ended(await run(source, target, output), source, target.says, settings, output);
    await undoMove(source, target);
    output.result(
      { undone: true, to: target.says, serves: file },
      `undone: ${file} is served again, and nothing is left at ${target.says} that could be`,
    );
    return exitCode("ok");
  } finally {
    await target.close();
    source.close();
  }
};

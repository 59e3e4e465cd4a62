/**
 * `mapae users import`: reads JSON lines, sends them in batches, and reports on each line that was not taken over.
 * A line stands alone (docs/decisions/0032): a file of a million accounts has some bad ones, and those must not keep the
 * others out. `--dry-run` tells beforehand; names that are taken already make a second run harmless.
 */
import { createReadStream } from "node:fs";
import type { z } from "zod";
import { importAnswerSchema, type importResultSchema } from "../../operator/imports.ts";
import type { Operator } from "../connection.ts";
import type { Command, Context } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { type JsonLine, readJsonLines } from "../json-lines.ts";
import { plural, printable } from "../text.ts";

type Result = z.infer<typeof importResultSchema>;

/** A request holds at most 64 KiB and 200 lines. */
const BATCH = { lines: 100, bytes: 48_000 };

interface Batch {
  readonly users: { readonly line: number; readonly user: unknown }[];
  readonly refused: Result[];
}

interface Tally {
  taken: number;
  refused: number;
  readonly slow: Map<string, { count: number; ms: number; floor: number }>;
}

function refusal(line: number, code: string, message: string): Result {
  return { line, user_id: null, key: null, refusal: { code, message }, slow_hash: null };
}

async function* batches(lines: AsyncIterable<JsonLine>): AsyncGenerator<Batch> {
  let batch: Batch = { users: [], refused: [] };
  let bytes = 0;
  for await (const { line, size, value, fault } of lines) {
    if (batch.users.length + batch.refused.length >= BATCH.lines || bytes + size > BATCH.bytes) {
      yield batch;
      batch = { users: [], refused: [] };
      bytes = 0;
    }
    if (fault !== null) batch.refused.push(refusal(line, "malformed_json", fault));
    else if (size > BATCH.bytes) batch.refused.push(refusal(line, "too_long", "The line is longer than 48 kB."));
    else {
      batch.users.push({ line, user: value });
      bytes += size + 32; // what stands around it in the request
    }
  }
  yield batch;
}

function source(file: string, { keyboard }: Context): AsyncIterable<Uint8Array | string> {
  return file === "-" ? keyboard.stdin : createReadStream(file);
}

/** In a dry run the server cannot see what earlier batches would have taken: the names of this file are kept here. */
function checkTwice(results: readonly Result[], seen: Set<string>): readonly Result[] {
  return results.map((result) => {
    if (result.key === null) return result;
    if (seen.has(result.key)) return refusal(result.line, "identifier_taken", "An earlier line has this identifier.");
    seen.add(result.key);
    return result;
  });
}

function count(results: readonly Result[], tally: Tally): void {
  for (const { refusal: refused, slow_hash: slow } of results) {
    if (refused === null) tally.taken += 1;
    else tally.refused += 1;
    if (slow === null) continue;
    const known = tally.slow.get(slow.format) ?? { count: 0, ms: 0, floor: slow.floor_ms };
    tally.slow.set(slow.format, { ...known, count: known.count + 1, ms: Math.max(known.ms, slow.ms) });
  }
}

/** Sends everything; reports refused lines as they come. */
async function run(context: Context, operator: Operator, dryRun: boolean): Promise<Tally> {
  const { given, output } = context;
  const tally: Tally = { taken: 0, refused: 0, slow: new Map() };
  const seen = new Set<string>();
  const lines = readJsonLines(source(given.required("file"), context));
  for await (const { users, refused } of batches(lines)) {
    const request = { method: "POST", path: "/v1/operator/imports", body: { dry_run: dryRun, users } } as const;
    const answered = users.length === 0 ? [] : (await operator.ask(importAnswerSchema, request)).results;
    const checked = dryRun ? checkTwice(answered, seen) : answered;
    const results = [...checked, ...refused].sort((a, b) => a.line - b.line);
    count(results, tally);
    for (const result of results) {
      if (output.json) output.result(result, "");
      else if (result.refusal !== null)
        output.result(null, `line ${result.line}: ${printable(result.refusal.message)}`);
    }
    output.progress(`${plural(tally.taken + tally.refused, "line")} …`);
  }
  return tally;
}

export const importUsers: Command = async (context) => {
  const { given, output, operate } = context;
  const dryRun = given.flag("dryRun");
  const tally = await operate((operator) => run(context, operator, dryRun)).catch((error: unknown) => {
    const system = error as NodeJS.ErrnoException;
    if (system.syscall !== "open" && system.syscall !== "read") throw error;
    throw new CommandFailed("failed", `${given.required("file")} cannot be read: ${system.code ?? system.message}`);
  });
  for (const [format, { count: users, ms, floor }] of tally.slow) {
    output.say(
      `mapae: warning: ${plural(users, "hash", "hashes")} of ${format} take ${ms} ms to verify, longer than MAPAE_LOGIN_FLOOR (${floor} ms): ` +
        `until these users have logged in once, a wrong password tells by its time that the account exists. Set the floor above ${ms}ms meanwhile.`,
    );
  }
  const did = dryRun ? "would be taken over" : "taken over";
  output.say(`${plural(tally.taken, "account")} ${did}, ${plural(tally.refused, "line")} refused`);
  return exitCode(tally.refused === 0 ? "ok" : "failed");
};

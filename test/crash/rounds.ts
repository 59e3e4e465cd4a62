/** Rounds of: start the writer, let it work for a random while, kill -9, open what it left, check every acknowledgement. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { environment, FLAGS } from "../processes.ts";
import { Acknowledged, check, type Report, readReports } from "./reports.ts";

const LONGEST_MS = 400;
/** How many earlier rounds are looked at again each time. */
const REMEMBERED = 5;

/** One life of the writer, from its start to its kill. @returns what it acknowledged */
export function lifeOf(file: string): Promise<readonly Report[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...FLAGS, join(import.meta.dirname, "writer.ts"), file], {
      env: environment({}),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let errors = "";
    let doomed = false;
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text;
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (doomed) return;
      doomed = true;
      setTimeout(() => child.kill("SIGKILL"), Math.random() * LONGEST_MS);
    });
    child.once("error", reject);
    child.once("close", (_code, signal) => {
      if (signal === "SIGKILL") resolve(readReports(output));
      else reject(new Error(`the writer ended by itself: ${errors}`));
    });
  });
}

/** A busy machine may acknowledge little between two kills: so many times the rounds are enough for some of each kind. */
const PATIENCE = 5;
const KINDS = ["user", "session", "refreshed", "ended"];

/**
 * @param rounds at least; more, while nothing of some kind was acknowledged
 * @returns how many acknowledgements of each kind were checked
 */
export async function killRepeatedly(file: string, rounds: number): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const earlier: Report[][] = [];
  const lacks = (): boolean => KINDS.some((kind) => !counts.has(kind));
  for (let round = 0; round < rounds || (lacks() && round < PATIENCE * rounds); round += 1) {
    const reports = await lifeOf(file);
    for (const { kind } of reports) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const now = new Acknowledged();
    now.add(reports);
    const before = new Acknowledged();
    before.add(earlier.flat());
    await check(file, now, before);
    earlier.push([...reports]);
    if (earlier.length > REMEMBERED) earlier.shift();
  }
  assert.equal(counts.get("unavailable") ?? 0, 0);
  return counts;
}

/** The real program, killed -9 in the middle of a move, again and again: the next run goes on, and ends right. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mapae } from "../cli/mapae.ts";
import { type Postgres, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { temporaryFolder } from "../processes.ts";
import { fill, randomOf } from "./fill.ts";
import { fileIn, move, moveAndKill, moveUntil, rowsOfDatabase, rowsOfFile, targetOf } from "./stage.ts";

const skip = withoutPostgres();
/** Several pages of each table. */
const ROWS = 2_500;
const KILLS = 5;
const SEED = 20_261_123;

let postgres: Postgres;
before(async () => {
  if (skip !== false) return;
  const started = await startPostgres();
  assert(started !== null);
  postgres = started;
});
after(async () => postgres?.remove());

test("killed at many moments, a move goes on each time from where it was, and every row arrives once", {
  skip,
  timeout: 180_000,
}, async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  fill(fileIn(folder), SEED, () => ROWS);
  const target = targetOf(await postgres.database());
  const random = randomOf(SEED);
  const carried = async (): Promise<number> => {
    const [sum] = await postgres.query<{ rows: string | null }>(
      "SELECT sum(rows) AS rows FROM move_tables",
      target.url,
    );
    return Number(sum?.rows ?? 0);
  };
  let before = 0;
  for (let kill = 1; kill <= KILLS; kill += 1) {
    // After so many lines of what it tells, and a moment of the dice.
    const lines = 1 + kill * 2;
    const wait = random() * 20;
    let seen: number | null = null;
    const killed = await moveAndKill(folder, target, (told) => {
      if (told.split("\n").length > lines) seen ??= performance.now();
      if (seen === null) return false;
      while (performance.now() - seen < wait);
      return true;
    });
    assert.ok(killed, "it was still at work");
    const now = await carried();
    assert.ok(now >= before, "nothing that was carried over is lost");
    before = now;
    const served = await mapae(folder, ["users", "list"], { settings: target.serving });
    assert.match(served.stderr, /is being filled by a move/);
  }
  const ended = await move(folder, target);
  assert.equal(ended.code, 0, ended.stderr);
  assert.match(ended.stderr, /^A move was begun: it goes on\.\n[\d,]+ rows to carry over, [\d,]+ are there\n/);
  assert.deepEqual(await rowsOfDatabase(target.url), rowsOfFile(fileIn(folder)));
});

test("a database that goes away in the middle says to try again, and the move goes on when it is back", {
  skip,
  timeout: 120_000,
}, async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  fill(fileIn(folder), SEED, () => ROWS);
  const target = targetOf(await postgres.database());
  let over = false;
  const first = move(folder, target).finally(() => {
    over = true;
  });
  // Whoever carries rows over is thrown out.
  const throwOut = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE query LIKE 'WITH noted%' AND datname = current_database() AND pid <> pg_backend_pid()`;
  while (!over && (await postgres.query(throwOut, target.url)).length === 0);
  const ran = await first;
  assert.equal(ran.code, 75, ran.stderr);
  assert.match(
    ran.stderr,
    /^mapae: the (connection|database) .+: run the same command again, and it goes on where it stopped$/m,
  );
  const again = await move(folder, target);
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual(await rowsOfDatabase(target.url), rowsOfFile(fileIn(folder)));
});

test("Ctrl-C ends a move behind the page under way, says that the file is as it was, and exits with 130", {
  skip,
  timeout: 120_000,
}, async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  fill(fileIn(folder), SEED, () => ROWS);
  const target = targetOf(await postgres.database());
  const { code, told } = await moveUntil(folder, target, "SIGINT", (text) => text.includes("carried over"));
  assert.equal(code, 130, told);
  assert.match(told, /^mapae: interrupted; .+mapae\.db is as it was: run the same command again, and it goes on/m);
  assert.equal((await move(folder, target)).code, 0);
  assert.deepEqual(await rowsOfDatabase(target.url), rowsOfFile(fileIn(folder)));
});

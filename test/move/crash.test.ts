/**
 * A move that ends anywhere: after each of its durable steps, and so before each next one, on the real engines. Whatever
 * follows (it is run again, a program uses the file in between, it is undone first), nothing is served twice, and it ends
 * right.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { systemWorld } from "../../packages/server/src/prelude/world.ts";
import { type MoveOutcome, move } from "../../packages/server/src/storage/move/move.ts";
import { MoveSource } from "../../packages/server/src/storage/move/source.ts";
import { MoveTarget } from "../../packages/server/src/storage/move/target.ts";
import { undoMove } from "../../packages/server/src/storage/move/undo.ts";
import { readAddress } from "../../packages/server/src/storage/postgres/address.ts";
import { openSqlite } from "../../packages/server/src/storage/sqlite/sqlite.ts";
import { type Postgres, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { temporaryFolder } from "../processes.ts";
import { fill } from "./fill.ts";
import { rowsOfDatabase, rowsOfFile } from "./stage.ts";

const skip = withoutPostgres();
const DURABLE = ["setMark", "begin", "put", "finish", "empty"];
const FILLED = ["users", "sessions", "grants"];
const QUIET = { begins: () => {}, step: () => {} };

let postgres: Postgres;
before(async () => {
  if (skip !== false) return;
  const started = await startPostgres({ settings: { fsync: "off" } });
  assert(started !== null);
  postgres = started;
});
after(async () => postgres?.remove());

class Crash extends Error {}

/** Ends the program after its nth durable step; 0: never. */
class Fuse {
  left: number;

  constructor(steps: number) {
    this.left = steps;
  }

  over<T extends object>(side: T): T {
    return new Proxy(side, {
      get: (target, name): unknown => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        const call = (...args: unknown[]): unknown => Reflect.apply(value, target, args);
        if (!DURABLE.includes(String(name))) return call;
        return (...args: unknown[]): unknown => {
          this.left -= 1;
          if (this.left !== 0) return call(...args);
          const done = call(...args);
          if (!(done instanceof Promise)) throw new Crash();
          return done.then(() => {
            throw new Crash();
          });
        };
      },
    });
  }
}

async function run<T>(
  file: string,
  url: string,
  fuse: Fuse,
  work: (source: MoveSource, target: MoveTarget) => Promise<T>,
) {
  const source = MoveSource.open(file);
  const target = new MoveTarget(readAddress(url, null), 20_000, systemWorld);
  try {
    return await work(fuse.over(source), fuse.over(target));
  } catch (error) {
    if (error instanceof Crash) return "crashed";
    throw error;
  } finally {
    await target.close();
    source.close();
  }
}

function moving(file: string, url: string, fuse = new Fuse(0)): Promise<MoveOutcome | "crashed"> {
  return run(file, url, fuse, (source, target) =>
    move({ source, target, world: systemWorld, tell: QUIET, stopped: () => false, page: 3 }),
  );
}

async function assertOnePlace(file: string, url: string): Promise<void> {
  const source = MoveSource.look(file);
  const [served] = await postgres.query<{ found: string | null }>("SELECT to_regclass('state')::text AS found", url);
  const states = served?.found == null ? [] : await postgres.query("SELECT 1 FROM state", url);
  assert.ok(!(source.mark?.gone !== true && states.length > 0), "served at two places");
  source.close();
}

/** What an operator does after the crash, before the move is run again. */
const AFTERWARDS: Readonly<Record<string, (file: string, url: string) => Promise<void>>> = {
  "run again": async () => {},
  "run again after a server was on the file, where that was possible": async (file) => {
    const opened = await openSqlite(file, systemWorld).catch(() => null);
    if (opened === null) return;
    await opened.check();
    await opened.close();
    const source = MoveSource.look(file);
    assert.equal(source.mark, null);
    source.close();
  },
  "undone, and run again": async (file, url) => {
    await run(file, url, new Fuse(0), undoMove).catch((error: Error) => {
      assert.match(error.message, /^There is nothing to undo/);
    });
    await assertOnePlace(file, url);
    const source = MoveSource.look(file);
    assert.notEqual(source.mark?.gone, true);
    source.close();
  },
};

for (const [what, afterwards] of Object.entries(AFTERWARDS)) {
  test(`broken off after any of its steps and ${what}, a move ends right`, {
    skip,
    timeout: 180_000,
  }, async (t) => {
    const folder = temporaryFolder((task) => t.after(task));
    let crashed = true;
    for (let step = 1; crashed; step += 1) {
      const file = join(folder, `${step}`, "mapae.db");
      fill(file, step, (table) => (FILLED.includes(table) ? 4 : 0));
      const url = await postgres.schema();
      crashed = (await moving(file, url, new Fuse(step))) === "crashed";
      await assertOnePlace(file, url);
      if (crashed) await afterwards(file, url);
      const outcome = await moving(file, url);
      assert.ok(outcome !== "crashed" && (outcome.kind === "moved" || outcome.kind === "already"));
      await assertOnePlace(file, url);
      assert.deepEqual(await rowsOfDatabase(url), rowsOfFile(file));
      if (!crashed) assert.ok(step > 9, `there are steps to be broken off at: ${step}`);
    }
  });
}

test("an undoing that is broken off is finished by running it again", { skip, timeout: 60_000 }, async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  for (const step of [1, 2]) {
    const file = join(folder, `${step}`, "mapae.db");
    fill(file, step, () => 3);
    const rows = rowsOfFile(file);
    const url = await postgres.schema();
    await moving(file, url);
    assert.equal(await run(file, url, new Fuse(step), undoMove), "crashed");
    await assertOnePlace(file, url);
    await run(file, url, new Fuse(0), undoMove).catch((error: Error) => {
      assert.match(error.message, /^There is nothing to undo/);
    });
    await (await openSqlite(file, systemWorld)).close();
    assert.deepEqual(rowsOfFile(file), rows);
    assert.deepEqual([...(await rowsOfDatabase(url)).values()].flat(), []);
  }
});

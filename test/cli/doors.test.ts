/** Who may be beside whom: two servers on one folder, a server after a kill -9, a database that nobody else can reach. */
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { startLoginServer, temporaryFolder } from "../processes.ts";
import { documents, mapae } from "./mapae.ts";

describe("the doors of a data folder", { concurrency: true }, () => {
  test("a second server on one data folder is refused in one line", async (t) => {
    const folder = temporaryFolder((task) => t.after(task));
    const server = await startLoginServer(folder);
    t.after(() => server.stop());
    const second = await mapae(folder, ["serve"]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /^mapae: Another process uses the database .+\n$/);

    const elsewhere = await mapae(folder, ["serve"], { settings: { MAPAE_DATABASE_URL: `sqlite:${folder}/other.db` } });
    assert.equal(elsewhere.code, 1, "another database, but the same socket");
    assert.match(elsewhere.stderr, /^mapae: Another Mapae runs on the data folder .+\n$/);
    assert.equal((await mapae(folder, ["users", "list"])).code, 0, "the first one's socket still answers");
  });

  test("after a kill -9 the socket that is left stops neither the command line nor the next server", async (t) => {
    const folder = temporaryFolder((task) => t.after(task));
    const socket = join(folder, "data/mapae.sock");
    const first = await startLoginServer(folder);
    await first.kill();
    assert.ok(existsSync(socket), "a killed server leaves its socket");
    const alone = await mapae(folder, ["users", "create", "kim@example.com", "--password-stdin"], {
      stdin: "seven grey herons at noon",
    });
    assert.equal(alone.code, 0, alone.stderr);
    const next = await startLoginServer(folder);
    t.after(() => next.stop());
    assert.equal(documents(await mapae(folder, ["users", "list", "--json"])).length, 1);
    assert.equal(await next.stop(), 0);
    assert.ok(!existsSync(socket), "a server that ends removes its socket");
  });

  test("a file that is no socket is never removed to make room for one", async (t) => {
    const folder = temporaryFolder((task) => t.after(task));
    const data = join(folder, "data");
    assert.equal((await mapae(folder, ["clients", "create", "api"])).code, 0);
    writeFileSync(join(data, "mapae.sock"), "something of somebody's");
    const refused = await mapae(folder, ["serve"]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^mapae: .+mapae\.sock is no socket, and in the way of one: remove it\.\n$/);
  });

  test("an in-memory database cannot be reached from outside, and the command line says so", async (t) => {
    const folder = temporaryFolder((task) => t.after(task));
    const settings = { MAPAE_DATABASE_URL: "memory:" };
    const server = await startLoginServer(folder, settings);
    t.after(() => server.stop());
    const ran = await mapae(folder, ["users", "list"], { settings });
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /^mapae: an in-memory database lives inside its server/);
    assert.ok(!existsSync(join(folder, "data")), "and it leaves nothing on the disk");
  });
});

/** A disk that is full: 503, nothing half done, and all goes on once there is room. The disk is a real, small file system. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Unavailable } from "../../packages/server/src/prelude/fault.ts";
import { newFolder, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { nodeSettings, openNode } from "./cluster.ts";

/** A database takes some 10 MB of it. */
const MEGABYTES = 32;

test("a full disk is 503 and nothing is half done; with room again all goes on, and the log has no gap", {
  skip: withoutPostgres(),
  timeout: 120_000,
}, async (t) => {
  const disk = newFolder();
  const { uid, gid } = statSync(disk);
  const options = `size=${MEGABYTES}m,mode=700,uid=${uid},gid=${gid}`;
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", disk]);
  if (mounted.status !== 0) {
    await rm(disk, { recursive: true });
    t.skip("*** only root can make a small file system: a full disk is left out ***");
    return;
  }
  const postgres = await startPostgres({ settings: { fsync: "off" } });
  assert.ok(postgres !== null);
  t.after(async () => {
    await postgres.remove();
    spawnSync("umount", [disk]);
    await rm(disk, { recursive: true });
  });
  await postgres.query(`CREATE TABLESPACE small LOCATION '${disk}'`);
  const url = await postgres.database();
  await postgres.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET TABLESPACE small`);
  const node = await openNode(nodeSettings(url));
  t.after(() => node.close());
  const { storage } = node.server.operations;
  await node.signUp("kim");
  const { refresh } = await node.logIn("kim");

  const filler = join(disk, "filler");
  assert.throws(() => {
    for (let part = 0; part < MEGABYTES; part += 1) writeFileSync(`${filler}-${part}`, Buffer.alloc(2 ** 20));
  }, /ENOSPC/);
  let written = 0;
  const write = () =>
    storage.revocation.apply([
      { effect: "revoke", kind: "token", value: `${written}`.padEnd(3_000, "x"), reason: "admin" },
    ]);
  await assert.rejects(
    async () => {
      for (; written < 5_000; written += 1) await write();
    },
    (error) => error instanceof Unavailable && /disk is full/.test(error.message),
  );
  await assert.rejects(write(), Unavailable);

  for (let part = 0; part < MEGABYTES; part += 1) await rm(`${filler}-${part}`, { force: true });
  await write();
  written += 1;
  assert.equal((await node.refresh(refresh)).status, 200);
  assert.equal((await node.call("GET", "/readyz")).status, 200);
  const entries = await storage.revocation.after({ epoch: 0, seq: 0 }, 10_000);
  assert.deepEqual(
    entries.map(({ seq }) => seq),
    Array.from({ length: written }, (_, index) => index + 1),
  );
});

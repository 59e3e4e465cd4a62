import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { environment, FLAGS, temporaryFolder } from "../processes.ts";
import { Acknowledged, check, readReports } from "./reports.ts";

/** Files of the writer may grow to this many blocks of 512 bytes: some 2 MB of write-ahead log. */
const BLOCKS = 4000;
const OUTAGE_MS = 300;
const AFTER_MS = 500;

const linux = process.platform === "linux" && spawnSync("prlimit", ["--version"]).status === 0;

test("when files can grow no further, writes are unavailable and none is lost; when they can, the server goes on by itself", {
  skip: linux ? false : "needs prlimit (Linux)",
}, async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const file = join(folder, "mapae.db");
  const command = [process.execPath, ...FLAGS, join(import.meta.dirname, "writer.ts"), file];
  // A soft limit on the size of files: the kernel refuses the write that crosses it, as it does on a full disk.
  const child = spawn("/bin/sh", ["-c", `ulimit -S -f ${BLOCKS}; exec "$@"`, "sh", ...command], {
    env: environment({}),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  let recovered = "";
  await new Promise<void>((resolve, reject) => {
    let outage = false;
    child.once("error", reject);
    child.once("close", (_code, signal) => {
      if (signal === "SIGKILL") resolve();
      else reject(new Error("the writer ended by itself"));
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (outage || !output.includes('"unavailable"')) return;
      outage = true;
      setTimeout(() => {
        spawnSync("prlimit", ["--pid", String(child.pid), "--fsize=unlimited"]);
        const during = output.length;
        setTimeout(() => {
          recovered = output.slice(during);
          child.kill("SIGKILL");
        }, AFTER_MS);
      }, OUTAGE_MS);
    });
  });
  const acknowledged = new Acknowledged();
  const reports = readReports(output);
  acknowledged.add(reports);
  assert(reports.some(({ kind }) => kind === "unavailable"));
  assert(acknowledged.users.size > 0);
  assert(recovered.includes('"refreshed"'), "nothing was acknowledged after the disk had room again");
  await check(file, acknowledged, new Acknowledged());
});

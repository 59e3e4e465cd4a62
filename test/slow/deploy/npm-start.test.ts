/** `npm start` as a service manager uses it: npm gets the signal, and the server has to hear of it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT, temporaryFolder } from "../../processes.ts";

const WAIT_MS = 60_000;

test("SIGTERM to npm start ends the server gracefully, and leaves nothing behind", async (t) => {
  const data = join(
    temporaryFolder((task) => t.after(task)),
    "data",
  );
  const env = { ...process.env, MAPAE_PORT: "0", MAPAE_DATA: data, MAPAE_LOG_LEVEL: "warn" };
  const npm = spawn("npm", ["start"], { cwd: ROOT, env, stdio: ["ignore", "ignore", "pipe"] });
  let told = "";
  const said = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`it never said ${pattern}:\n${told}`)), WAIT_MS);
      const look = () => {
        const found = pattern.exec(told);
        if (found === null) return;
        clearTimeout(late);
        resolve(found[1] ?? "");
      };
      npm.stderr.on("data", look);
      look();
    });
  npm.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  // The pipe closes when the last process that holds it is gone: npm, its shell, the launcher and the server.
  const closed = new Promise<void>((resolve) => npm.stderr.once("close", () => resolve()));
  const url = await said(/ready at (http:\/\/localhost:\d+)/);
  assert.equal((await fetch(`${url}/readyz`)).status, 200);
  npm.kill("SIGTERM");
  await said(/SIGTERM: (finishing)/);
  await closed;
  await assert.rejects(fetch(`${url}/readyz`));
});

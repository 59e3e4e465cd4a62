/** A real login server in a process of its own, for benchmarks: started, asked, measured from outside, stopped. */
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Connection } from "./load.js";

const BIN = fileURLToPath(new URL("../packages/server/src/bin.ts", import.meta.url));
export const PASSWORD = "a long passphrase for benchmarks";
export async function temporaryFolder() {
  const folder = await mkdtemp(join(tmpdir(), "mapae-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
export async function startLoginServer(data, settings = {}) {
  const spawned = performance.now();
  const child = spawn(process.execPath, [...process.execArgv, BIN, "serve"], {
    env: { ...process.env, MAPAE_DATA: data, MAPAE_PORT: "0", MAPAE_RATE_LIMIT: "off", ...settings },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let told = "";
  const port = await new Promise((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text) => {
      told += text;
      const ready = /ready at http:\/\/localhost:(\d+)/.exec(told)?.[1];
      if (ready !== undefined) resolve(Number(ready));
    });
    child.once("exit", () => reject(new Error(`the server did not start: ${told}`)));
  });
  const probe = await Connection.open(port);
  const answer = await probe.send("GET", "/readyz");
  if (answer.status !== 200) throw new Error(`/readyz answered ${answer.status}`);
  const startedIn = performance.now() - spawned;
  probe.close();
  const metric = async (name) => {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    const value = new RegExp(`^${name} (\\S+)$`, "m").exec(await response.text())?.[1];
    if (value === undefined) throw new Error(`/metrics has no ${name}`);
    return Number(value);
  };
  return {
    port,
    startedIn,
    cpuSeconds: () => metric("process_cpu_seconds_total"),
    residentMb: async () => (await metric("process_resident_memory_bytes")) / 1e6,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.kill("SIGTERM");
      }),
  };
}
/** Signs up if needed and logs in. Throws where the server says no. */
export async function logIn(connection, identifier) {
  const json = JSON.stringify({ identifier, password: PASSWORD });
  const made = await connection.send("POST", "/v1/users", { json });
  if (made.status !== 201 && made.status !== 409) throw new Error(`sign-up answered ${made.status}: ${made.body}`);
  const answer = await connection.send("POST", "/v1/sessions", { json });
  if (answer.status !== 201) throw new Error(`log-in answered ${answer.status}: ${answer.body}`);
  const { access_token, refresh_token } = JSON.parse(answer.body);
  return { accessToken: String(access_token), refreshToken: String(refresh_token) };
}
/** Refreshes in place. */
export async function refresh(connection, held) {
  const json = `{"refresh_token":"${held.refreshToken}"}`;
  const answer = await connection.send("POST", "/v1/sessions/refresh", { json });
  if (answer.status !== 200) throw new Error(`refresh answered ${answer.status}: ${answer.body}`);
  const next = /"refresh_token":"([^"]+)"/.exec(answer.body)?.[1];
  if (next === undefined) throw new Error("a refresh without a refresh token");
  held.refreshToken = next;
}

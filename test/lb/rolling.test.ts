/**
 * Every node restarted in turn under load, as an upgrade does: three real servers on a real PostgreSQL behind a real HAProxy
 * with the configuration that `mapae lb haproxy` writes. People log in, ask, refresh and log out all the time, and none of
 * them may notice.
 */
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mapae } from "../cli/mapae.ts";
import { startPostgres, withoutPostgres } from "../components/postgres.ts";
import { freePort, programOf, runAsNobody } from "../gate/stage.ts";
import { answered, eventually } from "../nodes/cluster.ts";
import { type Running, startLoginServer, temporaryFolder } from "../processes.ts";
import { type Answer, PASSWORD, type Tokens, text, tokensOf } from "../stage.ts";

const NODES = 3;
const PEOPLE = 6;
const program = programOf("haproxy");
const skip = program === null ? "haproxy is not installed" : withoutPostgres();

test("a rolling restart of all nodes behind HAProxy, under load: no request fails, and nobody is logged out", {
  skip,
  timeout: 240_000,
}, async (t) => {
  const postgres = await startPostgres();
  assert.ok(postgres !== null);
  t.after(() => postgres.remove());
  const url = await postgres.database();
  const folder = temporaryFolder((task) => t.after(task));
  chmodSync(folder, 0o777);
  const front = await freePort();
  const issuer = `http://localhost:${front}`;
  const ports = await Promise.all(Array.from({ length: NODES }, () => freePort()));
  const startNode = (port: number): Promise<Running> =>
    startLoginServer(
      temporaryFolder((task) => t.after(task)),
      {
        MAPAE_PORT: String(port),
        MAPAE_DATABASE_URL: url,
        MAPAE_SECRET: "s".repeat(40),
        MAPAE_ISSUER: issuer,
        MAPAE_TRUSTED_PROXIES: "127.0.0.1",
        MAPAE_SHUTDOWN_DELAY: "2s",
        MAPAE_RATE_LIMIT: "off",
        MAPAE_LOGIN_FLOOR: "0",
      },
    ).then((running) => ({ ...running, url: `http://127.0.0.1:${port}` }));
  // What says that it is ready names the issuer, which has no port of its own here.
  const nodes: Running[] = [];
  t.after(async () => {
    for (const node of nodes) await node.kill();
  });
  for (const port of ports) nodes.push(await startNode(port));

  const servers = ports.flatMap((port, index) => ["--server", `node${index}=127.0.0.1:${port}`]);
  const made = await mapae(folder, ["lb", "haproxy", ...servers, "--listen", `127.0.0.1:${front}`]);
  assert.equal(made.code, 0, made.stderr);
  const file = join(folder, "haproxy.cfg");
  writeFileSync(file, made.stdout.replace("maxconn 10000", "maxconn 200"));
  runAsNobody(t, program ?? "", ["-db", "-f", file], folder);
  await eventually("an answer", async () => (await fetch(`${issuer}/readyz`).catch(() => null))?.status === 200);

  let going = true;
  let requests = 0;
  const failed: string[] = [];
  const call = async (method: string, path: string, ask: Parameters<typeof answered>[3] = {}): Promise<Answer> => {
    requests += 1;
    const answer = await answered(issuer, method, path, ask).catch((error: Error) => {
      failed.push(`${method} ${path}: ${error.message} (${String(error.cause)})`);
      throw error;
    });
    if (answer.status >= 400) failed.push(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 200)}`);
    return answer;
  };
  const live = async (identifier: string): Promise<void> => {
    await call("POST", "/v1/users", { body: { identifier, password: PASSWORD } });
    while (going) {
      let tokens: Pick<Tokens, "access" | "refresh"> = tokensOf(
        await call("POST", "/v1/sessions", { body: { identifier, password: PASSWORD } }),
      );
      for (let turn = 0; turn < 6 && going; turn += 1) {
        await call("GET", "/v1/me", { token: tokens.access });
        const { body } = await call("POST", "/v1/sessions/refresh", { body: { refresh_token: tokens.refresh } });
        tokens = { access: text(body.access_token), refresh: text(body.refresh_token) };
        await new Promise((wake) => setTimeout(wake, 50));
      }
      await call("DELETE", "/v1/sessions/current", { token: tokens.access });
    }
  };
  const people = Promise.all(
    Array.from({ length: PEOPLE }, (_, index) =>
      live(`person${index}`).catch((error: Error) => failed.push(error.message)),
    ),
  );
  for (const [index, port] of ports.entries()) {
    const before = requests;
    assert.equal(await nodes[index]?.stop(), 0);
    nodes[index] = await startNode(port);
    // The next one only when the balancer has this one back, as every rollout does.
    await new Promise((wake) => setTimeout(wake, 3_000));
    assert.deepEqual(failed, []);
    assert.ok(requests > before);
  }
  going = false;
  await people;
  assert.deepEqual(failed, []);
  assert.ok(requests > 100, `${requests} requests`);
});

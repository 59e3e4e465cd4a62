/** The end of a server, as a load balancer sees it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { environment, LOGIN_SERVER, start, temporaryFolder } from "../processes.ts";

test("told to stop, the server says so at /readyz and goes on taking requests until balancers have noticed", async (context) => {
  const folder = temporaryFolder((task) => context.after(task));
  const settings = { MAPAE_PORT: "0", MAPAE_DATABASE_URL: "memory:", MAPAE_SHUTDOWN_DELAY: "2s" };
  const server = await start([LOGIN_SERVER, "serve"], environment(settings), folder);
  assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
  const stopped = server.stop();
  let ready = 200;
  for (let look = 0; ready === 200 && look < 100; look += 1) {
    await setTimeout(10);
    ready = (await fetch(`${server.url}/readyz`)).status;
  }
  assert.equal(ready, 503);
  const answer = await fetch(`${server.url}/v1/users`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ identifier: "late@example.com", password: "a long passphrase" }),
  });
  assert.equal(answer.status, 201);
  assert.equal(await stopped, 0);
});

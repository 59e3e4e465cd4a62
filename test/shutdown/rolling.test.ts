/**
 * A rolling stop under keep-alive load: what was sent on a connection that the server had kept alive is answered. A client
 * that connects at the moment of the stop may find nobody; one that was told "keep-alive" may not be cut off.
 */
import assert from "node:assert/strict";
import { Agent, type IncomingMessage, request } from "node:http";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { environment, LOGIN_SERVER, start, temporaryFolder } from "../processes.ts";

const CLIENTS = 12;
/** Between two requests of a client, so that most connections are idle at any moment. */
const PAUSE_MS = 15;

interface Tally {
  answered: number;
  /** Requests that were answered on a connection that had been kept alive. */
  kept: number;
  readonly lost: string[];
}

/** One request. @returns whether the server takes more */
function ask(url: string, agent: Agent, tally: Tally): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request(`${url}/healthz`, { agent }, (answer: IncomingMessage) => {
      answer.resume();
      answer.once("end", () => {
        tally.answered += 1;
        if (asking.reusedSocket) tally.kept += 1;
        resolve(true);
      });
    });
    asking.once("error", (error: NodeJS.ErrnoException) => {
      if (asking.reusedSocket) tally.lost.push(error.code ?? error.message);
      resolve(false);
    });
    asking.end();
  });
}

for (const delay of ["0s", "1s"]) {
  test(`told to stop under keep-alive load, with ${delay} for balancers, the server loses no request on a kept connection`, async (context) => {
    const folder = temporaryFolder((task) => context.after(task));
    const settings = { MAPAE_PORT: "0", MAPAE_DATABASE_URL: "memory:", MAPAE_SHUTDOWN_DELAY: delay };
    const server = await start([LOGIN_SERVER, "serve"], environment(settings), folder);
    const tally: Tally = { answered: 0, kept: 0, lost: [] };
    const clients = Array.from({ length: CLIENTS }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (await ask(server.url, agent, tally)) await setTimeout(PAUSE_MS);
      agent.destroy();
    });
    while (tally.kept < 10 * CLIENTS) await setTimeout(10);
    assert.equal(await server.stop(), 0);
    await Promise.all(clients);
    assert.deepEqual(tally.lost, []);
  });
}

test("told to stop, the server ends each connection with the next answer, and says so", async (context) => {
  const folder = temporaryFolder((task) => context.after(task));
  const settings = { MAPAE_PORT: "0", MAPAE_DATABASE_URL: "memory:", MAPAE_SHUTDOWN_DELAY: "2s" };
  const server = await start([LOGIN_SERVER, "serve"], environment(settings), folder);
  const before = await fetch(`${server.url}/healthz`);
  assert.equal(before.headers.get("connection"), "keep-alive");
  const stopped = server.stop();
  let told: string | null = null;
  for (let look = 0; told !== "close" && look < 100; look += 1) {
    await setTimeout(10);
    told = (await fetch(`${server.url}/healthz`)).headers.get("connection");
  }
  assert.equal(told, "close");
  assert.equal(await stopped, 0);
});

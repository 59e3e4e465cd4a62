/** The components themselves: what the tests that use them take for granted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { needsRedis, startRedis, startReplicated, until } from "./redis.ts";

test("a server that was killed starts again with what it acknowledged", needsRedis, async (t) => {
  const server = await startRedis(t);
  assert.equal(await server.ask("SET", "key", "value"), "OK");
  await server.kill();
  await assert.rejects(server.ask("PING"));
  await server.start();
  assert.equal(await server.ask("GET", "key"), "value");
});

test(
  "a replica that was cut off is promoted without what came after, and with what came before",
  needsRedis,
  async (t) => {
    const replicated = await startReplicated(t);
    const first = await replicated.primary();
    await first.ask("SET", "before", "1");
    await until("replication", async () => {
      const values = await Promise.all(replicated.servers.map((server) => server.ask("GET", "before")));
      return values.every((value) => value === "1");
    });
    await replicated.cut(first);
    await first.ask("SET", "after", "1");
    await first.kill();
    const promoted = await replicated.failedOver(first);
    assert.deepEqual([await promoted.ask("GET", "before"), await promoted.ask("GET", "after")], ["1", null]);
  },
);

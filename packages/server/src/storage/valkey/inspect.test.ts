import assert from "node:assert/strict";
import { test } from "node:test";
import { type Info, inspect, parseInfo } from "./inspect.ts";

const GOOD: Info = {
  redis_version: "7.2.4",
  redis_mode: "standalone",
  role: "master",
  maxmemory_policy: "noeviction",
  aof_enabled: "1",
  connected_slaves: "2",
};
const refusal = (change: Info) => inspect({ ...GOOD, ...change }, 1, 0).refusal ?? "";

test("a primary that keeps what it has is taken without a word", () => {
  assert.deepEqual(inspect(GOOD, 1, 0), { refusal: null, warnings: [] });
  assert.deepEqual(inspect({ ...GOOD, connected_slaves: "0" }, 0, -59_000), { refusal: null, warnings: [] });
});

for (const [what, change, says] of [
  ["drops sessions when it is full", { maxmemory_policy: "allkeys-lru" }, /allkeys-lru.*noeviction/],
  ["drops what has an expiry", { maxmemory_policy: "volatile-ttl" }, /volatile-ttl/],
  ["is a replica", { role: "slave" }, /replica/],
  ["is of a cluster", { redis_mode: "cluster" }, /cluster/],
  ["is too old", { redis_version: "6.2.14" }, /6\.2\.14/],
  ["says nothing of itself", { redis_version: "" }, /version/],
] as const) {
  test(`a server that ${what} is refused`, () => assert.match(refusal(change), says));
}

for (const [what, change, waits, drift, says] of [
  ["without an append-only file", { aof_enabled: "0" }, 1, 0, /or everyone/],
  ["without a replica to wait for", { connected_slaves: "0" }, 1, 0, /no log-in succeeds/],
  ["with no replica to spare", { connected_slaves: "1" }, 1, 0, /add another/],
  ["whose replicas nobody waits for", {}, 0, 0, /MAPAE_VALKEY_WAIT=0/],
  ["whose clock is off", {}, 1, -61_000, /61 s/],
] as const) {
  test(`of a server ${what}, the operator is told`, () => {
    const { refusal: none, warnings } = inspect({ ...GOOD, ...change }, waits, drift);
    assert.equal(none, null);
    assert.equal(warnings.length, 1);
    assert.match(warnings.join(), says);
  });
}

test("INFO is read line by line", () => {
  assert.deepEqual(parseInfo("# Server\r\nredis_version:7.0.15\r\nexecutable:/a:b\r\n\r\n"), {
    redis_version: "7.0.15",
    executable: "/a:b",
  });
});

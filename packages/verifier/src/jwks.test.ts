import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { nodeEngine } from "./engine.ts";
import type { Net } from "./exchange.ts";
import type { BoundKey, Jwk } from "./jose/keys.ts";
import { type KeyPlace, type KeySupply, remoteSupply } from "./jwks.ts";

const SECOND = 1_000;
const LIMITS = {
  age: { shortest: 30 * SECOND, longest: 600 * SECOND, usual: 300 * SECOND },
  cooldown: 10 * SECOND,
  timeout: 5 * SECOND,
};
const URI = "https://issuer.test/jwks.json";

function ec(kid: string): Jwk {
  return { ...generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" }), kid };
}
const ONE = ec("one");
const TWO = ec("two");

type Reply = () => Promise<Response> | Response;

interface World {
  time: number;
  reply: Reply;
  readonly asked: string[];
  readonly timers: Set<{ at: number; run: () => void }>;
  readonly net: Net;
  /** Lets time pass; timers run when they are due. */
  pass(ms: number): Promise<void>;
}

/** A world whose time stands still, and whose network answers what the test says. */
function stoppedWorld(reply: Reply): World {
  const timers: World["timers"] = new Set();
  const asked: string[] = [];
  const world: World = {
    time: 1_000_000,
    reply,
    asked,
    timers,
    net: {
      now: () => world.time,
      after(ms, run) {
        const timer = { at: world.time + ms, run };
        timers.add(timer);
        return () => void timers.delete(timer);
      },
      async fetch(url, init) {
        asked.push(url);
        const stop = new Promise<never>((_, reject) => {
          init.signal?.addEventListener("abort", () => reject(new Error("aborted")));
        });
        return Promise.race([stop, Promise.resolve(world.reply())]);
      },
    },
    async pass(ms: number) {
      const until = world.time + ms;
      for (;;) {
        const next = [...timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers.delete(next);
        world.time = Math.max(world.time, next.at);
        next.run();
        await settled();
      }
      world.time = until;
    },
  };
  return world;
}

/** Lets everything that is ready to run, run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

function jwks(keys: readonly unknown[], headers: Record<string, string> = {}): Reply {
  return () => Response.json({ keys }, { headers });
}

const DOWN: Reply = () => new Response("no", { status: 503 });

function supplyIn(world: World, place: KeyPlace = { jwksUri: URI }) {
  let changes = 0;
  const supply: KeySupply<BoundKey> = remoteSupply({
    place,
    algorithms: [],
    limits: LIMITS,
    net: world.net,
    bind: nodeEngine.bindSet,
    changed: () => {
      changes += 1;
    },
  });
  return { supply, changes: () => changes };
}

function knows(supply: KeySupply<BoundKey>, kid: string): boolean {
  return supply.current()?.select({ alg: "ES256", kid }) !== undefined;
}

describe("keys of an issuer", () => {
  test("are not fetched before somebody asks, and then once for everybody", async () => {
    const world = stoppedWorld(jwks([ONE]));
    const { supply } = supplyIn(world);
    assert.equal(world.asked.length, 0);
    await Promise.all(Array.from({ length: 1_000 }, () => supply.ready()));
    assert.deepEqual(world.asked, [URI]);
    assert.equal(knows(supply, "one"), true);
  });

  test("are fetched again when they have aged, also if nobody asks, and a key that was removed is gone then", async () => {
    const world = stoppedWorld(jwks([ONE, TWO], { "cache-control": "max-age=60" }));
    const { supply, changes } = supplyIn(world);
    await supply.ready();
    world.reply = jwks([TWO], { "cache-control": "max-age=60" });
    await world.pass(59 * SECOND);
    assert.equal(knows(supply, "one"), true);
    await world.pass(1 * SECOND);
    assert.equal(knows(supply, "one"), false);
    assert.equal(knows(supply, "two"), true);
    assert.equal(changes(), 2);
  });

  test("an issuer that withdraws every key is believed", async () => {
    const world = stoppedWorld(jwks([ONE]));
    const { supply } = supplyIn(world);
    await supply.ready();
    world.reply = jwks([]);
    await world.pass(LIMITS.age.usual);
    assert.equal(knows(supply, "one"), false);
    assert.equal(supply.reachable(), true);
  });

  test("a refresh that brings the same keys is no change", async () => {
    const world = stoppedWorld(jwks([ONE]));
    const { supply, changes } = supplyIn(world);
    await supply.ready();
    const before = supply.current();
    await world.pass(LIMITS.age.usual);
    assert.equal(world.asked.length, 2);
    assert.equal(changes(), 1);
    assert.equal(supply.current(), before);
  });

  test("stay through an outage of hours, which is asked about at growing distances, and are refreshed after it", async () => {
    const world = stoppedWorld(jwks([ONE]));
    const { supply } = supplyIn(world);
    await supply.ready();
    world.reply = DOWN;
    await world.pass(4 * 3_600 * SECOND);
    assert.equal(knows(supply, "one"), true);
    assert.equal(supply.reachable(), false);
    assert.ok(world.asked.length < (4 * 3_600) / 30 + 20, `${world.asked.length} fetches`);
    world.reply = jwks([TWO]);
    await world.pass(30 * SECOND);
    assert.equal(knows(supply, "two"), true);
    assert.equal(knows(supply, "one"), false);
    assert.equal(supply.reachable(), true);
  });

  const broken: Record<string, Reply> = {
    "a network that fails": () => Promise.reject(new TypeError("fetch failed")),
    "status 404": () => new Response("{}", { status: 404 }),
    "a redirect": () => new Response(null, { status: 302, headers: { location: "https://elsewhere.test/jwks" } }),
    "an empty answer": () => new Response(""),
    HTML: () => new Response("<html>Sign in to the airport's network</html>"),
    "JSON that is no JWKS": () => Response.json({ error: "oops" }),
    "keys that are no list": () => Response.json({ keys: { kid: ONE } }),
    "a list instead of an object": () => Response.json([ONE]),
    "two members of one name": () => new Response('{"keys":[],"keys":[]}'),
    "101 keys": () => Response.json({ keys: Array.from({ length: 101 }, () => ONE) }),
    "a megabyte": () => Response.json({ keys: [ONE], padding: "x".repeat(1_000_000) }),
    "bytes that are no UTF-8": () => new Response(Uint8Array.from([0x7b, 0xff, 0x7d])),
    "nesting without end": () => new Response(`{"keys":${"[".repeat(50_000)}`),
  };
  for (const [what, reply] of Object.entries(broken)) {
    test(`${what} in place of a JWKS leaves the last good set as it is`, async () => {
      const world = stoppedWorld(jwks([ONE]));
      const { supply } = supplyIn(world);
      await supply.ready();
      world.reply = reply;
      await world.pass(LIMITS.age.usual);
      assert.equal(world.asked.length, 2);
      assert.equal(knows(supply, "one"), true);
      assert.equal(supply.reachable(), false);
    });
  }

  test("an answer that never comes is given up after the timeout, and what is known is not held up meanwhile", async () => {
    const world = stoppedWorld(jwks([ONE]));
    const { supply } = supplyIn(world);
    await supply.ready();
    world.reply = () => new Promise<Response>(() => undefined);
    await world.pass(LIMITS.age.usual);
    assert.equal(knows(supply, "one"), true);
    assert.equal(supply.reachable(), true);
    await world.pass(LIMITS.timeout);
    assert.equal(supply.reachable(), false);
    assert.equal(knows(supply, "one"), true);
  });

  test("ready() says why there are no keys, and succeeds later", async () => {
    const world = stoppedWorld(DOWN);
    const { supply } = supplyIn(world);
    await assert.rejects(supply.ready(), /has no keys: https:\/\/issuer\.test\/jwks\.json: the answer was status 503/);
    world.reply = jwks([{ ...ONE, use: "enc" }]);
    await world.pass(SECOND);
    await assert.rejects(supply.ready(), /no usable key \(one: key_use_forbidden\)/);
    world.reply = jwks([ONE]);
    await world.pass(LIMITS.cooldown);
    await supply.ready();
  });
});

describe("a key that is not known", () => {
  test("is asked for at once, and a new one is found", async () => {
    const world = stoppedWorld(jwks([ONE]));
    const { supply } = supplyIn(world);
    await supply.ready();
    world.reply = jwks([ONE, TWO]);
    await supply.seek();
    assert.equal(knows(supply, "two"), true);
  });

  test("is asked for once per cooldown, however many there are and whether they exist or not", async () => {
    const world = stoppedWorld(jwks([ONE]));
    const { supply } = supplyIn(world);
    await supply.ready();
    for (let n = 0; n < 10_000; n += 1) await supply.seek();
    assert.equal(world.asked.length, 2);
    await world.pass(LIMITS.cooldown - 1);
    assert.equal(supply.seek(), null);
    await world.pass(1);
    await supply.seek();
    assert.equal(world.asked.length, 3);
  });

  test("during an outage is asked for no faster than the outage is", async () => {
    const world = stoppedWorld(DOWN);
    const { supply } = supplyIn(world);
    for (let n = 0; n < 60; n += 1) {
      await supply.seek();
      await world.pass(SECOND);
    }
    assert.ok(world.asked.length <= 7, `${world.asked.length} fetches in a minute`);
  });
});

describe("discovery", () => {
  const place = { issuer: "https://issuer.test/tenant" };
  const metadata = { issuer: place.issuer, jwks_uri: URI };

  test("asks for the metadata once, and for the keys at the address it names", async () => {
    const world = stoppedWorld(() =>
      world.asked.at(-1) === URI ? Response.json({ keys: [ONE] }) : Response.json(metadata),
    );
    const { supply } = supplyIn(world, place);
    await supply.ready();
    await world.pass(LIMITS.age.usual);
    assert.deepEqual(world.asked, ["https://issuer.test/.well-known/oauth-authorization-server/tenant", URI, URI]);
  });

  test("asks for the metadata again when the keys cannot be had: they may have moved", async () => {
    let uri = "https://issuer.test/old.json";
    const world = stoppedWorld(() => {
      const url = world.asked.at(-1) ?? "";
      if (url.includes(".well-known")) return Response.json({ ...metadata, jwks_uri: uri });
      return url === uri ? Response.json({ keys: [ONE] }) : new Response("", { status: 404 });
    });
    const { supply } = supplyIn(world, place);
    await supply.ready();
    uri = "https://issuer.test/new.json";
    await world.pass(LIMITS.age.usual);
    assert.equal(supply.reachable(), false);
    await world.pass(SECOND);
    assert.equal(supply.reachable(), true);
    assert.equal(world.asked.at(-1), uri);
  });
});

describe("close()", () => {
  test("ends the fetch that is under way and every timer", async () => {
    const world = stoppedWorld(() => new Promise<Response>(() => undefined));
    const { supply } = supplyIn(world);
    const waiting = supply.ready();
    await settled();
    supply.close();
    await assert.rejects(waiting, /closed/);
    assert.equal(world.timers.size, 0);
    assert.equal(supply.seek(), null);
  });
});

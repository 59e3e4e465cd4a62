/**
 * Clients without any lock or channel between them, one storage, the real server with a grace of 0, and a network that
 * loses what it likes: whatever happens, nobody is signed out.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Client, createClient, type Fetch, memoryStorage } from "@mapae/client";
import fc from "fast-check";
import { createMapae, type Mapae } from "mapae";
import { testClock } from "../../packages/client/src/clock.test-support.ts";

const ISSUER = "http://localhost:4000";
const kim = { identifier: "kim@example.com", password: "tessellated-harbour-quince-42" };

const FATES = ["arrives", "lost request", "lost reply", "half a reply", "proxy page", "503"] as const;
const step = fc.record({
  client: fc.nat({ max: 2 }),
  together: fc.boolean(),
  crash: fc.boolean(),
  spent: fc.boolean(),
  fates: fc.array(fc.constantFrom(...FATES), { maxLength: 4 }),
});

describe("three programs that share a storage and nothing else", () => {
  let mapae: Mapae;
  before(async () => {
    const memory = { databaseUrl: "memory:", rateLimit: "off", refreshGrace: "0s" };
    mapae = createMapae({ issuer: ISSUER, ...memory });
    await mapae.ready();
    const client = createClient({ server: ISSUER, fetch: (input, init) => mapae.fetch(new Request(input, init)) });
    assert.equal((await client.signUp(kim)).ok, true);
  });
  after(() => mapae.close());

  it("stay signed in through lost requests, lost and broken replies, proxies, outages and crashes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const clock = testClock(Date.now());
        const storage = memoryStorage();
        const endings: unknown[] = [];
        let fates: (typeof FATES)[number][] = [];
        const network: Fetch = async (input, init) => {
          const isRefresh = String(input).includes("/refresh");
          const fate = (isRefresh ? fates.shift() : undefined) ?? "arrives";
          if (fate === "lost request") throw new TypeError("fetch failed");
          if (fate === "503") return new Response(null, { status: 503, headers: { "retry-after": "1" } });
          if (fate === "proxy page") return new Response("<h1>401</h1>", { status: 401 });
          const response = await mapae.fetch(new Request(input, init));
          if (fate === "lost reply") throw new TypeError("connection reset");
          if (fate === "half a reply") {
            return new Response((await response.text()).slice(0, 40), {
              headers: { "content-type": "application/json" },
            });
          }
          return response;
        };
        const open = () =>
          createClient({
            server: ISSUER,
            storage,
            clock,
            fetch: network,
            patienceMs: 2_000,
            onSignedOut: (ended) => endings.push(ended),
          });
        const clients: Client[] = [open(), open(), open()];
        assert.equal((await clients[0]?.signIn(kim))?.ok, true);

        for (const { client: index, together, crash, spent, fates: next } of steps) {
          if (spent) clock.advance(301_000);
          fates = [...next];
          const callers = together ? clients : [clients[index] ?? open()];
          await clock.run(Promise.allSettled(callers.map((client) => client.accessToken())));
          if (crash) {
            clients[index]?.close();
            clients[index] = open();
          }
        }
        fates = [];
        clock.advance(600_000);
        for (const client of clients) assert.equal((await clock.run(client.me())).ok, true);
        assert.deepEqual(endings, []);
        for (const client of clients) client.close();
      }),
      { numRuns: 25 },
    );
  });
});

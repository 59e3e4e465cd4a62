import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createIntrospection } from "./introspection.ts";
import type { FeedWorld } from "./world.ts";

const N = 5_000;

/** An introspection endpoint in hand: every question waits until it is answered. */
function setup() {
  const clock = { mono: 0, wall: 1_800_000_000_000 };
  const questions: { token: string; lease: string | null; answer: (response: Response | Error) => Promise<void> }[] =
    [];
  const world: FeedWorld = {
    mono: () => clock.mono,
    now: () => clock.wall,
    chance: () => 1,
    after: () => () => undefined,
    turn: async () => undefined,
    connect: null,
    fetch: (_, { body }) =>
      new Promise((resolve, reject) => {
        const form = new URLSearchParams(String(body));
        const token = form.get("token") ?? "";
        const answer = async (response: Response | Error) => {
          if (response instanceof Error) reject(response);
          else resolve(response);
          await settled();
        };
        questions.push({ token, lease: form.get("lease_ms"), answer });
      }),
  };
  const options = { url: "https://i.test/oauth2/introspect", authorization: "Basic x", leaseMs: () => N };
  return { clock, questions, it: createIntrospection(options, world) };
}

async function settled(): Promise<void> {
  for (let round = 0; round < 10; round++) await new Promise((resolve) => setImmediate(resolve));
}

const active = (is: unknown) => Response.json({ active: is });

describe("introspection while the copy is not to be trusted", () => {
  test("remembers a yes until N after its question was sent, not after the answer came", async () => {
    const { it, questions, clock } = setup();
    const asked = it.ask("t");
    clock.mono += 4_000;
    await questions[0]?.answer(active(true));
    assert.equal(await asked, "active");
    clock.mono += 999;
    assert.equal(await it.ask("t"), "active");
    assert.equal(questions.length, 1);
    clock.mono += 1;
    void it.ask("t");
    assert.equal(questions.length, 2);
  });

  test("says for how long a yes will count, and takes it for no longer than the issuer waits for that", async () => {
    const { it, questions, clock } = setup();
    void it.ask("t");
    assert.equal(questions[0]?.lease, String(N));
    await questions[0]?.answer(Response.json({ active: true, lease_ms: 1_000 }));
    clock.mono += 999;
    assert.equal(await it.ask("t"), "active");
    clock.mono += 1;
    void it.ask("t");
    assert.equal(questions.length, 2);
    await questions[1]?.answer(Response.json({ active: true, lease_ms: 10 * N }));
    clock.mono += N;
    void it.ask("t");
    assert.equal(questions.length, 3);
  });

  test("takes a yes that came N after its question, or later, for no answer", async () => {
    const { it, questions, clock } = setup();
    const asked = it.ask("t");
    clock.mono += N;
    await questions[0]?.answer(active(true));
    assert.equal(await asked, "unknown");
  });

  test("forgets a yes also where only the wall clock went on: the machine slept", async () => {
    const { it, questions, clock } = setup();
    void it.ask("t");
    await questions[0]?.answer(active(true));
    clock.wall += N;
    void it.ask("t");
    assert.equal(questions.length, 2);
  });

  test("remembers a no for good, as nothing is un-revoked", async () => {
    const { it, questions, clock } = setup();
    const asked = it.ask("t");
    await questions[0]?.answer(active(false));
    assert.equal(await asked, "inactive");
    clock.mono += 100 * N;
    assert.equal(await it.ask("t"), "inactive");
  });

  test("asks once for many who ask for one token at once, and for no more than 32 tokens", async () => {
    const { it, questions } = setup();
    const same = Array.from({ length: 50 }, () => it.ask("t"));
    assert.equal(questions.length, 1);
    const others = Array.from({ length: 50 }, (_, index) => it.ask(`t${index}`));
    assert.equal(questions.length, 32);
    assert.equal(await others[49], "unknown");
    await questions[0]?.answer(active(true));
    assert.deepEqual(new Set(await Promise.all(same)), new Set(["active"]));
  });

  test("takes nothing for a yes but a plain one", async () => {
    for (const answer of [
      active("true"),
      active(1),
      Response.json({}),
      Response.json([true]),
      new Response('{"active":true,"active":false}'),
      new Response("active"),
      Response.json({ active: true }, { status: 201 }),
      new Response(null, { status: 401 }),
      new TypeError("reset"),
    ]) {
      const { it, questions } = setup();
      const asked = it.ask("t");
      await questions[0]?.answer(answer);
      assert.equal(await asked, "unknown");
    }
  });

  test("after five failures in a row asks nobody for a while, then lets one question go first", async () => {
    const { it, questions, clock } = setup();
    for (let failure = 0; failure < 5; failure++) {
      void it.ask(`t${failure}`);
      await questions[failure]?.answer(new Response(null, { status: 503 }));
    }
    assert.equal(await it.ask("t"), "unknown");
    assert.equal(questions.length, 5);
    clock.mono += 1_000;
    const first = it.ask("t");
    assert.equal(await it.ask("u"), "unknown");
    assert.equal(questions.length, 6);
    await questions[5]?.answer(new Response(null, { status: 503 }));
    assert.equal(await first, "unknown");
    clock.mono += 1_999;
    assert.equal(await it.ask("t"), "unknown");
    clock.mono += 1;
    void it.ask("t");
    await questions[6]?.answer(active(true));
    void it.ask("u");
    void it.ask("v");
    assert.equal(questions.length, 9);
  });

  test("that was closed asks nobody", async () => {
    const { it, questions } = setup();
    it.close();
    assert.equal(await it.ask("t"), "unknown");
    assert.equal(questions.length, 0);
  });
});

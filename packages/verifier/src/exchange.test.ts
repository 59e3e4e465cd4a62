import assert from "node:assert/strict";
import { test } from "node:test";
import { exchange, type Net } from "./exchange.ts";

/** A net whose timers ring when told, and whose answer comes a piece at a time. */
function setup() {
  let time = 0;
  let alarms: { at: number; run: () => void }[] = [];
  let body: ReadableStreamDefaultController<Uint8Array> | null = null;
  const net: Net = {
    now: () => time,
    after: (ms, run) => {
      const alarm = { at: time + ms, run };
      alarms.push(alarm);
      return () => {
        alarms = alarms.filter((other) => other !== alarm);
      };
    },
    fetch: async (_, { signal }) =>
      new Response(
        new ReadableStream<Uint8Array>({
          start: (controller) => {
            body = controller;
            signal?.addEventListener("abort", () => controller.error(new Error("aborted")));
          },
        }),
      ),
  };
  return {
    net,
    waiting: () => alarms.length,
    async pass(ms: number): Promise<void> {
      time += ms;
      for (const { run } of alarms.filter(({ at }) => at <= time)) run();
      await new Promise((resolve) => setImmediate(resolve));
    },
    async piece(): Promise<void> {
      body?.enqueue(Uint8Array.of(1));
      await new Promise((resolve) => setImmediate(resolve));
    },
    end: () => body?.close(),
  };
}

const INQUIRY = { url: "https://i.test/snapshot", headers: {}, most: 1024, timeout: 60_000, silence: 10_000 };

test("an answer in which nothing comes for a while is given up long before the time for all of it is over", async () => {
  const { net, pass } = setup();
  const answer = exchange(INQUIRY, net, new AbortController().signal);
  await pass(9_999);
  await pass(1);
  assert.deepEqual(await answer, { ok: false, reason: "there was no answer within 10 s", status: null });
});

test("a slow answer that keeps coming is waited for, until the time for all of it is over", async () => {
  const { net, pass, piece } = setup();
  const answer = exchange(INQUIRY, net, new AbortController().signal);
  for (let seconds = 0; seconds < 54; seconds += 9) {
    await pass(9_000);
    await piece();
  }
  await pass(6_000);
  assert.deepEqual(await answer, { ok: false, reason: "there was no answer within 60 s", status: null });
});

test("an answer that is whole leaves no timer behind", async () => {
  const { net, piece, end, waiting } = setup();
  const answer = exchange(INQUIRY, net, new AbortController().signal);
  await piece();
  end();
  const exchanged = await answer;
  assert.equal(exchanged.ok && exchanged.octets.length, 1);
  assert.equal(waiting(), 0);
});

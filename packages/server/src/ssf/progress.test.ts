import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { asId } from "../prelude/ids.ts";
import { acknowledge, advance, dueIn, type Stretch, signalName } from "./progress.ts";
import type { Signal } from "./signal.ts";
import { beginStream, type Stream } from "./stream.ts";

const STREAM: Stream = beginStream(
  {
    id: asId("stream", "str_a"),
    client: asId("client", "api"),
    defaultSubjects: "ALL",
    naming: "iss_sub",
    delivery: { method: "poll" },
    requested: null,
    description: null,
  },
  0,
  0,
);

function signal(seq: number, user: string): Signal {
  const facts = { event: "session-revoked", reason: "logout" } as const;
  const about = { user: asId("user", user), session: null, identifier: null };
  return { ...about, seq, epoch: 7, cause: seq, initiator: "user", at: 0, facts };
}

/** A queue of which some is about users that the stream is not told of. */
const queues = fc.array(fc.boolean(), { maxLength: 30 }).map((told): Stretch => {
  const signals = told.map((is, index) => signal(index + 1, is ? "told" : "left-out"));
  return { signals, excepted: new Set(["left-out"]) };
});
/** What a receiver says: names of the queue in any order and number, and nonsense. */
const receipts = fc.array(
  fc.array(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constantFrom("", "set_a", "set_b_7_1", "set_a_6_1")), {
    maxLength: 12,
  }),
  { maxLength: 12 },
);

test("whatever a receiver acknowledges, in whatever order: what it did not stays, what it did is gone, for good", () => {
  fc.assert(
    fc.property(queues, receipts, (stretch, said) => {
      let stream = STREAM;
      const done = new Set<number>();
      for (const receipt of said) {
        const names = receipt.map((each) => (typeof each === "number" ? signalName(STREAM, signal(each, "")) : each));
        for (const each of receipt) if (typeof each === "number") done.add(each);
        const behind = stretch.signals.filter(({ seq }) => seq > stream.cursor);
        stream = acknowledge(stream, names, { ...stretch, signals: behind });
        const expected = stretch.signals.filter(({ seq, user }) => user === "told" && !done.has(seq));
        assert.deepEqual(dueIn(stream, stretch), expected);
        // Nothing is remembered that the cursor says already.
        assert.ok(stream.acked.every((seq) => seq > stream.cursor));
        assert.ok(stream.cursor <= (expected[0]?.seq ?? Number.POSITIVE_INFINITY) - 1 || expected.length === 0);
      }
    }),
  );
});

test("the cursor never goes back, and an empty receipt acknowledges nothing", () => {
  fc.assert(
    fc.property(queues, receipts, (stretch, said) => {
      let stream = STREAM;
      for (const receipt of said) {
        const names = receipt.map((each) => signalName(STREAM, signal(Number(each) || 0, "")));
        const moved = acknowledge(stream, names, stretch);
        assert.ok(moved.cursor >= stream.cursor);
        const waits = dueIn(moved, stretch);
        const again = advance(moved, stretch);
        assert.deepEqual(dueIn(again, stretch), waits);
        assert.ok(again.cursor >= moved.cursor);
        stream = again;
      }
    }),
  );
});

test("a name says which stream, which life of the log and which event, so that two of them are never the same", () => {
  const other = { id: asId("stream", "str_b") };
  const names = [STREAM, other].flatMap((stream) =>
    [1, 11].flatMap((epoch) => [1, 11, 111].map((seq) => signalName(stream, { epoch, seq }))),
  );
  assert.equal(new Set(names).size, names.length);
});

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { WINDOW_MAX } from "./checkpoint.ts";
import { ENTRY_BYTES, encodeEntries, type FeedEntry } from "./entry.ts";
import { RecentEntries } from "./recent.ts";

const EPOCH = 7;
const NOW = 1_000;
const at = (seq: number) => ({ epoch: EPOCH, seq });

function entries(from: number, to: number, expires = NOW + 900): FeedEntry[] {
  return Array.from({ length: to - from }, (_, index) => {
    const key = new Uint8Array(16).fill(index % 256);
    const seq = from + 1 + index;
    const kind = seq % 17 === 0 ? "all" : seq % 5 === 0 ? "key" : "session";
    return { kind, reason: "logout", position: at(seq), at: NOW, expires, key };
  });
}

/** The window that should be, by a filter over all entries. */
function expected(all: readonly FeedEntry[], since: number, until: number) {
  const ending = all.filter(
    ({ position, expires }) => position.seq > since && position.seq <= until && expires > NOW + 60,
  );
  const last = ending.findLastIndex(({ kind }) => kind === "all");
  const within = ending.filter(({ kind }, index) => kind === "key" || index >= last);
  const sha256 = createHash("sha256").update(encodeEntries(within)).digest("base64url");
  return { sha256, count: within.length };
}

describe("the last entries", () => {
  test("give the window that anyone gets who filters all of them, however they came in frames", async () => {
    const sizes = fc.array(fc.nat({ max: 30 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 50 }), sizes, fc.nat(), fc.nat(), async (first, frames, one, other) => {
        const recent = new RecentEntries();
        const all = entries(0, first);
        recent.begin(encodeEntries(all), 0, all.length);
        for (const size of frames) {
          const more = entries(all.length, all.length + size, size % 3 === 0 ? NOW + 60 : NOW + 900);
          all.push(...more);
          // A frame that comes twice adds nothing.
          for (let time = 0; time < 2; time += 1) recent.add(encodeEntries(more), 0, more.length);
        }
        const [since, until] = [one, other].map((seq) => seq % (all.length + 1)).sort((a, b) => a - b);
        assert.deepEqual(
          await recent.window(at(since ?? 0), at(until ?? 0), NOW),
          expected(all, since ?? 0, until ?? 0),
        );
      }),
      { numRuns: 60 },
    );
  });

  test("are bounded, of a snapshot too, and nobody is told of a window that is not held as a whole", async () => {
    const recent = new RecentEntries();
    const all = entries(0, WINDOW_MAX + 5_000);
    recent.begin(encodeEntries(all), 0, all.length);
    assert.equal(await recent.window(at(4_999), at(all.length), NOW), null);
    const whole = await recent.window(at(5_000), at(all.length), NOW);
    assert.deepEqual(whole, expected(all, 5_000, all.length));
    const more = entries(all.length, all.length + 3_000);
    all.push(...more);
    for (let part = 0; part < 3; part += 1) recent.add(encodeEntries(more), part * 1_000 * ENTRY_BYTES, 1_000);
    assert.equal(await recent.window(at(7_999 - 3_000), at(all.length), NOW), null);
    assert.deepEqual(await recent.window(at(8_000), at(all.length), NOW), expected(all, 8_000, all.length));
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createTokenCache, type Remembered } from "./cache.ts";

const YES = () => true;
const NO = () => false;

function entry(verdict: string, until = 1_000, from = 0): Remembered<string, string> {
  return { verdict, basis: "k1", from, until };
}

describe("the cache of verified tokens", () => {
  test("gives back what was put under exactly the same text, and nothing for any other spelling", () => {
    const cache = createTokenCache<string, string>(10);
    cache.put("a.b.c", 1, entry("yes"));
    assert.equal(cache.get("a.b.c", 0, 1, NO), "yes");
    for (const other of ["a.b.C", "a.b.c ", "a.b.c=", "a.b", ""]) assert.equal(cache.get(other, 0, 1, YES), undefined);
  });

  test("refuses an entry from the millisecond it expires, and forgets it", () => {
    const cache = createTokenCache<string, string>(10);
    cache.put("t", 1, entry("yes", 1_000));
    assert.equal(cache.get("t", 999, 1, NO), "yes");
    assert.equal(cache.get("t", 1_000, 1, YES), undefined);
    assert.equal(cache.size, 0);
    assert.equal(cache.get("t", 999, 1, YES), undefined);
  });

  test("does not answer before the token's life begins, should the clock be set back", () => {
    const cache = createTokenCache<string, string>(10);
    cache.put("t", 1, entry("yes", 1_000, 500));
    assert.equal(cache.get("t", 499, 1, YES), undefined);
    assert.equal(cache.get("t", 500, 1, YES), "yes");
  });

  test("judges an entry again once, when what verdicts rest on has moved", () => {
    const cache = createTokenCache<string, string>(10);
    cache.put("t", 1, entry("yes"));
    let asked = 0;
    const stands = () => {
      asked += 1;
      return true;
    };
    cache.get("t", 0, 1, stands);
    assert.equal(asked, 0);
    assert.equal(cache.get("t", 0, 2, stands), "yes");
    assert.equal(cache.get("t", 0, 2, stands), "yes");
    assert.equal(asked, 1);
  });

  test("forgets an entry that no longer stands, for good", () => {
    const cache = createTokenCache<string, string>(10);
    cache.put("t", 1, entry("yes"));
    assert.equal(cache.get("t", 0, 2, NO), undefined);
    assert.equal(cache.get("t", 0, 1, YES), undefined);
  });

  test("an entry that is asked for survives, one that nobody asks for is forgotten", () => {
    const cache = createTokenCache<string, string>(4);
    cache.put("kept", 1, entry("kept"));
    cache.put("idle", 1, entry("idle"));
    for (let n = 0; n < 20; n += 1) {
      assert.equal(cache.get("kept", 0, 1, NO), "kept");
      cache.put(`t${n}`, 1, entry("other"));
    }
    assert.equal(cache.get("idle", 0, 1, YES), undefined);
  });

  test("long tokens take the place of several, so its memory stays bounded", () => {
    const cache = createTokenCache<string, string>(100);
    for (let n = 0; n < 100; n += 1) cache.put(`${n}-${"x".repeat(8_000)}`, 1, entry("yes"));
    assert.ok(cache.size * 8_000 <= 100 * 1024 + 2 * 8_000, `${cache.size} long tokens kept`);
  });

  test("never holds more than its bound, and never answers other than the last thing put, whatever is done to it", () => {
    const step = fc.record({
      put: fc.boolean(),
      token: fc.constantFrom("a", "b", "c", "d", "e", "f", "g"),
      mark: fc.integer({ min: 0, max: 2 }),
      now: fc.integer({ min: 0, max: 20 }),
      until: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const cache = createTokenCache<string, string>(4);
        const last = new Map<string, number>();
        for (const { put, token, mark, now, until } of steps) {
          if (put) {
            cache.put(token, mark, entry(`${token}@${until}`, until));
            last.set(token, until);
          } else {
            const verdict = cache.get(token, now, mark, YES);
            if (verdict === undefined) continue;
            assert.equal(verdict, `${token}@${last.get(token)}`);
            assert.ok(now < (last.get(token) ?? 0));
          }
          assert.ok(cache.size <= 4);
        }
      }),
    );
  });
});

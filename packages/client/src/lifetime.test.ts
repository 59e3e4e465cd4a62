import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { testClock } from "./clock.test-support.ts";
import { freshness, remainingMs } from "./lifetime.ts";
import { emptyShelf, received } from "./shelf.ts";
import { instant } from "./world.ts";

const life = fc.integer({ min: 1000, max: 86_400_000 });

describe("the life of an access token", () => {
  it("never looks longer than it is, whatever is done to the wall clock or the monotonic clock, but not to both", () => {
    const jump = fc.oneof(
      fc.record({ passes: fc.integer({ min: 0, max: 600_000 }) }),
      fc.record({ sleeps: fc.integer({ min: 0, max: 600_000 }) }),
    );
    fc.assert(
      fc.property(life, fc.array(jump), fc.option(fc.integer({ min: -1e9, max: 0 }), { nil: 0 }), (ms, jumps, back) => {
        const clock = testClock();
        const token = { token: "t", session: "s", sentAt: instant(clock), lifetimeMs: ms };
        let real = 0;
        let slept = false;
        for (const jump of jumps) {
          if ("passes" in jump) clock.advance(jump.passes);
          else clock.suspend(jump.sleeps);
          slept ||= "sleeps" in jump;
          real += "passes" in jump ? jump.passes : jump.sleeps;
        }
        if (!slept) clock.setWall(clock.now() + back);
        assert.equal(remainingMs(token, clock), Math.max(0, ms - real));
      }),
    );
  });

  it("goes fresh, aging, spent, and is spent before it ends", () => {
    fc.assert(
      fc.property(life, (ms) => {
        const clock = testClock();
        const token = { token: "t", session: "s", sentAt: instant(clock), lifetimeMs: ms };
        assert.equal(freshness(token, clock), "fresh");
        clock.advance(ms * 0.79);
        assert.notEqual(freshness(token, clock), "spent");
        clock.advance(ms * 0.21 - Math.min(5000, ms * 0.1) + 1);
        assert.equal(freshness(token, clock), "spent");
        assert.ok(remainingMs(token, clock) > 0);
      }),
    );
  });
});

describe("the shelf", () => {
  const setUp = () => {
    const clock = testClock();
    const shelf = emptyShelf(clock);
    shelf.become("s");
    const token = (text: string, session = "s") => ({
      token: text,
      session,
      sentAt: instant(clock),
      lifetimeMs: 300_000,
    });
    return { clock, shelf, token };
  };

  it("takes no token of another session, and none that was refused", () => {
    const { shelf, token } = setUp();
    assert.equal(shelf.put("", token("theirs", "another")), false);
    shelf.put("", token("a"));
    shelf.refuse("a");
    assert.equal(shelf.get(""), null);
    assert.equal(shelf.put("", token("a")), false);
    assert.equal(shelf.put("", token("b")), true);
  });

  it("a letter that a frozen tab reads an hour late brings no token back to life", () => {
    const { clock, shelf, token } = setUp();
    shelf.put("", token("a"));
    const letter = shelf.share("");
    assert.ok(letter);
    clock.advance(3_600_000);
    assert.equal(freshness(received(letter, clock), clock), "spent");
  });

  it("keeps the token that lives longest", () => {
    const { clock, shelf, token } = setUp();
    const early = token("early");
    clock.advance(1000);
    assert.equal(shelf.put("", token("late")), true);
    assert.equal(shelf.put("", early), false);
    assert.equal(shelf.get("")?.token, "late");
  });
});

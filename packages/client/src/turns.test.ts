import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deferred, turn } from "./clock.test-support.ts";
import { inTurn } from "./turns.ts";

describe("turns within a process", () => {
  it("work of one name runs in order and never together, also after one that failed", async () => {
    const order: string[] = [];
    const work = (name: string) => async () => {
      order.push(`${name} begins`);
      await turn();
      order.push(`${name} ends`);
      if (name === "b") throw new Error("no");
      return name;
    };
    const results = await Promise.allSettled(["a", "b", "c"].map((name) => inTurn("order", work(name))));
    assert.deepEqual(
      results.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    assert.deepEqual(order, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });

  it("work of another name does not wait", async () => {
    const stuck = deferred();
    const first = inTurn("stuck", () => stuck.promise);
    assert.equal(await inTurn("free", async () => 1), 1);
    stuck.resolve();
    await first;
  });

  it("who gives up waiting never begins, and those behind still wait for the one before", async () => {
    const stuck = deferred();
    const order: string[] = [];
    const first = inTurn("queue", async () => {
      await stuck.promise;
      order.push("first");
    });
    const patience = new AbortController();
    const second = inTurn("queue", async () => void order.push("second"), patience.signal);
    const third = inTurn("queue", async () => void order.push("third"));
    patience.abort(new Error("tired"));
    await assert.rejects(second, /tired/);
    await turn();
    assert.deepEqual(order, []);
    stuck.resolve();
    await Promise.all([first, third]);
    assert.deepEqual(order, ["first", "third"]);
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { asId } from "../prelude/ids.ts";
import type { Position } from "../revocation/entry.ts";
import { type Decision, decide, type Question } from "./confirm.ts";
import { CLOCK_DRIFT, outlast } from "./lease.ts";
import { Registry } from "./registry.ts";

const N = 5_000;
const at = (seq: number): Position => ({ epoch: 7, seq });
const instance = (id: string, acceptMs = 0) => ({
  id: asId("instance", id),
  client: asId("client", `api-${id}`),
  acceptMs,
});

function ask(registry: Registry, fields: Partial<Question> = {}): Question {
  return {
    position: at(10),
    committedAt: 1_000_000,
    leaseMs: N,
    knowsAllFrom: 0,
    timeoutMs: null,
    instances: registry.all().map(({ id }) => id),
    ...fields,
  };
}
const look = (registry: Registry, question: Question, after: number): Decision =>
  decide(question, (id) => registry.find(id), question.committedAt + after);

describe("a revocation is confirmed", () => {
  test("at once where nobody is registered", () => {
    const registry = new Registry();
    const decision = look(registry, ask(registry), 0);
    assert.deepEqual(decision, {
      settled: true,
      by: "acknowledgements",
      acknowledged: 0,
      outstanding: [],
      unbound: [],
    });
  });

  test("when all that were registered have acknowledged its position or a later one, and not one sooner", () => {
    const registry = new Registry();
    for (const id of ["a", "b"]) registry.register(instance(id));
    for (const id of ["a", "b"]) registry.granted(id, 999_000, N);
    const question = ask(registry);
    registry.acked("a", at(11));
    registry.acked("b", at(9));
    const waiting = look(registry, question, 5);
    assert(!waiting.settled);
    assert.equal(waiting.acknowledged, 1);
    assert.deepEqual(waiting.outstanding, [{ instance: "b", client: "api-b" }]);
    registry.acked("b", at(10));
    const decision = look(registry, question, 9);
    assert(decision.settled && decision.by === "acknowledgements");
    assert.equal(decision.acknowledged, 2);
  });

  test("when the lease of every silent one has ended, on the slowest clock", () => {
    const registry = new Registry();
    registry.register(instance("dead"));
    registry.granted("dead", 998_000, N);
    registry.lost("dead");
    const question = ask(registry);
    const waiting = look(registry, question, 0);
    assert(!waiting.settled);
    assert.equal(waiting.lookAt, 998_000 + outlast(N));
    assert(!look(registry, question, outlast(N) - 2_001).settled);
    const decision = look(registry, question, outlast(N) - 2_000);
    assert(decision.settled && decision.by === "leases");
    assert.deepEqual(
      decision.outstanding.map(({ instance: id }) => id),
      ["dead"],
      "who did not acknowledge is named",
    );
  });

  test("by time alone, whatever the registry says", () => {
    const registry = new Registry();
    registry.register(instance("mute"));
    const question = ask(registry);
    registry.granted("mute", question.committedAt + 4_000, N);
    assert(!look(registry, question, outlast(N) - 1).settled);
    const decision = look(registry, question, outlast(N));
    assert(decision.settled && decision.by === "time");
  });

  test("by nothing but time while leases of an earlier process of this node can run", () => {
    const registry = new Registry();
    const question = ask(registry, { knowsAllFrom: 1_003_000 });
    const early = look(registry, question, 0);
    assert(!early.settled);
    assert.equal(early.lookAt, 1_003_000);
    assert(look(registry, question, 3_000).settled);
  });

  test("not after a timeout: that settles without confirming", () => {
    const registry = new Registry();
    registry.register(instance("mute"));
    registry.granted("mute", 1_000_000, N);
    const question = ask(registry, { timeoutMs: 100 });
    assert(!look(registry, question, 99).settled);
    const decision = look(registry, question, 100);
    assert(decision.settled && decision.by === "timeout");
  });

  test("with those named whose owners let them accept without a lease, and who have not acknowledged", () => {
    const registry = new Registry();
    registry.register(instance("stubborn", 60_000));
    registry.register(instance("informed", 60_000));
    registry.acked("informed", at(10));
    registry.granted("stubborn", 990_000, N);
    registry.lost("stubborn");
    registry.sweep(1_000_000);
    const decision = look(registry, ask(registry), 0);
    assert(decision.settled);
    assert.deepEqual(
      decision.unbound.map(({ instance: id }) => id),
      ["stubborn"],
    );
  });

  test("without waiting for one that came after the commit, or one that said that it holds no lease", () => {
    const registry = new Registry();
    registry.register(instance("closed"));
    registry.granted("closed", 1_000_000, N);
    const question = ask(registry);
    registry.register(instance("late"));
    registry.granted("late", 1_000_001, N);
    registry.released("closed");
    assert(look(registry, question, 2).settled);
  });
});

describe("the registry", () => {
  test("an acknowledgement never goes back, and a lease is never shortened", () => {
    const registry = new Registry();
    registry.register(instance("a"));
    registry.acked("a", at(5));
    registry.acked("a", at(3));
    registry.granted("a", 100, 60_000);
    registry.granted("a", 200, N);
    assert.deepEqual(registry.find("a")?.acked, at(5));
    assert.equal(registry.find("a")?.leaseEnds, 100 + outlast(60_000));
  });

  test("one that is gone stays counted while its lease can run; one that never had any is forgotten", () => {
    const registry = new Registry();
    registry.register(instance("a"));
    registry.register(instance("b"));
    registry.granted("a", 0, N);
    registry.lost("a");
    registry.lost("b");
    assert.equal(registry.stands("a"), false);
    registry.sweep(outlast(N));
    assert.deepEqual(
      registry.all().map(({ id }) => id),
      ["a"],
    );
    registry.sweep(60_000);
    assert.equal(registry.size, 0);
  });

  test("an id is given once: two that claim one are two, or a fault", () => {
    const registry = new Registry();
    registry.register(instance("a"));
    assert.throws(() => registry.register(instance("a")));
  });
});

test("on clocks at the edge of their drift, a lease has ended when this node says so", () => {
  const drift = fc.double({ min: -CLOCK_DRIFT, max: CLOCK_DRIFT, noNaN: true });
  fc.assert(
    fc.property(drift, drift, fc.integer({ min: 1, max: 600_000 }), (node, verifier, lease) => {
      const real = outlast(lease) / (1 + node); // what passes while this node counts that
      assert(real * (1 + verifier) >= lease - 1e-6);
    }),
  );
});

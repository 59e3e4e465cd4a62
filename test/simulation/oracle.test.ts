/**
 * The oracle itself: what it calls wrong, and what it lets pass. The truth that it judges by is told by hand here, so that
 * none of it comes from the code under test.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Position, RevocationEntry, RevocationKind } from "../../packages/server/src/revocation/entry.ts";
import { type Answer, type Finding, Oracle, Violation, type Witness } from "./oracle.ts";
import { type Token, type TokenFacts, Truth, type Wish } from "./truth.ts";

const N = 2_000;

/** One session of one user with one token, checked in turn 10 and issued at 1,000 ms. */
const FACTS: TokenFacts = {
  ...{ text: "", label: "t1", jti: "j1", sid: "s1", gid: "g1", sub: "u1", audience: "orders", client: "c1", kid: "k1" },
  ...{ turn: 10, openedIn: 10, issuedAt: 1_000, mayExpire: 200_000, gone: 400_000 },
};

class Told {
  readonly truth = new Truth();
  readonly oracle = new Oracle(this.truth);
  #seq = 0;

  token(changes: Partial<TokenFacts> = {}): Token {
    return this.truth.issued({ ...FACTS, ...changes });
  }

  commit(kind: RevocationKind, value: string, turn: number, at: number): Position {
    this.#seq += 1;
    const position = { epoch: 1, seq: this.#seq };
    const entry = { kind, value, reason: "logout", ...position, at, expires: 0, audience: null };
    this.truth.committed({ turn, entries: [entry as RevocationEntry] }, at);
    return position;
  }

  /** What the oracle says of an answer: `null` where it has nothing to say. */
  judged(witness: Witness, token: Token, answer: Answer, now: number): Finding | null {
    try {
      this.oracle.judge(witness, token, answer, now);
      return null;
    } catch (error) {
      if (error instanceof Violation) return error.finding;
      throw error;
    }
  }
}

function witness(changes: Partial<Witness> = {}): Witness {
  return {
    ...{ name: "api", audience: "orders", boundMs: N, isBound: true, isNamed: true },
    ...{ refused: new Set(), instances: new Set(["ins_1"]), clockError: () => 0, answer: () => "accepted" },
    ...changes,
  };
}

function wish(kind: RevocationKind, value: string, after: number): Wish {
  return { kind, value, after, byRow: false };
}

describe("the oracle", () => {
  test("lets a revoked token be accepted within the bound, and no longer", () => {
    const told = new Told();
    const token = told.token();
    told.commit("session", "s1", 20, 5_000);
    assert.equal(told.judged(witness(), token, "accepted", 5_000 + N), null);
    assert.equal(told.judged(witness(), token, "accepted", 5_000 + N + 5), "beyond the bound (statement 1)");
  });

  for (const [kind, value] of [
    ["token", "j1"],
    ["session", "s1"],
    ["grant", "g1"],
    ["key", "k1"],
    ["user", "u1"],
    ["client", "c1"],
    ["all", ""],
  ] as const) {
    test(`knows that an entry of kind ${kind} kills what it names, and nothing else`, () => {
      const told = new Told();
      const token = told.token();
      const names = { jti: "j2", sid: "s2", gid: "g2", kid: "k2", sub: "u2", client: "c2" };
      const other = told.token({ ...names, label: "t2" });
      told.commit(kind, value, 20, 5_000);
      assert.equal(told.judged(witness(), token, "accepted", 9_000), "beyond the bound (statement 1)");
      assert.equal(
        told.judged(witness(), other, "accepted", 9_000),
        kind === "all" ? "beyond the bound (statement 1)" : null,
      );
    });
  }

  test("lets who signs in again after a wide revocation in, by the order of transactions and nothing else", () => {
    const told = new Told();
    told.commit("user", "u1", 20, 5_000);
    const before = told.token({ turn: 19, label: "before" });
    const after = told.token({ turn: 21, openedIn: 21, label: "after" });
    assert.equal(told.judged(witness(), before, "accepted", 9_000), "beyond the bound (statement 1)");
    assert.equal(told.judged(witness(), after, "accepted", 9_000), null);
  });

  test("takes a confirmation at its word from that moment on, whatever position the answer names", () => {
    const told = new Told();
    const token = told.token();
    const asked = wish("session", "s1", 15);
    told.commit("session", "s1", 20, 5_000);
    assert.equal(told.truth.acknowledged(asked, 20, 5_000), null);
    assert.equal(told.judged(witness(), token, "accepted", 5_010), null);
    told.truth.confirmed(asked, { epoch: 0, seq: 0 }, { at: 5_010, unbound: new Set() });
    assert.equal(told.judged(witness(), token, "accepted", 5_010), "after confirmation (statement 2)");
  });

  test("takes what lies before a confirmed position for confirmed as well, and what came later not", () => {
    const told = new Told();
    const [token, later] = [told.token(), told.token({ jti: "j2", sid: "s2", gid: "g2", sub: "u2", label: "t2" })];
    told.commit("session", "s1", 20, 5_000);
    const position = told.commit("token", "someone else's", 21, 5_000);
    told.commit("session", "s2", 22, 5_000);
    told.truth.confirmed(wish("token", "someone else's", 20), position, { at: 5_100, unbound: new Set() });
    assert.equal(told.judged(witness(), token, "accepted", 5_100), "after confirmation (statement 2)");
    assert.equal(told.judged(witness(), later, "accepted", 5_100), null);
  });

  test("lets a verifier go on that accepts by its owner's choice, if the answer named it", () => {
    const told = new Told();
    const token = told.token();
    const position = told.commit("session", "s1", 20, 5_000);
    const owner = { isBound: false, boundMs: 4 * N };
    told.truth.confirmed(wish("session", "s1", 15), position, { at: 5_100, unbound: new Set(["ins_1"]) });
    assert.equal(told.judged(witness(owner), token, "accepted", 6_000), null);
    const unnamed = witness({ ...owner, instances: new Set(["ins_2"]) });
    assert.equal(told.judged(unnamed, token, "accepted", 6_000), "not named as unbound (statement 2)");
  });

  test("sees what is un-revoked within one process, also inside the bound", () => {
    const told = new Told();
    const token = told.token();
    told.commit("session", "s1", 20, 5_000);
    const one = witness();
    assert.equal(told.judged(one, token, "token_revoked", 5_010), null);
    assert.equal(told.judged(one, token, "accepted", 5_020), "un-revoked");
    assert.equal(told.judged(witness(), token, "accepted", 5_020), null, "another process may not know it yet");
  });

  test("sees good tokens refused, but for reasons that are the verifier's clock's", () => {
    const told = new Told();
    const token = told.token();
    assert.equal(told.judged(witness(), token, "token_revoked", 2_000), "wrongly called revoked");
    assert.equal(told.judged(witness(), token, "invalid_signature", 2_000), "refuses a token that is good");
    assert.equal(told.judged(witness(), token, "token_expired", 2_000), "refuses a token that is good");
    assert.equal(told.judged(witness({ clockError: () => 3_600_000 }), token, "token_expired", 2_000), null);
    assert.equal(told.judged(witness(), token, "token_expired", FACTS.mayExpire), null);
    assert.equal(told.judged(witness(), token, "revocation_unknown", 2_000), null);
    assert.equal(told.judged(witness(), token, "verification_fault", 2_000), "a fault");
    const other = witness({ audience: "files" });
    assert.equal(told.judged(other, token, "invalid_audience", 2_000), null);
    assert.equal(told.judged(other, token, "accepted", 2_000), "accepts what is meant for others");
  });
});

describe("the truth", () => {
  test("finds what was acknowledged and lives on, of before and of those still to come", () => {
    const told = new Told();
    const token = told.token();
    assert.equal(told.truth.acknowledged(wish("user", "u1", 15), 20, 5_000), token);
    const late = told.token({ turn: 14, label: "t2" });
    assert.match(told.truth.objection(late, 5_100) ?? "", /alive, and user was acknowledged/);
    const next = told.token({ turn: 21, openedIn: 21, label: "t3" });
    assert.equal(told.truth.objection(next, 5_100), null);
  });

  test("finds a session that is renewed after its end", () => {
    for (const [kind, value] of [
      ["session", "s1"],
      ["grant", "g1"],
      ["user", "u1"],
      ["client", "c1"],
      ["all", ""],
    ] as const) {
      const told = new Told();
      told.commit(kind, value, 20, 5_000);
      assert.equal(told.truth.objection(told.token({ turn: 19 }), 5_100), null, "checked before, issued after");
      assert.match(told.truth.objection(told.token({ turn: 21 }), 5_100) ?? "", /renewed after its end/, kind);
      assert.equal(told.truth.objection(told.token({ turn: 21, openedIn: 21 }), 5_100), null, "a new log-in");
    }
  });

  test("forgives what an operator gives up with a restore, and what stands before it stays", () => {
    const told = new Told();
    const [lost, kept] = [told.token(), told.token({ jti: "j2", sid: "s2", gid: "g2", sub: "u2", label: "t2" })];
    told.commit("session", "s2", 20, 5_000);
    told.commit("session", "s1", 30, 6_000);
    told.truth.forgot(25, new Set(["k1"]));
    assert.equal(told.judged(witness(), lost, "accepted", 20_000), null);
    assert.equal(told.judged(witness(), lost, "token_revoked", 20_000), null, "whoever knows it may refuse it");
    assert.equal(told.judged(witness(), kept, "accepted", 20_000), "beyond the bound (statement 1)");
  });
});

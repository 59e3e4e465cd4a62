/** The nodes beside this one, as lists that the test changes; time moves when it is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../prelude/ids.ts";
import type { Position } from "../revocation/entry.ts";
import { LEASE_LONGEST_MS } from "./lease.ts";
import type { Nodes, OtherNode, Word } from "./nodes.ts";
import { Answering, Others } from "./others.ts";

const P: Position = { epoch: 1, seq: 10 };
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Stage implements Nodes {
  readonly undoable = false;
  rows: OtherNode[] | null = [];
  readonly asks: Position[] = [];
  readonly said: Word[] = [];
  #askListener: (position: Position) => void = () => {};
  #wordListener: () => void = () => {};
  alarms: (() => void)[] = [];
  readonly alarm = (_ms: number, ring: () => void) => {
    this.alarms.push(ring);
    return () => {
      this.alarms = this.alarms.filter((other) => other !== ring);
    };
  };

  async declare(): Promise<void> {}
  async roll(): Promise<readonly OtherNode[]> {
    if (this.rows === null) throw new Error("the database is away");
    return this.rows;
  }
  async ask(position: Position): Promise<void> {
    this.asks.push(position);
  }
  onAsked(listener: (position: Position) => void): void {
    this.#askListener = listener;
  }
  async say(word: Word): Promise<void> {
    this.said.push(word);
  }
  onWord(listener: () => void): void {
    this.#wordListener = listener;
  }
  keep(): void {}

  askedFor(position: Position): void {
    this.#askListener(position);
  }
  async words(): Promise<void> {
    this.#wordListener();
    await settle();
  }
  async later(): Promise<void> {
    for (const ring of this.alarms.splice(0)) ring();
    await settle();
  }
}

const word = (settled: number, acknowledged = 1): Word => ({
  settled: { epoch: 1, seq: settled },
  tally: { position: { epoch: 1, seq: settled }, acknowledged, outstanding: [], unbound: [] },
});
const node = (id: string, more: Partial<OtherNode> = {}): OtherNode => ({
  ...{ id: asId("node", id), leaseMs: 5_000, counts: true, word: null },
  ...more,
});

test("until the others are known, nobody is confirmed and the longest lease of all is waited for", async () => {
  const stage = new Stage();
  stage.rows = null;
  const following = new Others(stage, stage.alarm).follow(P, () => {});
  await settle();
  assert.deepEqual([following.look().settled, following.look().leaseMs], [false, LEASE_LONGEST_MS]);
  stage.rows = [];
  await stage.later();
  assert.deepEqual([following.look().settled, following.look().leaseMs], [true, 0]);
});

test("settled is when every node that counted after the commit has said so, gone, or stopped counting", async () => {
  const stage = new Stage();
  const others = new Others(stage, stage.alarm);
  stage.rows = [node("says"), node("leaves"), node("dies"), node("idle", { counts: false })];
  let changes = 0;
  const following = others.follow(P, () => {
    changes += 1;
  });
  await settle();
  assert.deepEqual(following.look().unheard, ["says", "leaves", "dies"]);
  // A later one gives leases on heads that have it: it is not waited for.
  stage.rows = [node("says", { word: word(10, 4) }), node("leaves", { word: word(9) }), node("dies"), node("later")];
  await stage.words();
  assert.deepEqual([following.look().settled, following.look().acknowledged], [false, 4]);
  stage.rows = [node("says", { word: word(11, 4) }), node("dies", { counts: false }), node("later")];
  await stage.words();
  const { settled, acknowledged, unheard } = following.look();
  assert.deepEqual({ settled, acknowledged, unheard }, { settled: true, acknowledged: 4, unheard: ["dies"] });
  assert.ok(changes >= 3);
});

test("a node that has only begun to ask its verifiers has not settled, and names who is missing", async () => {
  const stage = new Stage();
  const missing = { instance: asId("instance", "ins_1"), client: asId("client", "orders") };
  const partial: Word = {
    settled: { epoch: 1, seq: 9 },
    tally: { position: P, acknowledged: 2, outstanding: [missing], unbound: [] },
  };
  stage.rows = [node("b", { word: partial })];
  const following = new Others(stage, stage.alarm).follow(P, () => {});
  await settle();
  const { settled, outstanding, unheard } = following.look();
  assert.deepEqual({ settled, outstanding, unheard }, { settled: false, outstanding: [missing], unheard: [] });
});

test("a roll that was under way when somebody committed is not the one he goes by", async () => {
  const stage = new Stage();
  const others = new Others(stage, stage.alarm);
  stage.rows = [];
  others.follow({ epoch: 1, seq: 9 }, () => {});
  const following = others.follow(P, () => {});
  stage.rows = [node("joined in between")];
  await settle();
  assert.equal(following.look().settled, false);
});

test("hints that were lost are repeated for as long as somebody waits", async () => {
  const stage = new Stage();
  const others = new Others(stage, stage.alarm);
  stage.rows = [node("b")];
  const following = others.follow(P, () => {});
  others.ask(P);
  await settle();
  await stage.later();
  await stage.later();
  assert.deepEqual(stage.asks, [P, P, P]);
  following.stop();
  await stage.later();
  await stage.later();
  assert.equal(stage.asks.length, 3);
});

test("the side that answers waits for its own verifiers, says where it stands meanwhile, and takes the last question", async () => {
  const stage = new Stage();
  const tally = { acknowledged: 1, outstanding: [], unbound: [] };
  const waits: { position: Position; done: (confirmed: boolean) => void }[] = [];
  const answering = new Answering({
    ...{ nodes: stage, alarm: stage.alarm, bring: async () => {} },
    wait: (position) => {
      const { promise, resolve } = Promise.withResolvers<typeof tally & { confirmed: boolean }>();
      waits.push({ position, done: (confirmed) => resolve({ ...tally, confirmed }) });
      return { settled: promise, look: () => tally };
    },
  });
  stage.askedFor(P);
  await settle();
  await stage.later();
  assert.deepEqual(stage.said, [{ settled: { epoch: 0, seq: 0 }, tally: { position: P, ...tally } }]);
  stage.askedFor({ epoch: 1, seq: 11 });
  stage.askedFor({ epoch: 1, seq: 15 });
  stage.askedFor({ epoch: 1, seq: 12 });
  waits[0]?.done(true);
  await settle();
  assert.deepEqual(stage.said.at(-1)?.settled, P);
  assert.deepEqual(
    waits.map(({ position }) => position.seq),
    [10, 15],
  );
  // This process ends: what it did not see settled it does not say.
  answering.close();
  waits[1]?.done(false);
  await settle();
  assert.deepEqual(stage.said.at(-1)?.settled, P);
});

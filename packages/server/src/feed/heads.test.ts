import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeadReads } from "./heads.ts";

/** Reads that end when they are told to, each with the log as it stood when it began. */
class Engine {
  log = 0;
  reads = 0;
  readonly open: ((fails: boolean) => void)[] = [];
  readonly heads = new HeadReads(() => {
    this.reads += 1;
    const seq = this.log;
    return new Promise((resolve, reject) => {
      this.open.push((fails) => (fails ? reject(new Error("away")) : resolve({ epoch: 1, seq })));
    });
  });
  async end(fails = false): Promise<void> {
    this.open.shift()?.(fails);
    await new Promise(setImmediate);
  }
}

test("whoever asks while a read is under way gets the next one: the first began too early for him", async () => {
  const engine = new Engine();
  const first = engine.heads.ask();
  engine.log = 5;
  const [second, third] = [engine.heads.ask(), engine.heads.ask()];
  await engine.end();
  await engine.end();
  assert.deepEqual([(await first).seq, (await second).seq, (await third).seq], [0, 5, 5]);
  assert.equal(engine.reads, 2);
});

test("a read that fails fails for those who asked before it, and the next one tries again", async () => {
  const engine = new Engine();
  const first = engine.heads.ask();
  const second = engine.heads.ask();
  const failed = assert.rejects(first);
  await engine.end(true);
  await failed;
  await engine.end();
  assert.equal((await second).seq, 0);
});

test("in any order of asking, committing and ending: no answer is older than its question", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom("ask", "commit", "end", "fail"), { maxLength: 40 }), async (events) => {
      const engine = new Engine();
      const answers: Promise<void>[] = [];
      for (const event of events) {
        if (event === "commit") engine.log += 1;
        else if (event === "ask") {
          const before = engine.log;
          answers.push(
            engine.heads.ask().then(
              ({ seq }) => assert(seq >= before),
              () => {},
            ),
          );
        } else await engine.end(event === "fail");
      }
      while (engine.open.length > 0) await engine.end();
      await Promise.all(answers);
    }),
    { numRuns: 60 },
  );
});

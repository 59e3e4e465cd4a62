/**
 * Chaos with real processes: one login server, twenty verifiers, a proxy before each, and an oracle that asks every verifier
 * about every token all the time (oracle.ts says what it counts as a fault). Tests have the names of the troubles; each
 * ends once everyone is trusted and right again, and with no fault seen. N is 1.5 s, and no verdict has any margin.
 *
 * What is played here and what elsewhere: README.md.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { temporaryFolder } from "../../processes.ts";
import { later } from "./child.ts";
import { links } from "./links.ts";
import { log } from "./log.ts";
import { machines } from "./machines.ts";
import { Stage } from "./stage.ts";

const VERIFIERS = 20;

describe("a login server and twenty verifier processes", { timeout: 900_000 }, () => {
  let stage: Stage;
  const cleaning: (() => void)[] = [];
  before(async () => {
    stage = await Stage.open(
      temporaryFolder((task) => cleaning.push(task)),
      VERIFIERS,
    );
  });
  after(async () => {
    await stage?.close();
    for (const task of cleaning) task();
  });

  test("all is well: a confirmed revocation is acknowledged by every verifier that streams", async () => {
    const streaming = stage.verifiers.length - stage.of("polls").length;
    let acknowledged = 0;
    // Where the machine is busy, one may just have lost its stream, and is waited for until its lease has ended.
    for (let tries = 0; tries < 10 && acknowledged < streaming; tries += 1) {
      const answer = await stage.revoke(await stage.mint("calm"), "all");
      assert.equal(answer.confirmed, true);
      acknowledged = answer.acknowledged;
      await stage.settle();
    }
    assert(acknowledged >= streaming, `${acknowledged} of ${streaming}`);
    await later(300);
  });

  links(() => stage);
  machines(() => stage);
  log(() => stage);

  test("all of that was seen: verdicts of every sort, and not one that must not be", (t) => {
    const { counts } = stage.oracle;
    for (const [what, count] of Object.entries(counts)) {
      t.diagnostic(`${what}: ${count}`);
      assert(count > 0, what);
    }
    stage.check();
  });
});

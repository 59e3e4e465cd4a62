/** Group commit: one transaction for many, and a fault that stays with the step that has it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { draft } from "../../audit/event.ts";
import { systemWorld } from "../../prelude/world.ts";
import { audit } from "../../revocation/effects.ts";
import { CAUSE, Cast, OWN_CLIENT } from "../contract/stage.ts";
import type { StepArguments, StepName } from "../steps.ts";
import { GroupCommit } from "./commit.ts";
import { openReader, openWriter } from "./connection.ts";
import { prepare } from "./prepare.ts";
import { SqliteReads } from "./statements.ts";
import { codecOf, type Sent } from "./wire.ts";

const folder = mkdtempSync(join(tmpdir(), "mapae-commit-"));
after(() => rmSync(folder, { recursive: true }));
let made = 0;

function open() {
  made += 1;
  const file = join(folder, `${made}.db`);
  prepare(file, 1000);
  const db = openWriter(file);
  return { db, commit: new GroupCommit(db), reads: new SqliteReads(openReader(file)), cast: new Cast() };
}

function sent<Name extends StepName>(name: Name, ...args: StepArguments<Name>): Sent {
  return [name, 1000, codecOf(name).sendArguments(args)];
}

const revoke = (value: string) => sent("applyEffects", [{ effect: "revoke", kind: "token", value, reason: "admin" }]);
const event = (detail: string) => [audit(draft("user.created", CAUSE, {}, { detail }))];

describe("group commit", () => {
  test("a step that faults fails alone: its neighbours' work, and the log without a gap, are there", () => {
    const { commit, reads, cast } = open();
    const user = cast.newUser();
    const again = { ...cast.newUser(), id: user.id };
    const reply = commit.run([
      revoke("before"),
      sent("createUser", user, event("first")),
      // A random id that repeats is no refusal but a fault; its entry and event must go with it.
      sent("createUser", again, [
        { effect: "revoke", kind: "token", value: "never", reason: "admin" },
        ...event("second"),
      ]),
      revoke("after"),
    ]);
    assert.deepEqual([...(reply.faults?.keys() ?? [])], [2]);
    assert.equal(reply.faults?.get(2)?.unavailable, false);
    assert.equal(reply.results[1], "created");
    assert.deepEqual(
      reads.entries({ epoch: 0, seq: 0 }, 10).map(({ seq, value }) => [seq, value]),
      [
        [1, "before"],
        [2, "after"],
      ],
    );
    assert.deepEqual(reply.entries, reads.entries({ epoch: 0, seq: 0 }, 10));
    assert.equal(reads.events({}, null, 10).length, 1);
    assert.deepEqual(reads.user(user.id), user);
  });

  test("a database that is full refuses what needs room as unavailable, half-writes nothing, and goes on when there is room", () => {
    const { db, commit, reads, cast } = open();
    const user = cast.newUser();
    const logIn = cast.newLogIn(user.id);
    commit.run([sent("createClient", OWN_CLIENT, []), sent("createUser", user, []), sent("open", logIn)]);
    const pages = Number((db.prepare("PRAGMA page_count").get() as unknown as number[])[0]);
    db.exec(`PRAGMA max_page_count = ${pages}`);
    const settings = { graceMs: 10_000, idleMs: 1e9 };
    const big = { ...cast.newUser(), name: "x".repeat(100_000) };
    const reply = commit.run([
      sent("createUser", big, [{ effect: "end_session", session: logIn.session.id, reason: "admin" }, ...event("big")]),
      // A refresh changes a row in its place and needs no room.
      sent("use", cast.presented(logIn.grant), settings, CAUSE),
    ]);
    assert.deepEqual(reply.faults, new Map([[0, { unavailable: true, message: "the disk is full" }]]));
    assert.equal(reads.user(big.id), undefined);
    assert.equal(reads.session(logIn.session.id)?.ended, null);
    assert.deepEqual(reads.entries({ epoch: 0, seq: 0 }, 10), []);
    const use = codecOf("use").receiveResult(reply.results[1]);
    assert(use.allow);
    assert.equal(use.standing.grant.generation, 2);

    db.exec("PRAGMA max_page_count = 1000000");
    const after = commit.run([sent("createUser", big, event("big"))]);
    assert.equal(after.faults, null);
    assert.deepEqual(reads.user(big.id), big);
  });

  test("a lock that another program holds on the file is unavailable, and passes", () => {
    const { db, commit } = open();
    db.exec("PRAGMA busy_timeout = 10");
    const other = openWriter(join(folder, `${made}.db`));
    other.exec("BEGIN IMMEDIATE");
    const held = commit.run([revoke("held")]);
    assert.equal(held.faults?.get(0)?.unavailable, true);
    other.exec("ROLLBACK");
    other.close();
    assert.equal(commit.run([revoke("free")]).faults, null);
  });

  test("what crosses the threads arrives as it was sent", () => {
    const { cast } = open();
    const logIn = cast.newLogIn(cast.newUser().id, { grant: { proof: systemWorld.random.bytes(32) } });
    const proven = cast.presented(logIn.grant, { proof: systemWorld.random.bytes(32), requiredRole: "admin" });
    const presented = { ...proven, listSeed: systemWorld.random.bytes(16) };
    for (const actor of [
      { kind: "anyone" },
      { kind: "user", id: logIn.session.user },
      { kind: "administrator", id: logIn.session.user },
    ] as const) {
      const args: StepArguments<"use"> = [presented, { graceMs: 1, idleMs: 2 }, { ...CAUSE, actor, address: null }];
      const codec = codecOf("use");
      assert.deepEqual(codec.receiveArguments(structuredClone(codec.sendArguments(args))), args);
    }
    const { session, grant } = logIn;
    const { id, state, roles } = cast.newUser({ roles: ["admin", "글쓴이"] });
    const standing = { grant, session, user: { id, state, roles }, position: { epoch: 3, seq: 4 } };
    for (const outcome of [
      { allow: true, how: "recovered", standing: { ...standing, slot: null } },
      { allow: true, how: "rotated", standing: { ...standing, slot: { list: 1_800_000_000, idx: 0 } } },
      { allow: false, refusal: { code: "session_ended", reason: "evicted" } },
    ] as const) {
      const codec = codecOf("use");
      assert.deepEqual(codec.receiveResult(structuredClone(codec.sendResult(outcome))), outcome);
    }
    const codec = codecOf("open");
    assert.deepEqual(codec.receiveArguments(structuredClone(codec.sendArguments([logIn]))), [logIn]);
  });
});

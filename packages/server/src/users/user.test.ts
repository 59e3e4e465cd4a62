import assert from "node:assert/strict";
import { test } from "node:test";
import { SYSTEM } from "../audit/event.ts";
import { asId } from "../prelude/ids.ts";
import { change, type User, type UserChange } from "./user.ts";

const user: User = {
  id: asId("user", "usr_1"),
  identifier: "Kim",
  identifierKey: "kim",
  name: "Kim",
  state: "active",
  roles: ["editor"],
  createdAt: 1,
  updatedAt: 1,
  password: Buffer.from("hash"),
  credentialVersion: 3,
};
const disabled: User = { ...user, state: "disabled" };

function after(from: User, wish: UserChange): { user: User; effects: readonly string[] } {
  const outcome = change(from, wish, SYSTEM, 9);
  assert.ok(outcome.ok);
  const effects = outcome.effects.map((effect) => (effect.effect === "audit" ? effect.event.name : effect.effect));
  return { user: outcome.user, effects };
}

test("disabling ends every session, and disabling again ends nothing twice", () => {
  const once = after(user, { kind: "disable" });
  assert.equal(once.user.state, "disabled");
  assert.deepEqual(once.effects, ["end_sessions_of_user", "user.disabled"]);
  assert.deepEqual(after(once.user, { kind: "disable" }).effects, []);
});

test("enabling brings no session back", () => {
  const { user: enabled, effects } = after(disabled, { kind: "enable" });
  assert.equal(enabled.state, "active");
  assert.deepEqual(effects, ["user.enabled"]);
});

test("deleting forgets what the user was called, frees the name, and is final", () => {
  const { user: gone, effects } = after(user, { kind: "delete" });
  assert.deepEqual(
    [gone.state, gone.identifier, gone.identifierKey, gone.name, gone.password, gone.roles],
    ["deleted", null, null, null, null, []],
  );
  assert.deepEqual(effects, ["end_sessions_of_user", "user.deleted"]);
  for (const kind of ["enable", "disable", "delete"] as const) {
    assert.deepEqual(change(gone, { kind }, SYSTEM, 9), { ok: false, refusal: "not_found" });
  }
});

test("a log-in that verified the password of a deleted user finds another credential version", () => {
  assert.notEqual(after(user, { kind: "delete" }).user.credentialVersion, user.credentialVersion);
});

const password = { kind: "set_password", password: Buffer.from("new"), keep: null, keepOthers: false } as const;

test("a new password counts as a new credential and ends the sessions, but for the one that asked", () => {
  const keep = asId("session", "ses_1");
  const outcome = change(user, { ...password, keep, credentialVersion: 3 }, SYSTEM, 9);
  assert.ok(outcome.ok);
  assert.equal(outcome.user.credentialVersion, 4);
  assert.deepEqual(outcome.effects[0], {
    effect: "end_sessions_of_user",
    user: user.id,
    except: keep,
    reason: "password_changed",
  });
});

test("a new password ends no session where the user said so", () => {
  const { effects } = after(user, { ...password, keepOthers: true, credentialVersion: 3 });
  assert.deepEqual(effects, ["password.changed"]);
});

test("of two password changes that verified the same credential, the second is refused", () => {
  const first = after(user, { ...password, credentialVersion: 3 }).user;
  assert.deepEqual(change(first, { ...password, credentialVersion: 3 }, SYSTEM, 9), { ok: false, refusal: "conflict" });
});

test("a stronger hash of the same password ends nothing, keeps the version, and yields to a change in between", () => {
  const wish = { kind: "upgrade_hash", password: Buffer.from("stronger"), credentialVersion: 3 } as const;
  const { user: upgraded, effects } = after(user, wish);
  assert.equal(upgraded.credentialVersion, 3);
  assert.deepEqual(effects, ["password.upgraded"]);
  assert.equal(change({ ...user, credentialVersion: 4 }, wish, SYSTEM, 9).ok, false);
});

test("changed roles revoke the tokens that carry the earlier ones and end no session", () => {
  const { user: changed, effects } = after(user, { kind: "set_roles", roles: ["admin"] });
  assert.deepEqual(changed.roles, ["admin"]);
  assert.deepEqual(effects, ["revoke", "user.roles_changed"]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { AUDIT_EVENTS, type AuditEventName, draft, SYSTEM } from "../audit/event.ts";
import { asId } from "../prelude/ids.ts";
import { END_REASONS, type EndReason } from "../revocation/entry.ts";
import { auditedSignal, EVERYONE, initiatorOf, reasonsOf, revokedSignal } from "./signal.ts";

/** Why a session is over without anybody here having revoked it, or why something ended that is no session. */
const NO_REVOCATION: readonly EndReason[] = ["expired", "roles_changed", "client_deleted", "key_revoked", "reported"];

test("every reason for which a session can be revoked is told, in words for logs and for users, in both languages", () => {
  for (const reason of END_REASONS) {
    const signal = revokedSignal(EVERYONE, reason);
    assert.equal(signal === null, NO_REVOCATION.includes(reason), reason);
    if (signal === null) continue;
    const { admin, user } = reasonsOf(signal.facts);
    for (const text of [admin, user.en, user.ko]) assert.match(text, /\S.*\.$/);
    assert.match(user.ko, /\p{Script=Hangul}/u);
  }
});

test("of the audit, changed passwords and changed roles are told to others, and nothing else", () => {
  const told: AuditEventName[] = [];
  for (const name of Object.keys(AUDIT_EVENTS) as AuditEventName[]) {
    const signal = auditedSignal(draft(name, SYSTEM, { user: "usr_a" }, { roles: "" }));
    if (signal === null) continue;
    told.push(name);
    assert.equal(signal.user, "usr_a");
    assert.match(reasonsOf(signal.facts).admin, /\.$/);
    assert.equal(auditedSignal(draft(name, SYSTEM)), null, "without a user it is about nobody");
  }
  assert.deepEqual(told, ["user.roles_changed", "password.changed"]);
});

test("roles that were taken away are told as none", () => {
  const signal = auditedSignal(draft("user.roles_changed", SYSTEM, { user: "usr_a" }, { roles: "" }));
  assert.deepEqual(signal?.facts, { event: "token-claims-change", roles: [] });
});

test("who acted is told as CAEP has it: the reason says so, or else the cause does", () => {
  const revoked = (reason: EndReason) => ({ event: "session-revoked", reason }) as const;
  const password = { event: "credential-change", credential: "password", change: "update" } as const;
  const user = { kind: "user", id: asId("user", "usr_a") } as const;
  assert.equal(initiatorOf(revoked("evicted"), user), "policy");
  assert.equal(initiatorOf(revoked("password_changed"), user), "user");
  assert.equal(initiatorOf(revoked("password_changed"), { kind: "operator" }), "admin");
  assert.equal(initiatorOf(password, { kind: "anyone" }), "user");
  assert.equal(initiatorOf(password, null), "system");
});

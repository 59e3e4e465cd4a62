import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { measureOf, WANTED_EVENTS } from "./measure.ts";
import type { ReceivedSet } from "./read-set.ts";
import { readSubject } from "./subject.ts";

const CAEP = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC = "https://schemas.openid.net/secevent/risc/event-type/";
const kim = { format: "email", email: "kim@example.com" };
const theirs = { format: "opaque", id: "their-session" };

function event(type: string, sub_id: unknown = kim, members: ReceivedSet["members"] = {}): ReceivedSet {
  const subject = readSubject(sub_id);
  assert.ok(subject !== null);
  return { jti: "a", iat: 0, subject, type, members };
}
const asks = (set: ReceivedSet, critical: readonly string[] = []) => {
  const measure = measureOf(set, critical);
  return measure?.asks === "nothing" ? measure.why : measure?.asks;
};

test("each event asks for what the table says, and an unknown one for nothing", () => {
  const change = (change_type: unknown) => event(`${CAEP}credential-change`, kim, { change_type });
  const cases: readonly (readonly [ReceivedSet, string | undefined])[] = [
    [event(`${CAEP}session-revoked`), "end"],
    [change("update"), "end"],
    [change("revoke"), "end"],
    [change("delete"), "end"],
    [change("create"), "not_acted_on"],
    [change("explode"), undefined],
    [change("constructor"), undefined],
    [change(undefined), undefined],
    [event(`${CAEP}token-claims-change`, kim, { claims: { role: "x" } }), "renew"],
    [event(`${CAEP}token-claims-change`, kim, { claims: [] }), undefined],
    [event(`${CAEP}token-claims-change`), undefined],
    [event(`${RISC}account-disabled`), "disable"],
    [event(`${RISC}account-purged`), "disable"],
    [event(`${RISC}credential-compromise`), "end"],
    [event(`${RISC}account-enabled`), "not_acted_on"],
    [event("urn:x"), "not_acted_on"],
    [event("constructor"), "not_acted_on"],
    [event("__proto__"), "not_acted_on"],
  ];
  for (const [set, expected] of cases) assert.equal(asks(set), expected, set.type);
  assert.ok(WANTED_EVENTS.includes(`${CAEP}session-revoked`));
});

test("what names no user and no session is too wide, whatever the event", () => {
  const tenant = { format: "complex", tenant: { format: "opaque", id: "everyone" } };
  const group = { format: "complex", group: kim, org_unit: kim };
  const members = { change_type: "update", claims: {} };
  for (const type of WANTED_EVENTS) {
    for (const subject of [tenant, group]) assert.equal(asks(event(type, subject, members)), "too_wide", type);
  }
});

test("a member that the provider calls critical and nobody here understands stops the event", () => {
  const subject = { format: "complex", user: kim, tenant: theirs };
  assert.equal(asks(event(`${CAEP}session-revoked`, subject), ["tenant", "user"]), "not_understood");
  assert.equal(asks(event(`${CAEP}session-revoked`, subject), ["user", "session"]), "end");
});

test("a session or a device of theirs narrows: a log-out there is none here, anything else may be", () => {
  const measure = (sub_id: object, initiating_entity?: string) =>
    measureOf(
      event(`${CAEP}session-revoked`, sub_id, initiating_entity === undefined ? {} : { initiating_entity }),
      [],
    );
  const session = { format: "complex", user: kim, session: theirs };
  const device = { format: "complex", user: kim, device: theirs };
  const tenant = { format: "complex", user: kim, tenant: theirs };
  assert.deepEqual(measure(session, "user"), { asks: "end", user: kim, session: theirs, widens: false });
  assert.deepEqual(measure(session, "policy"), { asks: "end", user: kim, session: theirs, widens: true });
  assert.deepEqual(measure(device, "user"), { asks: "end", user: kim, session: { format: "other" }, widens: false });
  assert.deepEqual(measure(tenant), { asks: "end", user: kim, session: null, widens: true });
  // Tokens that are fetched anew a little early harm nobody.
  const renewed = measureOf(
    event(`${CAEP}token-claims-change`, session, { claims: {}, initiating_entity: "user" }),
    [],
  );
  assert.deepEqual(renewed, { asks: "renew", user: kim, session: theirs, widens: true });
});

test("no event, of whatever members and subject, asks for more than one user", () => {
  const subjects = fc.oneof(
    fc.constantFrom<unknown>(kim, theirs, { format: "aliases", identifiers: [kim, theirs] }),
    fc
      .dictionary(fc.constantFrom("user", "session", "tenant", "group", "device"), fc.constantFrom(kim, theirs), {
        minKeys: 1,
      })
      .map((members) => ({ ...members, format: "complex" })),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...WANTED_EVENTS),
      subjects,
      fc.dictionary(fc.string(), fc.jsonValue()),
      (type, subject, members) => {
        const measure = measureOf(event(type, subject, members), []);
        if (measure === null || measure.asks === "nothing") return;
        assert.ok(measure.user !== null || measure.session !== null);
      },
    ),
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { asId } from "../prelude/ids.ts";
import { decideLimit, LIMIT_ACTIONS, LIMIT_SCOPES, type SessionLimit } from "./limit.ts";
import { DEVICE_CLASSES, type DeviceClass, type Session } from "./session.ts";

function session(id: string, createdAt: number, deviceClass: DeviceClass = "desktop", client = "app"): Session {
  return {
    id: asId("session", id),
    user: asId("user", "usr_1"),
    client: asId("client", client),
    device: { id: asId("device", `dev_${id}`), name: id, class: deviceClass },
    address: null,
    amr: ["pwd"],
    createdAt,
    lastSeenAt: createdAt,
    idleExpiresAt: 1e15,
    expiresAt: 1e15,
    ended: null,
  };
}

const limit = (max: number, action: SessionLimit["action"], per: SessionLimit["per"] = "user") => ({
  max,
  action,
  per,
});
const [pc, phone, tablet] = [session("pc", 1), session("phone", 2, "mobile"), session("tablet", 3, "tablet")];
const arriving = session("new", 9, "mobile");

test("without a limit everyone is welcome", () => {
  assert.deepEqual(decideLimit([pc, phone, tablet], arriving, limit(0, "refuse"), null), { allow: true, end: [] });
});

test("one device only: a log-in on the phone ends the PC's", () => {
  assert.deepEqual(decideLimit([pc], arriving, limit(1, "evict"), null), { allow: true, end: [pc.id] });
});

test("evicting takes the oldest, and as many as a lowered limit asks for", () => {
  const live = [tablet, pc, phone];
  assert.deepEqual(decideLimit(live, arriving, limit(3, "evict"), null), { allow: true, end: [pc.id] });
  assert.deepEqual(decideLimit(live, arriving, limit(1, "evict"), null), {
    allow: true,
    end: [pc.id, phone.id, tablet.id],
  });
});

test("refusing shows the sessions, and naming one does not help", () => {
  assert.deepEqual(decideLimit([phone, pc], arriving, limit(2, "refuse"), pc.id), {
    allow: false,
    sessions: [pc, phone],
  });
});

test("asking refuses until the user names a session, which then makes room", () => {
  assert.equal(decideLimit([pc, phone], arriving, limit(2, "ask"), null).allow, false);
  assert.deepEqual(decideLimit([pc, phone], arriving, limit(2, "ask"), phone.id), { allow: true, end: [phone.id] });
});

test("naming a session of somebody else, or none that there is, makes no room", () => {
  assert.equal(decideLimit([pc, phone], arriving, limit(2, "ask"), asId("session", "ses_other")).allow, false);
});

test("asking under a limit that was lowered: the one named goes, and the oldest with it", () => {
  assert.deepEqual(decideLimit([pc, phone, tablet], arriving, limit(2, "ask"), tablet.id), {
    allow: true,
    end: [tablet.id, pc.id],
  });
});

test("per device class, a phone makes room for a phone only", () => {
  assert.deepEqual(decideLimit([pc, phone], arriving, limit(1, "evict", "device_class"), null), {
    allow: true,
    end: [phone.id],
  });
});

test("per client, another app's sessions do not count", () => {
  const other = session("other", 1, "mobile", "other");
  assert.deepEqual(decideLimit([other], arriving, limit(1, "refuse", "client"), null), { allow: true, end: [] });
});

const sessions = fc
  .uniqueArray(fc.tuple(fc.nat(50), fc.nat(5), fc.constantFrom(...DEVICE_CLASSES), fc.constantFrom("app", "other")), {
    selector: ([id]) => id,
    maxLength: 12,
  })
  .map((rows) => rows.map(([id, at, kind, client]) => session(`ses_${id}`, at, kind, client)));
const limits = fc.record({
  max: fc.nat(6),
  action: fc.constantFrom(...LIMIT_ACTIONS),
  per: fc.constantFrom(...LIMIT_SCOPES),
});

test("whatever is live: who is let in leaves no more than the limit, and no more end than must", () => {
  fc.assert(
    fc.property(sessions, limits, fc.nat(50), (live, rule, pick) => {
      const chosen = asId("session", `ses_${pick}`);
      const decision = decideLimit(live, arriving, rule, chosen);
      const counts = (other: Session) =>
        rule.per === "user" ||
        (rule.per === "client" ? other.client === arriving.client : other.device.class === arriving.device.class);
      const peers = live.filter(counts);
      const excess = rule.max === 0 ? 0 : Math.max(0, peers.length + 1 - rule.max);
      if (!decision.allow) {
        assert.ok(excess > 0 && rule.action !== "evict");
        assert.ok(rule.action === "refuse" || !peers.some(({ id }) => id === chosen));
        return;
      }
      assert.equal(new Set(decision.end).size, excess);
      assert.ok(decision.end.every((id) => peers.some((peer) => peer.id === id)));
    }),
  );
});

test("of sessions that began together, every server evicts the same one", () => {
  fc.assert(
    fc.property(sessions, (live) => {
      const rule = limit(1, "evict");
      assert.deepEqual(decideLimit(live, arriving, rule, null), decideLimit([...live].reverse(), arriving, rule, null));
    }),
  );
});

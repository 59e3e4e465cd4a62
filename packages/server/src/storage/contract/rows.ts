/** What the rows of an engine must do that no port shows yet: a session that holds several grants. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Rows } from "../rows.ts";
import { Cast, DAY, otherClient } from "./stage.ts";

/** @param open opens fresh, empty rows on which a step may run */
export function describeRows(name: string, open: () => Rows): void {
  describe(`rows: ${name}`, () => {
    const cast = new Cast();

    test("a session was seen when any of its grants was, and is idle when all are", () => {
      const rows = open();
      const user = cast.newUser();
      const { session, grant } = cast.newLogIn(user.id);
      const app = cast.newLogIn(user.id, {
        session,
        grant: { client: otherClient("app"), usedAt: grant.usedAt + DAY },
      });
      const later = { ...app.grant, session: session.id, idleExpiresAt: grant.idleExpiresAt + DAY };
      rows.addUser(user);
      rows.addSession(session);
      rows.addGrant(grant);
      rows.addGrant(later);
      const seen = { ...session, lastSeenAt: later.usedAt, idleExpiresAt: later.idleExpiresAt };
      assert.deepEqual(rows.session(session.id), seen);
      assert.deepEqual(rows.held(grant.secretId), { grant, session: seen, user });
      assert.deepEqual(rows.held(later.secretId), { grant: later, session: seen, user });
      assert.deepEqual(rows.unended(user.id), [seen]);
      assert.deepEqual(rows.dueSessions(later.idleExpiresAt, 10), [seen]);
    });

    test("a client's end ends its grants and no other", () => {
      const rows = open();
      const user = cast.newUser();
      const { session, grant } = cast.newLogIn(user.id);
      const app = { ...cast.newLogIn(user.id).grant, session: session.id, client: otherClient("app") };
      rows.addUser(user);
      rows.addSession(session);
      rows.addGrant(grant);
      rows.addGrant(app);
      const ended = { at: 1, reason: "client_deleted" } as const;
      rows.endGrantsOf(app.client, ended);
      assert.deepEqual(rows.held(app.secretId)?.grant, { ...app, ended });
      assert.deepEqual(rows.held(grant.secretId)?.grant, grant);
      assert.equal(rows.endGrant(grant.id, ended), true);
      assert.equal(rows.endGrant(grant.id, { at: 2, reason: "admin" }), false);
      assert.deepEqual(rows.held(grant.secretId)?.grant, { ...grant, ended });
    });
  });
}

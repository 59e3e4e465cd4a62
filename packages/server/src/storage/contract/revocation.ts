/** The contract of the revocation log: gapless, in commit order, told before it is acknowledged, forgotten in time. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_CLIENT } from "../../clients/client.ts";
import { asId } from "../../prelude/ids.ts";
import type { Position, RevocationEntry } from "../../revocation/entry.ts";
import { TOKENS_PER_GRANT } from "../apply.ts";
import { signingKey } from "./keys.ts";
import { CAUSE, FIRST_PAGE, type Open, SECOND, Stage } from "./stage.ts";

const START: Position = { epoch: 0, seq: 0 };

export function describeRevocationStore(open: Open): void {
  describe("revocation log", () => {
    test("begins empty in an epoch that says when", async () => {
      const stage = await Stage.open(open);
      assert.deepEqual(stage.store.revocation.head(), { epoch: Math.floor(stage.clock.now() / 1000), seq: 0 });
      assert.deepEqual(await stage.store.revocation.after(START, 10), []);
      await stage.store.close();
    });

    test("entries are numbered without a gap in commit order, also when many revoke at once", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const held = await Promise.all(Array.from({ length: 40 }, () => stage.logIn(user.id)));
      await Promise.all([
        ...held.map(({ standing }) => stage.store.sessions.end({ session: standing.session.id }, "logout", CAUSE)),
        ...held.map(({ standing }) => stage.store.sessions.end({ session: standing.session.id }, "admin", CAUSE)),
        ...Array.from({ length: 40 }, (_, index) =>
          stage.store.revocation.apply([
            { effect: "revoke", kind: "token", value: `jti-${index}`, reason: "admin" },
            { effect: "revoke", kind: "client", value: `client-${index}`, reason: "admin" },
          ]),
        ),
      ]);
      const entries = await stage.store.revocation.after(START, 1000);
      const { epoch } = stage.store.revocation.head();
      assert.deepEqual(
        entries.map(({ seq }) => seq),
        Array.from({ length: 120 }, (_, index) => index + 1),
      );
      assert.deepEqual(stage.store.revocation.head(), { epoch, seq: 120 });
      assert.deepEqual(stage.heard, entries);
      assert.deepEqual(await stage.store.revocation.count(), { session: 40, token: 40, client: 40 });
      await stage.store.close();
    });

    test("listeners have heard of an entry, and the head has moved, before its cause is acknowledged", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      await Promise.all(
        Array.from({ length: 30 }, async () => {
          const { standing } = await stage.logIn(user.id);
          await stage.store.sessions.end({ session: standing.session.id }, "logout", CAUSE);
          const entry = stage.heard.find(({ value }) => value === standing.session.id);
          assert(entry !== undefined);
          assert(entry.seq <= stage.store.revocation.head().seq);
        }),
      );
      await stage.store.close();
    });

    test("the head that is read has every entry acknowledged before, and everyone has heard of it by then", async () => {
      const stage = await Stage.open(open);
      const { revocation } = stage.store;
      assert.deepEqual(await revocation.readHead(), revocation.head());
      await Promise.all(
        Array.from({ length: 30 }, async (_, index) => {
          const written = await revocation.apply([
            { effect: "revoke", kind: "token", value: `${index}`, reason: "admin" },
          ]);
          const read = revocation.readHead();
          const heardBefore = stage.heard.length;
          const head = await read;
          assert(head.seq >= written.seq);
          assert(stage.heard.some(({ seq }) => seq === head.seq));
          assert(head.seq >= heardBefore);
        }),
      );
      await stage.store.close();
    });

    test("apply answers the position of what it wrote", async () => {
      const stage = await Stage.open(open);
      const position = await stage.store.revocation.apply([
        { effect: "revoke", kind: "token", value: "jti", reason: "admin" },
      ]);
      assert.deepEqual(position, stage.store.revocation.head());
      assert.deepEqual([stage.heard[0]?.epoch, stage.heard[0]?.seq], [position.epoch, position.seq]);
      await stage.store.close();
    });

    test("reading resumes from a position", async () => {
      const stage = await Stage.open(open);
      for (let index = 0; index < 5; index += 1) {
        await stage.store.revocation.apply([{ effect: "revoke", kind: "token", value: `${index}`, reason: "admin" }]);
      }
      const first = await stage.store.revocation.after(START, 2);
      assert.deepEqual(
        first.map(({ value }) => value),
        ["0", "1"],
      );
      const rest = await stage.store.revocation.after(first[1] as RevocationEntry, 10);
      assert.deepEqual(
        rest.map(({ value }) => value),
        ["2", "3", "4"],
      );
      assert.deepEqual(await stage.store.revocation.after(stage.store.revocation.head(), 10), []);
      await stage.store.close();
    });

    test("an entry is remembered until no token can be alive: the highest exp ever signed, tolerance and skew", async () => {
      const stage = await Stage.open(open);
      let tokens = 0;
      const revoke = () => {
        tokens += 1;
        return stage.store.revocation.apply([{ effect: "revoke", kind: "token", value: `${tokens}`, reason: "admin" }]);
      };
      await revoke();
      assert.equal(stage.heard.at(-1)?.expires, Math.ceil(stage.clock.now() / 1000));
      const exp = stage.clock.now() / 1000 + 300;
      await stage.store.keys.replace(0, [signingKey({ kid: "low" }), signingKey({ kid: "high" })], []);
      await stage.store.keys.raiseMark("high", exp);
      await revoke();
      assert.equal(stage.heard.at(-1)?.expires, exp + 660);
      const before = stage.clock.now();
      stage.clock.advance(961 * SECOND);
      assert.equal(
        await stage.store.revocation.compact(before),
        0,
        "by a clock that is believed they are wanted still",
      );
      assert.equal(await stage.store.revocation.compact(stage.clock.now()), 2);
      assert.deepEqual(await stage.store.revocation.after(START, 10), []);
      assert.equal(stage.store.revocation.head().seq, 2);
      await revoke();
      assert.equal(stage.store.revocation.head().seq, 3);
      await stage.store.close();
    });

    test("where sessions live elsewhere, what ends them is remembered as long as they may live, and tokens are not", async () => {
      const stage = await Stage.open(open);
      const { elsewhere, revocation } = stage.store;
      assert.equal(await elsewhere.keepUntil(0), 0);
      const until = stage.clock.now() / 1000 + 3600;
      assert.equal(await elsewhere.keepUntil(until), until);
      assert.equal(await elsewhere.keepUntil(until - 1), until);
      for (const kind of ["token", "session", "grant", "user", "client"] as const) {
        await revocation.apply([{ effect: "revoke", kind, value: "x", reason: "logout" }]);
      }
      await revocation.apply([{ effect: "revoke", kind: "session", value: "ran out", reason: "expired" }]);
      const left = async () => (await revocation.after(START, 100)).map(({ kind }) => kind);
      stage.clock.advance(4200 * SECOND);
      assert.equal(await revocation.compact(stage.clock.now()), 2);
      assert.deepEqual(await left(), ["session", "grant", "user", "client"]);
      stage.clock.advance(SECOND);
      assert.equal(await revocation.compact(stage.clock.now()), 4);
      await stage.store.close();
    });

    test("an installation has an id, always the same", async () => {
      const stage = await Stage.open(open);
      const id = await stage.store.elsewhere.installation();
      assert.match(id, /^[0-9a-f-]{32,36}$/);
      assert.equal(await stage.store.elsewhere.installation(), id);
      const other = await Stage.open(open);
      assert.notEqual(await other.store.elsewhere.installation(), id);
      await other.store.close();
      await stage.store.close();
    });

    test("a token that was shown is written once, with whom it concerns, and not at all where its grant has ended", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user()).id);
      const grant = standing.grant.id;
      const shown = (jti: string) =>
        stage.store.revocation.apply([
          { effect: "revoke_token", jti, grant, audience: "https://orders.example.com", reason: "logout" },
        ]);
      await shown("one");
      await shown("one");
      await stage.store.revocation.apply([{ effect: "revoke", kind: "token", value: "one", reason: "admin" }]);
      assert.equal(stage.heard.length, 1);
      const [entry] = stage.heard;
      assert.deepEqual(await stage.store.revocation.after(START, 10), stage.heard);
      assert.deepEqual([entry?.value, entry?.grant, entry?.audience], ["one", grant, "https://orders.example.com"]);
      await stage.store.revocation.apply([{ effect: "end_grant", grant, reason: "admin" }]);
      await shown("two");
      assert.deepEqual(
        stage.heard.map(({ kind }) => kind),
        ["token", "grant"],
      );
      await stage.store.close();
    });

    test("revoking many tokens of one grant ends the grant: their entries become its one", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user()).id);
      const grant = standing.grant.id;
      for (let index = 0; index < TOKENS_PER_GRANT + 5; index += 1) {
        await stage.store.revocation.apply([
          { effect: "revoke_token", jti: `${index}`, grant, audience: null, reason: "logout" },
        ]);
      }
      assert.deepEqual(
        (await stage.store.revocation.after(START, 100)).map(({ kind, value }) => [kind, value]),
        [["grant", grant]],
      );
      assert.equal(stage.heard.length, TOKENS_PER_GRANT + 1);
      const refused = await stage.refresh(standing.grant);
      assert(!refused.allow && refused.refusal.code === "session_ended");
      await stage.store.close();
    });

    test("an entry for everyone covers all before it but keys", async () => {
      const stage = await Stage.open(open);
      await stage.store.keys.replace(0, [signingKey({ kid: "stolen", state: "revoked" })], []);
      await stage.store.keys.raiseMark("stolen", stage.clock.now() / 1000 + 300);
      for (const kind of ["token", "session", "user", "client", "key"] as const) {
        const value = kind === "key" ? "stolen" : "x";
        await stage.store.revocation.apply([{ effect: "revoke", kind, value, reason: "admin" }]);
      }
      await stage.store.sessions.end({ everyone: true }, "admin", CAUSE);
      await stage.store.revocation.apply([{ effect: "revoke", kind: "user", value: "x", reason: "admin" }]);
      assert.equal(await stage.store.revocation.compact(stage.clock.now()), 4);
      assert.deepEqual(
        (await stage.store.revocation.after(START, 100)).map(({ kind }) => kind),
        ["key", "all", "user"],
      );
      await stage.store.close();
    });

    test("what the feed must remember of leases is there again", async () => {
      const stage = await Stage.open(open);
      const { feed } = stage.store;
      assert.equal(await feed.leaseMs(), null);
      await feed.setLeaseMs(60_000);
      assert.equal(await feed.leaseMs(), 60_000);
      const stubborn = { id: asId("instance", "ins_1"), client: DEFAULT_CLIENT, acceptMs: 90_000 };
      await feed.addUnbound(stubborn);
      await feed.addUnbound(stubborn);
      assert.deepEqual(await feed.unbound(), [stubborn]);
      await feed.removeUnbound("ins_1");
      assert.deepEqual(await feed.unbound(), []);
      await stage.store.close();
    });

    test("a key's entry stays while the key is known to anyone", async () => {
      const stage = await Stage.open(open);
      const stolen = signingKey({ kid: "stolen", state: "revoked" });
      const effect = { effect: "revoke", kind: "key", value: "stolen", reason: "key_revoked" } as const;
      await stage.store.keys.replace(0, [stolen], [effect]);
      stage.clock.advance(365 * 24 * 3600 * SECOND);
      assert.equal(await stage.store.revocation.compact(stage.clock.now()), 0);
      await stage.store.keys.replace(1, [{ ...stolen, state: "gone" }], []);
      assert.equal(await stage.store.revocation.compact(stage.clock.now()), 1);
      await stage.store.close();
    });
    test("a log that had a later position begins anew: everyone's tokens, every session and every key, once", async () => {
      const stage = await Stage.open(open);
      const { keys, revocation, sessions } = stage.store;
      const { version } = await keys.all();
      await keys.replace(version, [signingKey({ kid: "k1", state: "active" }), signingKey({ kid: "k2" })], []);
      const user = await stage.user();
      const { standing } = await stage.logIn(user.id);
      const known = await revocation.apply([{ effect: "revoke", kind: "token", value: "jti", reason: "admin" }]);
      const lost = { epoch: known.epoch, seq: known.seq + 3 };
      stage.clock.advance(60 * SECOND);
      const begun = await revocation.restart(lost, false);
      assert.deepEqual(begun, { epoch: stage.clock.now() / 1000, sessionsEnded: 1, keysRevoked: 2 });
      const epoch = begun?.epoch ?? 0;
      assert.deepEqual(revocation.head(), { epoch, seq: 3 });
      assert.deepEqual(await revocation.readHead(), revocation.head());
      const entries = await revocation.after(known, 10);
      assert.deepEqual(
        entries.map((entry) => [entry.epoch, entry.seq, entry.kind, entry.value]),
        [
          [epoch, 1, "all", ""],
          [epoch, 2, "key", "k1"],
          [epoch, 3, "key", "k2"],
        ],
      );
      assert.deepEqual(stage.heard.slice(-3), entries);
      assert.equal((await sessions.find(standing.session.id))?.ended?.reason, "restored");
      assert.ok((await keys.all()).keys.every(({ state }) => state === "revoked"));
      const { items } = await stage.store.audit.list({ name: "store.tail_lost" }, FIRST_PAGE);
      assert.deepEqual(
        items.map(({ detail }) => detail),
        [
          {
            epoch,
            keep_sessions: false,
            lost_epoch: lost.epoch,
            lost_seq: lost.seq,
            head_epoch: known.epoch,
            head_seq: known.seq,
          },
        ],
      );
      // The same word again, from another verifier.
      assert.equal(await revocation.restart(lost, false), null);
      assert.deepEqual(revocation.head(), { epoch, seq: 3 });
      const next = await revocation.apply([{ effect: "revoke", kind: "token", value: "jti2", reason: "admin" }]);
      assert.deepEqual(next, { epoch, seq: 4 });
      await stage.store.close();
    });

    test("of many who prove the same loss at the same time, one begins the epoch", async () => {
      const stage = await Stage.open(open);
      const { epoch } = stage.store.revocation.head();
      const begun = await Promise.all(
        Array.from({ length: 20 }, (_, index) => stage.store.revocation.restart({ epoch, seq: index + 1 }, false)),
      );
      assert.equal(begun.filter((each) => each !== null).length, 1);
      assert.deepEqual(await stage.events("store.tail_lost"), ["store.tail_lost"]);
      await stage.store.close();
    });

    test("where sessions are kept, the epoch begins all the same and nothing ends", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const { standing } = await stage.logIn(user.id);
      const before = stage.store.revocation.head();
      const begun = await stage.store.revocation.restart({ epoch: before.epoch, seq: 9 }, true);
      assert.equal(begun?.sessionsEnded, 0);
      assert.ok((begun?.epoch ?? 0) > before.epoch);
      assert.deepEqual(stage.store.revocation.head(), { epoch: begun?.epoch, seq: 0 });
      assert((await stage.refresh(standing.grant)).allow);
      const next = await stage.store.revocation.apply([
        { effect: "revoke", kind: "user", value: "u", reason: "admin" },
      ]);
      assert.deepEqual(next, { epoch: begun?.epoch, seq: 1 });
      assert.deepEqual(stage.heard.at(-1)?.epoch, begun?.epoch);
      await stage.store.close();
    });

    test("a position of a later epoch was lost with it, and the next epoch is later still", async () => {
      const stage = await Stage.open(open);
      const lost = { epoch: stage.store.revocation.head().epoch + 1000, seq: 0 };
      assert.equal((await stage.store.revocation.restart(lost, false))?.epoch, lost.epoch + 1);
      await stage.store.close();
    });

    test("a position that the log has, or of an earlier epoch, begins nothing", async () => {
      const stage = await Stage.open(open);
      const head = await stage.store.revocation.apply([
        { effect: "revoke", kind: "token", value: "jti", reason: "admin" },
      ]);
      for (const known of [head, { ...head, seq: 0 }, { epoch: head.epoch - 1, seq: 1e9 }]) {
        assert.equal(await stage.store.revocation.restart(known, false), null);
      }
      assert.deepEqual(stage.store.revocation.head(), head);
      await stage.store.close();
    });
  });
}

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { AccessTokenClaims } from "../claims.ts";
import { type Copy, createCopy } from "./copy.ts";
import { encodeEntries, type FeedEntry, REVOCATION_KINDS, type RevocationKind } from "./entry.ts";
import { entryKeys } from "./entry-key.ts";
import { comparePositions } from "./position.ts";

const ISSUER = "https://login.example.com";
const KEY = new Uint8Array(32).fill(1);
const OTHER_KEY = new Uint8Array(32).fill(2);
const EPOCH = 1_800_000_000;

function claims(changes: Partial<AccessTokenClaims> = {}): AccessTokenClaims {
  const required = { iss: ISSUER, sub: "ada", aud: "api", exp: EPOCH + 300, iat: EPOCH, jti: "t1", client_id: "web" };
  return { ...required, sid: "s1", gid: "g1", rsq: [EPOCH, 10], ...changes };
}

/** Which value of a kind meets the token that `claims()` makes, verified by the key "k1". */
const MEETS: Record<RevocationKind, string> = {
  token: "t1",
  session: "s1",
  grant: "g1",
  key: "k1",
  user: "ada",
  client: "web",
  all: "",
};
const KINDS = Object.keys(MEETS) as RevocationKind[];

function revoke(
  copy: Copy,
  kind: RevocationKind,
  value: string,
  seq: number,
  changes: Partial<FeedEntry> = {},
): boolean {
  const { feedKey = KEY, ...rest } = changes as Partial<FeedEntry> & { feedKey?: Uint8Array };
  const key = entryKeys(feedKey, ISSUER)(kind, value);
  const entry: FeedEntry = {
    kind,
    reason: "admin",
    position: { epoch: EPOCH, seq },
    at: EPOCH,
    expires: EPOCH + 900,
    key,
    ...rest,
  };
  return copy.add(encodeEntries([entry]), 0, 1);
}

function filled(most?: number): Copy {
  const copy = createCopy(ISSUER, most);
  copy.use(KEY);
  return copy;
}

describe("a token is revoked", () => {
  for (const kind of KINDS) {
    test(`by an entry of kind ${kind} that names it, and by no other of that kind`, () => {
      const copy = filled();
      const token = copy.prints(claims(), "k1");
      if (kind !== "all") {
        revoke(copy, kind, `${MEETS[kind]}x`, 11);
        assert.equal(copy.judge(token), null);
      }
      for (const other of KINDS) if (other !== kind && other !== "all") revoke(copy, other, `${MEETS[kind]}`, 12);
      assert.equal(copy.judge(copy.prints(claims(), "k1")), null);
      revoke(copy, kind, MEETS[kind], 13, { reason: "evicted" });
      const hit = { kind, reason: "evicted", position: { epoch: EPOCH, seq: 13 } };
      assert.deepEqual(copy.judge(token), hit);
      assert.deepEqual(copy.judge(token), hit);
      assert.deepEqual(copy.judge(copy.prints(claims(), "k1")), hit);
    });
  }

  test("by user, client and all only where it was issued before: logging in again works in the same millisecond", () => {
    for (const kind of ["user", "client", "all"] as const) {
      const copy = filled();
      revoke(copy, kind, MEETS[kind], 13);
      const judged = (rsq: [number, number]) => copy.judge(copy.prints(claims({ rsq }), "k1"));
      assert.notEqual(judged([EPOCH, 12]), null);
      assert.equal(judged([EPOCH, 13]), null);
      assert.equal(judged([EPOCH, 14]), null);
      assert.notEqual(judged([EPOCH - 1, 900]), null);
      assert.equal(judged([EPOCH + 1, 1]), null);
    }
  });

  test("by user, client and all from its second where it names no position: issued in the second of the entry, it is refused", () => {
    for (const kind of ["user", "client", "all"] as const) {
      const copy = filled();
      revoke(copy, kind, MEETS[kind], 13, { at: EPOCH + 5 });
      const judged = (iat: number) => {
        const { rsq: _, ...foreign } = claims({ iat });
        return copy.judge(copy.prints(foreign, "k1"));
      };
      assert.notEqual(judged(EPOCH), null);
      assert.notEqual(judged(EPOCH + 5), null);
      assert.notEqual(judged(EPOCH + 5.9), null);
      assert.equal(judged(EPOCH + 6), null);
    }
  });

  test("by token, session, grant and key whatever position it claims to have been issued at", () => {
    for (const kind of ["token", "session", "grant", "key"] as const) {
      const copy = filled();
      revoke(copy, kind, MEETS[kind], 13);
      assert.notEqual(copy.judge(copy.prints(claims({ rsq: [2 ** 48 - 1, 2 ** 48 - 1] }), "k1")), null);
    }
  });
});

describe("the copy", () => {
  test("gives the verdict of a plain list, however entries and questions follow each other", () => {
    const names = ["a", "b", "c"] as const;
    const name = fc.constantFrom(...names);
    const adding = fc.record({
      kind: fc.constantFrom(...KINDS),
      value: name,
      seq: fc.integer({ min: 1, max: 20 }),
      feedKey: fc.constantFrom(KEY, KEY, KEY, OTHER_KEY),
      again: fc.integer({ min: 1, max: 40 }),
    });
    const token = fc.record({
      jti: name,
      sid: name,
      gid: name,
      sub: name,
      client_id: name,
      kid: name,
      seq: fc.integer({ min: 0, max: 20 }),
    });
    const step = fc.oneof(fc.record({ add: adding }), fc.record({ ask: fc.nat({ max: 3 }) }));
    fc.assert(
      fc.property(
        fc.array(token, { minLength: 4, maxLength: 4 }),
        fc.array(step, { maxLength: 40 }),
        (tokens, steps) => {
          const copy = createCopy(ISSUER);
          let using: Uint8Array | null = null;
          const list: { kind: RevocationKind; value: string; seq: number }[] = [];
          const prints = tokens.map(({ kid, seq, ...rest }) =>
            copy.prints(claims({ ...rest, rsq: [EPOCH, seq] }), kid),
          );
          for (const each of steps) {
            if ("add" in each) {
              const { kind, seq, feedKey, again } = each.add;
              const value = kind === "all" ? "" : each.add.value;
              if (using !== feedKey) copy.use(feedKey);
              using = feedKey;
              const before = copy.version;
              revoke(copy, kind, value, seq, { feedKey } as Partial<FeedEntry>);
              // Many that concern nobody, so that changes are too many to be looked at one by one.
              if (again > 33)
                for (let other = 0; other < again; other++)
                  revoke(copy, "token", `z${other}`, 30 + other, { feedKey } as Partial<FeedEntry>);
              assert.ok(copy.version >= before);
              list.push({ kind, value, seq });
              continue;
            }
            const { kid, seq, ...rest } = tokens[each.ask] ?? tokens[0] ?? assert.fail();
            const names = {
              token: rest.jti,
              session: rest.sid,
              grant: rest.gid,
              key: kid,
              user: rest.sub,
              client: rest.client_id,
              all: "",
            };
            const expected = list.some(
              (entry) =>
                names[entry.kind] === entry.value && (!REVOCATION_KINDS[entry.kind].onlyEarlier || seq < entry.seq),
            );
            const hit = copy.judge(prints[each.ask] ?? assert.fail());
            assert.equal(hit !== null, expected);
            if (hit)
              assert.ok(
                list.some(
                  (entry) =>
                    entry.kind === hit.kind && comparePositions(hit.position, { epoch: EPOCH, seq: entry.seq }) === 0,
                ),
              );
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test("without node:crypto tells at once only what it has told before, and gives the same verdicts later", async () => {
    const copy = createCopy(ISSUER, 100, () => null);
    copy.use(KEY);
    const token = copy.prints(claims(), "k1");
    assert.equal(copy.judge(token), undefined);
    assert.equal(await copy.judgeLater(token), null);
    assert.equal(copy.judge(token), null);
    revoke(copy, "session", "s2", 11);
    assert.equal(copy.judge(token), null);
    copy.use(OTHER_KEY);
    assert.equal(copy.judge(token), undefined);
    const judging = copy.judgeLater(token);
    copy.use(KEY);
    revoke(copy, "session", "s1", 12);
    assert.equal((await judging)?.kind, "session");
    copy.use(OTHER_KEY);
    assert.equal((await copy.judgeLater(token))?.kind, "session");
    assert.equal(await copy.judgeLater(copy.prints(claims({ sid: "s3" }), "k1")), null);
  });

  test("keeps what it knows when the feed key changes, and looks under both", () => {
    const copy = filled();
    revoke(copy, "session", "s1", 11);
    const { version } = copy;
    copy.use(OTHER_KEY);
    assert.ok(copy.version > version);
    assert.notEqual(copy.judge(copy.prints(claims(), "k1")), null);
    revoke(copy, "user", "ada", 12, { feedKey: OTHER_KEY } as Partial<FeedEntry>);
    assert.equal(copy.judge(copy.prints(claims({ sid: "s2" }), "k1"))?.kind, "user");
    assert.equal(copy.size, 2);
  });

  test("says when it is full, over all feed keys together, and forgets only what has ended", () => {
    const copy = filled(3);
    assert.ok(revoke(copy, "token", "1", 11));
    assert.ok(revoke(copy, "token", "2", 12));
    copy.use(OTHER_KEY);
    assert.ok(revoke(copy, "token", "3", 13));
    assert.equal(revoke(copy, "token", "4", 14), false);
    assert.ok(revoke(copy, "token", "3", 15));
    const { version } = copy;
    copy.forget(EPOCH + 900);
    assert.equal(copy.size, 3);
    copy.forget(EPOCH + 901);
    assert.equal(copy.size, 0);
    assert.equal(copy.version, version);
  });

  test("takes no more feed keys at once than anybody needs", () => {
    const copy = createCopy(ISSUER);
    for (let key = 0; key < 8; key++) {
      copy.use(new Uint8Array(32).fill(key));
      revoke(copy, "token", "1", 1);
    }
    assert.throws(() => copy.use(new Uint8Array(32).fill(9)), RangeError);
    copy.use(new Uint8Array(32).fill(1));
    assert.equal(copy.size, 8);
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crc32 as zlibCrc } from "node:zlib";
import fc from "fast-check";
import { checkpointClaims, readCheckpoint } from "./checkpoint.ts";
import { crc32 } from "./crc32.ts";
import {
  ENTRY_BYTES,
  type FeedEntry,
  REVOCATION_KINDS,
  REVOCATION_REASONS,
  type RevocationKind,
  readEntry,
  SECONDS_MAX,
} from "./entry.ts";
import { entryKeyLater, entryKeys } from "./entry-key.ts";
import { type ClientFrame, REV_ENTRIES_MAX, REV_HEADER_BYTES, type ServerTextFrame } from "./frames.ts";
import { COUNT_MAX, comparePositions, formatPosition, type Position, parsePosition } from "./position.ts";
import { decodeRev, encodeRev } from "./rev.ts";
import { decodeSnapshot, encodeSnapshot, SNAPSHOT_HEADER_BYTES } from "./snapshot.ts";
import {
  decodeClientFrame,
  decodePoll,
  decodeServerFrame,
  encodeClientFrame,
  encodePollLine,
  encodeServerFrame,
} from "./wire.ts";

/** fast-check's records have no prototype, unless they are asked to. */
function plain<T, K extends keyof T>(
  shape: { [Member in keyof T]: fc.Arbitrary<T[Member]> },
  { requiredKeys = Object.keys(shape) as K[] }: { requiredKeys?: K[] } = {},
) {
  return fc.record<T, K>(shape, { requiredKeys, noNullPrototype: true });
}

const count = fc.oneof(
  fc.nat(),
  fc.maxSafeNat().map((value) => value % (COUNT_MAX + 1)),
);
const position = plain({ epoch: count, seq: count });
const seconds = fc.maxSafeNat().map((value) => value % (SECONDS_MAX + 1));
const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
const feedKey = fc.uint8Array({ minLength: 32, maxLength: 32 });

const serverFrame: fc.Arbitrary<ServerTextFrame> = fc.oneof(
  plain(
    {
      type: fc.constant("welcome" as const),
      instance: word,
      leaseMs: count,
      position,
      feedKey,
      serverTime: count,
      relays: fc.array(word, { maxLength: 16 }),
    },
    { requiredKeys: ["type", "instance", "leaseMs", "position", "feedKey", "serverTime"] },
  ),
  plain(
    {
      type: fc.constant("hb" as const),
      echo: count,
      head: position,
      serverTime: count,
      leaseMs: count,
      checkpoint: word,
    },
    { requiredKeys: ["type", "echo", "head", "serverTime", "leaseMs"] },
  ),
  plain({ type: fc.constant("ask" as const), position }),
  plain({ type: fc.constant("resync" as const), reason: word }),
  plain({ type: fc.constant("drain" as const), afterMs: count }),
  plain({ type: fc.constant("refused" as const), code: word }),
);

const clientFrame: fc.Arbitrary<ClientFrame> = fc.oneof(
  plain(
    {
      type: fc.constant("hello" as const),
      clientId: word,
      clientSecret: word,
      after: position,
      instance: fc.option(word),
      acceptMs: count,
      checkpoint: word,
    },
    { requiredKeys: ["type", "clientId", "clientSecret", "after", "instance", "acceptMs"] },
  ),
  plain({ type: fc.constant("ping" as const), n: count }),
  plain({
    type: fc.constant("hello" as const),
    ticket: word,
    after: position,
    instance: fc.option(word),
    acceptMs: count,
  }),
  plain({ type: fc.constant("ticket" as const), ticket: word }),
  plain(
    {
      type: fc.constant("ack" as const),
      position,
      behind: plain({ verifiers: count, silent: count, unbound: fc.array(word, { maxLength: 10 }) }),
    },
    { requiredKeys: ["type", "position"] },
  ),
);

/** Entries with rising positions in one epoch, and the span around them. */
const span = fc
  .tuple(
    fc.nat(),
    fc.nat(),
    fc.array(
      plain({
        step: fc.integer({ min: 1, max: 1000 }),
        kind: fc.constantFrom(...(Object.keys(REVOCATION_KINDS) as RevocationKind[])),
        reason: fc.constantFrom(...REVOCATION_REASONS, "unknown" as const),
        at: seconds,
        expires: seconds,
        key: fc.uint8Array({ minLength: 16, maxLength: 16 }),
      }),
      { maxLength: 20 },
    ),
    fc.nat({ max: 1000 }),
  )
  .map(([epoch, start, drafts, hole]) => {
    let seq = start;
    const entries = drafts.map(({ step, ...rest }): FeedEntry => {
      seq += step;
      return { ...rest, position: { epoch, seq } };
    });
    const from: Position = { epoch, seq: start };
    return { from, to: { epoch, seq: Math.max(seq + hole, start + 1) }, entries };
  });

function entriesOf(octets: Uint8Array, start: number, entries: number): (FeedEntry | null)[] {
  return Array.from({ length: entries }, (_, index) => readEntry(octets, start + index * ENTRY_BYTES));
}

describe("positions", () => {
  test("have one spelling, which is read back", () => {
    fc.assert(fc.property(position, (at) => assert.deepEqual(parsePosition(formatPosition(at)), at)));
    for (const text of [
      "",
      "1",
      "1.",
      ".1",
      "01.2",
      "1.02",
      "1.2.3",
      "-1.2",
      "1e3.1",
      " 1.2",
      "1.281474976710656",
      null,
    ]) {
      assert.equal(parsePosition(text), null, String(text));
    }
  });

  test("are ordered by epoch, then by sequence number", () => {
    assert.ok(comparePositions({ epoch: 1, seq: 900 }, { epoch: 2, seq: 1 }) < 0);
    assert.ok(comparePositions({ epoch: 2, seq: 1 }, { epoch: 2, seq: 2 }) < 0);
    assert.equal(comparePositions({ epoch: 2, seq: 2 }, { epoch: 2, seq: 2 }), 0);
  });
});

describe("text frames", () => {
  test("are read back as they were, in both directions", () => {
    fc.assert(
      fc.property(serverFrame, (frame) => assert.deepEqual(decodeServerFrame(encodeServerFrame(frame)), frame)),
    );
    fc.assert(
      fc.property(clientFrame, (frame) => assert.deepEqual(decodeClientFrame(encodeClientFrame(frame)), frame)),
    );
  });

  test("with a member that a later version added are read all the same; of an unknown type they are none", () => {
    const sealed = (body: string) => `${body},"crc":"${zlibCrc(body).toString(16).padStart(8, "0")}"}`;
    assert.deepEqual(decodeClientFrame(sealed('{"type":"ping","n":4,"later":[1]')), { type: "ping", n: 4 });
    assert.equal(decodeClientFrame(sealed('{"type":"pong","n":4')), null);
    assert.equal(decodeClientFrame(sealed('{"type":"ping","n":4,"n":5')), null);
    assert.equal(decodeClientFrame(sealed('{"type":"ping","n":-1')), null);
    assert.equal(decodeServerFrame(sealed('{"type":"ping","n":4')), null);
  });

  test("in which anything changed on the way are none: no flipped digit becomes another head or echo", () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 6 }));
    fc.assert(
      fc.property(serverFrame, clientFrame, change, (server, client, [where, bit]) => {
        for (const [text, decode] of [
          [encodeServerFrame(server), decodeServerFrame],
          [encodeClientFrame(client), decodeClientFrame],
        ] as const) {
          const octets = new TextEncoder().encode(text);
          const at = where % octets.length;
          octets[at] = (octets[at] ?? 0) ^ (1 << bit);
          assert.equal(decode(new TextDecoder().decode(octets)), null);
          assert.equal(decode(text.slice(0, where % text.length)), null);
        }
      }),
    );
  });

  test("are none where they are anything else, and nothing throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.string({ unit: "binary" }), fc.uint8Array()), (value) => {
        assert.equal(decodeServerFrame(value), null);
        assert.equal(decodeClientFrame(value), null);
      }),
    );
  });

  test("carry the CRC-32 that everybody knows", () => {
    fc.assert(fc.property(fc.uint8Array(), (octets) => assert.equal(crc32(octets), zlibCrc(octets))));
  });
});

describe("a rev frame", () => {
  test("is read back: its span, and its entries octet by octet", () => {
    fc.assert(
      fc.property(span, ({ from, to, entries }) => {
        const rev = decodeServerFrame(encodeRev(from, to, entries));
        assert.ok(rev?.type === "rev");
        assert.deepEqual([rev.from, rev.to, rev.count], [from, to, entries.length]);
        assert.deepEqual(entriesOf(rev.octets, REV_HEADER_BYTES, rev.count), entries);
      }),
    );
  });

  test("that was cut, or in which a bit flipped, is none", () => {
    fc.assert(
      fc.property(span, fc.nat(), fc.nat({ max: 7 }), ({ from, to, entries }, where, bit) => {
        const octets = encodeRev(from, to, entries);
        assert.equal(decodeRev(octets.subarray(0, where % octets.length)), null);
        const at = where % octets.length;
        octets[at] = (octets[at] ?? 0) ^ (1 << bit);
        assert.equal(decodeRev(octets), null);
      }),
    );
  });

  test("whose entries are out of order, outside its span, of another epoch or of no known kind is none", () => {
    const entry = (epoch: number, seq: number): FeedEntry => ({
      kind: "token",
      reason: "logout",
      position: { epoch, seq },
      at: 1,
      expires: 2,
      key: new Uint8Array(16),
    });
    const from = { epoch: 5, seq: 10 };
    const to = { epoch: 5, seq: 20 };
    for (const entries of [
      [entry(5, 10)],
      [entry(5, 21)],
      [entry(5, 12), entry(5, 12)],
      [entry(5, 13), entry(5, 12)],
      [entry(4, 12)],
      [entry(6, 12)],
    ]) {
      assert.throws(() => encodeRev(from, to, entries), TypeError);
    }
    assert.throws(() => encodeRev(from, from, []), TypeError);
    assert.throws(() => encodeRev(from, { epoch: 6, seq: 1 }, []), TypeError);
    const octets = encodeRev(from, to, [entry(5, 12)]);
    for (const kind of [0, 8, 255]) {
      octets[REV_HEADER_BYTES] = kind;
      new DataView(octets.buffer).setUint32(octets.length - 4, crc32(octets, 0, octets.length - 4));
      assert.equal(decodeRev(octets), null);
    }
    octets[REV_HEADER_BYTES] = 1;
    octets[REV_HEADER_BYTES + 1] = 200;
    new DataView(octets.buffer).setUint32(octets.length - 4, crc32(octets, 0, octets.length - 4));
    assert.equal(readEntry(octets, REV_HEADER_BYTES)?.reason, "unknown");
    assert.notEqual(decodeRev(octets), null);
  });

  test("has a bound on its size", () => {
    const entries = Array.from({ length: REV_ENTRIES_MAX + 1 }, (_, index): FeedEntry => {
      return {
        kind: "token",
        reason: "logout",
        position: { epoch: 1, seq: index + 1 },
        at: 1,
        expires: 2,
        key: new Uint8Array(16),
      };
    });
    const to = { epoch: 1, seq: REV_ENTRIES_MAX + 1 };
    assert.throws(() => encodeRev({ epoch: 1, seq: 0 }, to, entries), TypeError);
    assert.equal(decodeRev(encodeRev({ epoch: 1, seq: 0 }, to, entries.slice(1)))?.count, REV_ENTRIES_MAX);
  });
});

describe("the answer to a poll", () => {
  test("is the same frames, one a line; one bad line spoils it all", () => {
    fc.assert(
      fc.property(fc.array(serverFrame, { maxLength: 3 }), span, (frames, { from, to, entries }) => {
        const rev = encodeRev(from, to, entries);
        const lines = [...frames.map(encodePollLine), encodePollLine(rev)];
        assert.deepEqual(decodePoll(`${lines.join("\n")}\n`), [...frames, decodeRev(rev)]);
        assert.equal(decodePoll([...lines, "{}"].join("\n")), null);
      }),
    );
  });
});

describe("a snapshot", () => {
  test("is read back", () => {
    fc.assert(
      fc.property(span, feedKey, count, fc.nat(), ({ to, entries }, key, serverTime, leaseMs) => {
        const facts = { position: to, serverTime, leaseMs, feedKey: key };
        const snapshot = decodeSnapshot(encodeSnapshot(facts, entries));
        assert.ok(snapshot !== null);
        const { count: many, octets, ...rest } = snapshot;
        assert.deepEqual(rest, facts);
        assert.deepEqual(entriesOf(octets, SNAPSHOT_HEADER_BYTES, many), entries);
        assert.equal(decodeSnapshot(octets.subarray(0, octets.length - 1)), null);
        assert.equal(decodeSnapshot(octets.subarray(0, 63)), null);
      }),
    );
  });

  test("that is anything else is none, and nothing throws", () => {
    fc.assert(fc.property(fc.uint8Array(), (octets) => assert.equal(decodeSnapshot(octets), null)));
  });

  test("has a checkpoint whose claims are read back", () => {
    const facts = { iss: "https://i.test", aud: "a", count: 2, sha256: "x", iat: 7 };
    const checkpoint = { ...facts, position: { epoch: 3, seq: 9 }, since: null };
    assert.deepEqual(readCheckpoint(checkpointClaims(checkpoint)), checkpoint);
    assert.equal(readCheckpoint({ ...checkpointClaims(checkpoint), seq: "9" }), null);
    assert.equal(readCheckpoint({ ...checkpointClaims(checkpoint), since: 10 }), null);
    assert.equal(readCheckpoint({ ...checkpointClaims(checkpoint), sha256: undefined }), null);
    assert.equal(readCheckpoint({}), null);
  });

  test("has a checkpoint that is another thing than one of a window, which lies in one epoch", () => {
    const facts = { iss: "https://i.test", aud: "a", count: 2, sha256: "x", iat: 7 };
    const window = { ...facts, position: { epoch: 3, seq: 9 }, since: { epoch: 3, seq: 4 } };
    assert.deepEqual(readCheckpoint(checkpointClaims(window)), window);
    assert.throws(() => checkpointClaims({ ...window, since: { epoch: 2, seq: 4 } }), TypeError);
  });
});

describe("the key of an entry", () => {
  const key = Uint8Array.from({ length: 32 }, (_, index) => index);

  test("is the same by node:crypto and by WebCrypto, for any text", async () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "grapheme", minLength: 3000, maxLength: 4000 }),
    );
    const make = entryKeys(key, "https://login.example.com");
    await fc.assert(
      fc.asyncProperty(texts, fc.constantFrom("token" as const, "user" as const), async (value, kind) => {
        assert.deepEqual(make(kind, value), await entryKeyLater(key, "https://login.example.com", kind, value));
      }),
      { numRuns: 40 },
    );
  });

  test("differs by kind, issuer, value and feed key", () => {
    const keys = [
      entryKeys(key, "https://a.test")("token", "1"),
      entryKeys(key, "https://a.test")("session", "1"),
      entryKeys(key, "https://a.test")("token", "2"),
      entryKeys(key, "https://b.test")("token", "1"),
      entryKeys(new Uint8Array(32), "https://a.test")("token", "1"),
    ];
    assert.equal(new Set(keys.map((each) => Buffer.from(each).toString("hex"))).size, keys.length);
  });
});

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ENTRY_BYTES, readEntry, SECONDS_MAX } from "@mapae/verifier/revocation";
import fc from "fast-check";
import {
  isBefore,
  type Position,
  REVOCATION_KINDS,
  type RevocationEntry,
  type RevocationKind,
} from "../revocation/entry.ts";
import { CHUNK_ENTRIES } from "./chunk.ts";
import { travelling } from "./log-source.ts";
import { LogMirror } from "./mirror.ts";

const START: Position = { epoch: 0, seq: 0 };
const END: Position = { epoch: 9, seq: 0 };
const KINDS = Object.keys(REVOCATION_KINDS) as RevocationKind[];
const AUDIENCES = [null, null, null, "a", "b"];

function entry(seq: number, more: Partial<RevocationEntry> = {}): RevocationEntry {
  const about = { kind: "session", value: `${seq}`, reason: "logout", audience: null, grant: null } as const;
  return { ...about, epoch: 7, seq, at: seq * 1000, expires: 1000 + seq, ...more };
}

function mirrorOf(entries: readonly RevocationEntry[]): LogMirror {
  const mirror = new LogMirror();
  addTo(mirror, entries);
  return mirror;
}

function addTo(mirror: LogMirror, entries: readonly RevocationEntry[]): void {
  const keyOf = ({ value }: RevocationEntry) => new Uint8Array(16).fill(Number(value) % 251);
  for (const each of entries) mirror.add(travelling(each, keyOf), each.audience);
}

/** The numbers that an audience hears of between two positions. */
function heard(mirror: LogMirror, after: Position, to: Position, audience = "a"): readonly number[] {
  return mirror.between(after, to, audience).flatMap((piece) => {
    assert.equal(piece.length % ENTRY_BYTES, 0);
    return Array.from({ length: piece.length / ENTRY_BYTES }, (_, index) => {
      const read = readEntry(piece, index * ENTRY_BYTES);
      assert(read !== null);
      return read.position.seq;
    });
  });
}

const log = fc
  .array(
    fc.record({
      kind: fc.constantFrom(...KINDS),
      audience: fc.constantFrom(...AUDIENCES),
      expires: fc.nat(2000),
      gap: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 60 },
  )
  .map((rows) => {
    let seq = 0;
    return rows.map(({ gap, ...row }) => {
      seq += gap;
      return entry(seq, row);
    });
  });

describe("the mirror of the log", () => {
  test("holds every entry in order, once, whoever tells it how often", () => {
    const entries = Array.from({ length: CHUNK_ENTRIES * 2 + 10 }, (_, at) => entry(at + 1));
    const mirror = mirrorOf(entries);
    addTo(mirror, entries.slice(100, 5000));
    assert.equal(mirror.size, entries.length);
    assert.deepEqual(mirror.head, { epoch: 7, seq: entries.length });
    assert.deepEqual(
      heard(mirror, START, END),
      entries.map(({ seq }) => seq),
    );
  });

  test("gives what lies between two positions, for an audience, as a filter of the log would", () => {
    const at = fc.nat(200).map((seq): Position => ({ epoch: 7, seq }));
    fc.assert(
      fc.property(log, at, at, fc.constantFrom("a", "b", "c"), (entries, after, to, audience) => {
        const mirror = mirrorOf(entries);
        const behind = entries.filter((each) => isBefore(after, each));
        const expected = behind.filter((each) => !isBefore(to, each) && (each.audience ?? audience) === audience);
        assert.deepEqual(
          heard(mirror, after, to, audience),
          expected.map(({ seq }) => seq),
        );
        assert.equal(mirror.countAfter(after), behind.length);
        assert.equal(
          mirror.differsAfter(after),
          behind.some((each) => each.audience !== null),
        );
      }),
    );
  });

  test("forgets what expired and what an entry for everyone covers, and never that a key was revoked", () => {
    fc.assert(
      fc.property(log, fc.nat(2500), (entries, now) => {
        const mirror = mirrorOf(entries);
        mirror.compact(now);
        const all = entries.findLast(({ kind }) => kind === "all");
        const kept = entries.filter((each) => {
          if (each.kind === "key") return true;
          return each.expires >= now && !(all !== undefined && isBefore(each, all));
        });
        for (const audience of ["a", "b"]) {
          assert.deepEqual(
            heard(mirror, START, END, audience),
            kept.filter((each) => (each.audience ?? audience) === audience).map(({ seq }) => seq),
          );
        }
        assert.equal(mirror.size, kept.length);
        const last = entries.at(-1);
        if (last !== undefined) assert.deepEqual(mirror.head, { epoch: 7, seq: last.seq });
      }),
    );
  });

  test("an entry of a key has no end on the wire, and others end when their last token has", () => {
    const mirror = mirrorOf([entry(1, { kind: "key", expires: 10 }), entry(2, { expires: 10.2 })]);
    const [piece] = mirror.between(START, END, "a");
    assert(piece !== undefined);
    assert.equal(readEntry(piece, 0)?.expires, SECONDS_MAX);
    assert.equal(readEntry(piece, ENTRY_BYTES)?.expires, 11);
  });

  test("takes in what came from upstream as it is, once, and says the same of it", () => {
    fc.assert(
      fc.property(log, fc.nat(2500), (rows, now) => {
        const entries = rows.map((each) => (each.kind === "all" ? { ...each, audience: null } : each));
        const upstream = mirrorOf(entries);
        const relayed = new LogMirror();
        for (let time = 0; time < 2; time += 1) {
          for (const piece of upstream.between(START, END, "a")) {
            relayed.addOctets(piece, 0, piece.length / ENTRY_BYTES);
          }
        }
        for (const mirror of [upstream, relayed]) mirror.compact(now);
        assert.deepEqual(heard(relayed, START, END), heard(upstream, START, END));
        assert.equal(relayed.differsAfter(START), false);
      }),
    );
  });

  test("has a window of the last entries: so many, and so young", () => {
    fc.assert(
      fc.property(log, fc.nat(80), fc.nat(200), (entries, most, from) => {
        const since = mirrorOf(entries).windowBegin(most, from);
        const within: RevocationEntry[] = [];
        for (const each of entries.toReversed()) {
          if (within.length === most || each.at / 1000 < from) break;
          within.unshift(each);
        }
        const behind = entries.filter((each) => isBefore(since, each));
        assert.deepEqual(
          behind.map(({ seq }) => seq),
          within.map(({ seq }) => seq),
        );
      }),
    );
  });

  test("has no window that reaches into an earlier epoch", () => {
    const mirror = mirrorOf([entry(1, { epoch: 6 }), entry(2, { epoch: 6 }), entry(1), entry(2)]);
    assert.deepEqual(mirror.windowBegin(10, 0), { epoch: 7, seq: 0 });
    mirror.advance({ epoch: 8, seq: 0 });
    assert.deepEqual(mirror.windowBegin(10, 0), { epoch: 8, seq: 0 });
  });

  test("stands where it is told to, when the last entries were forgotten before it was there", () => {
    const mirror = mirrorOf([entry(3)]);
    mirror.advance({ epoch: 7, seq: 9 });
    mirror.advance({ epoch: 7, seq: 5 });
    assert.deepEqual(mirror.head, { epoch: 7, seq: 9 });
    addTo(mirror, [entry(8), entry(10)]);
    assert.deepEqual(heard(mirror, START, END), [3, 10]);
  });
});

/** The published test vectors of the feed: this implementation reads them as docs/revocation-wire.md says. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { AccessTokenClaims } from "../claims.ts";
import { parseJsonObject } from "../jose/json.ts";
import { bindKey } from "../jose/jwk.ts";
import { verifyJws } from "../jose/jws.ts";
import { CHECKPOINT_TYP, readCheckpoint, windowOctets } from "./checkpoint.ts";
import { createCopy } from "./copy.ts";
import { type RevocationKind, readEntry } from "./entry.ts";
import { entryKeyLater, entryKeys } from "./entry-key.ts";
import { formatPosition } from "./position.ts";
import { decodeRev } from "./rev.ts";
import { decodeSnapshot } from "./snapshot.ts";
import { readTicket, TICKET_TYP } from "./ticket.ts";
import { decodeClientFrame, decodePoll, decodeServerFrame, encodeClientFrame, encodeServerFrame } from "./wire.ts";

function vectors<Content>(name: string): Content {
  return JSON.parse(readFileSync(new URL(`../../../../docs/vectors/revocation/${name}`, import.meta.url), "utf8"));
}

const octetsOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const hexOf = (octets: Uint8Array) => Buffer.from(octets).toString("hex");

describe("the published vectors", () => {
  test("of entries' keys hold, by node:crypto and by WebCrypto", async () => {
    const { issuer, feed_key, keys } = vectors<{
      issuer: string;
      feed_key: string;
      keys: { kind: RevocationKind; value: string; key: string }[];
    }>("keys.json");
    assert.equal(keys.length, 7);
    for (const { kind, value, key } of keys) {
      assert.equal(hexOf(entryKeys(octetsOf(feed_key), issuer)(kind, value)), key);
      assert.equal(hexOf(await entryKeyLater(octetsOf(feed_key), issuer, kind, value)), key);
    }
  });

  test("of entries are read", () => {
    const { entries } = vectors<{ entries: { octets: string; position: string; key: string }[] }>("entries.json");
    for (const { octets, position, key, ...rest } of entries) {
      const entry = readEntry(octetsOf(octets), 0);
      assert.ok(entry !== null);
      const { position: at, key: raw, ...members } = entry;
      assert.deepEqual({ ...members, position: formatPosition(at), key: hexOf(raw) }, { ...rest, position, key });
    }
  });

  test("of tokens and entries give the verdicts that they say", () => {
    const { issuer, feed_key, tokens } = vectors<{
      issuer: string;
      feed_key: string;
      tokens: { entry: string; kid: string; claims: AccessTokenClaims; revoked: boolean }[];
    }>("tokens.json");
    assert.ok(tokens.length > 40);
    for (const { entry, kid, claims, revoked } of tokens) {
      const copy = createCopy(issuer);
      copy.use(octetsOf(feed_key));
      assert.ok(copy.add(octetsOf(entry), 0, 1));
      assert.equal(copy.judge(copy.prints(claims, kid)) !== null, revoked, JSON.stringify(claims));
    }
  });

  test("of frames are read, and are what is written", () => {
    const { from_server, from_verifier, rev } = vectors<Record<string, string[]>>("frames.json");
    for (const text of from_server ?? []) {
      const frame = decodeServerFrame(text);
      assert.ok(frame !== null && frame.type !== "rev");
      assert.equal(encodeServerFrame(frame), text);
    }
    for (const text of from_verifier ?? []) {
      const frame = decodeClientFrame(text);
      assert.ok(frame !== null);
      assert.equal(encodeClientFrame(frame), text);
    }
    assert.deepEqual(
      rev?.map((hex) => decodeRev(octetsOf(hex))?.count),
      [7, 0],
    );
  });

  test("of what is no frame are refused", () => {
    const { text, rev } = vectors<Record<"text" | "rev", Record<string, string>>>("not-frames.json");
    for (const [what, frame] of Object.entries(text)) {
      assert.equal(decodeServerFrame(frame), null, what);
      assert.equal(decodeClientFrame(frame), null, what);
    }
    for (const [what, frame] of Object.entries(rev)) assert.equal(decodeRev(octetsOf(frame)), null, what);
  });

  test("of a snapshot hold, and so does its signature", () => {
    const it = vectors<{ snapshot: string; checkpoint: string; secret: string }>("snapshot.json");
    const snapshot = decodeSnapshot(octetsOf(it.snapshot));
    const key = bindKey(octetsOf(it.secret), { alg: "HS256", kid: "vectors" });
    const jws = verifyJws(it.checkpoint, () => key);
    assert.ok(snapshot !== null && jws.ok && jws.header.mediaType === CHECKPOINT_TYP);
    const checkpoint = readCheckpoint(parseJsonObject(jws.payload) ?? {});
    assert.equal(checkpoint?.sha256, createHash("sha256").update(snapshot.octets).digest("base64url"));
    assert.deepEqual(checkpoint?.position, snapshot.position);
    assert.equal(checkpoint?.count, snapshot.count);
    assert.equal(checkpoint?.since, null);
  });

  test("of windows are the digest that their checkpoints sign, and others are not", () => {
    const { secret, windows } = vectors<{
      secret: string;
      windows: { checkpoint: string; entries: string; agrees: boolean }[];
    }>("checkpoints.json");
    const key = bindKey(octetsOf(secret), { alg: "HS256", kid: "vectors" });
    assert.deepEqual(new Set(windows.map(({ agrees }) => agrees)), new Set([true, false]));
    for (const { checkpoint, entries, agrees } of windows) {
      const jws = verifyJws(checkpoint, () => key);
      const signed = jws.ok ? readCheckpoint(parseJsonObject(jws.payload) ?? {}) : null;
      assert.ok(signed !== null && signed.since !== null);
      const octets = windowOctets([octetsOf(entries)], signed.iat);
      const digest = createHash("sha256").update(octets).digest("base64url");
      assert.equal(digest === signed.sha256 && octets.length / 40 === signed.count, agrees);
    }
  });

  test("of a ticket are read", () => {
    const { ticket, secret, claims } = vectors<{ ticket: string; secret: string; claims: object }>("ticket.json");
    const key = bindKey(octetsOf(secret), { alg: "HS256", kid: "vectors" });
    const jws = verifyJws(ticket, () => key);
    assert.ok(jws.ok && jws.header.mediaType === TICKET_TYP);
    const payload = parseJsonObject(jws.payload) ?? {};
    assert.deepEqual({ ...payload }, claims);
    assert.equal(readTicket(payload)?.clientId, "orders-api");
  });

  test("of a poll are read", () => {
    const frames = decodePoll(vectors<{ answer: string }>("poll.json").answer);
    assert.deepEqual(
      frames?.map(({ type }) => type),
      ["welcome", "rev", "hb"],
    );
  });
});

/**
 * Writes docs/vectors/revocation: what docs/revocation-wire.md says, in octets, for verifiers in other languages.
 *
 *   node --conditions=mapae-source packages/verifier/scripts/revocation-vectors.ts
 *
 * Everything in them is fixed: the same source gives the same files. vectors.test.ts beside the wire format reads them.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { bindSigningKey, signJws } from "../src/jose/index.ts";
import {
  CHECKPOINT_TYP,
  type ClientFrame,
  checkpointClaims,
  ENTRY_BYTES,
  encodeClientFrame,
  encodeEntries,
  encodePollLine,
  encodeRev,
  encodeServerFrame,
  encodeSnapshot,
  entryKeys,
  type FeedEntry,
  formatPosition,
  REVOCATION_KINDS,
  REVOCATION_REASONS,
  type RevocationKind,
  type ServerTextFrame,
  TICKET_TYP,
  ticketClaims,
  windowOctets,
} from "../src/revocation/index.ts";

const FOLDER = new URL("../../../docs/vectors/revocation/", import.meta.url);
const EPOCH = 1_800_000_000;
const ISSUER = "https://login.example.com";
const FEED_KEY = Uint8Array.from({ length: 32 }, (_, index) => index);
const VALUES: Record<RevocationKind, string> = {
  token: "b7Jq0Zk2Q1mVxT5nR8sWcg",
  session: "ses_5nR8sWcgb7Jq0Zk2",
  grant: "grt_2Q1mVxT5nR8sWcgb",
  key: "k-2027-01",
  user: "usr_ada-\u00e9\u{1F511}",
  client: "first-party",
  all: "",
};
const KINDS = Object.keys(REVOCATION_KINDS) as RevocationKind[];

const hex = (octets: Uint8Array) => Buffer.from(octets).toString("hex");
const at = (seq: number) => ({ epoch: EPOCH, seq });
const keyOf = entryKeys(FEED_KEY, ISSUER);

const entries = KINDS.map((kind, index): FeedEntry => {
  const reason = REVOCATION_REASONS[index % REVOCATION_REASONS.length] ?? "admin";
  return {
    kind,
    reason,
    position: at(index * 3 + 11),
    at: EPOCH + index,
    expires: EPOCH + 960,
    key: keyOf(kind, VALUES[kind]),
  };
});

function spelled(entry: FeedEntry): object {
  return {
    ...entry,
    position: formatPosition(entry.position),
    key: hex(entry.key),
    octets: hex(encodeEntries([entry])),
  };
}

const serverFrames: readonly ServerTextFrame[] = [
  {
    type: "welcome",
    instance: "ins_1",
    leaseMs: 5000,
    position: at(10),
    feedKey: FEED_KEY,
    serverTime: EPOCH * 1000 + 7,
  },
  { type: "hb", echo: 41, head: at(29), serverTime: EPOCH * 1000 + 1007, leaseMs: 5000 },
  {
    ...{ type: "welcome", instance: "ins_2", leaseMs: 5000, position: at(10), feedKey: FEED_KEY },
    ...{ serverTime: EPOCH * 1000 + 7, relays: ["rly_1", "rly_2"] },
  },
  { type: "ask", position: at(29) },
  { type: "resync", reason: "too_old" },
  { type: "drain", afterMs: 2000 },
  { type: "refused", code: "unauthorized" },
  { type: "hb", echo: 42, head: at(29), serverTime: EPOCH * 1000 + 2007, leaseMs: 4210, ageMs: 790 },
];
const clientFrames: readonly ClientFrame[] = [
  { type: "hello", clientId: "orders-api", clientSecret: "s3cret-\u00e9", after: at(10), instance: null, acceptMs: 0 },
  { type: "hello", clientId: "orders-api", clientSecret: "x", after: at(29), instance: "ins_1", acceptMs: 60000 },
  {
    type: "hello",
    clientId: "orders-api",
    clientSecret: "x",
    after: at(29),
    instance: null,
    acceptMs: 0,
    checkpoint: "eyJ.eyJ.c2ln",
  },
  { type: "ping", n: 41 },
  { type: "ack", position: at(29) },
  { type: "hello", ticket: "eyJ0.eyJp.c2ln", after: at(10), instance: null, acceptMs: 0 },
  { type: "ticket", ticket: "eyJ0.eyJp.c2ln" },
  { type: "ack", position: at(29), behind: { verifiers: 57, silent: 1, unbound: ["tkt_1"] } },
  { type: "ack", position: at(29), behind: { verifiers: 0, silent: 0, unbound: [] } },
];

const rev = encodeRev(at(10), at(31), entries);
const bareRev = encodeRev(at(31), at(32), []);

/** A text frame in which one thing is wrong; `null` for what takes the checksum along. */
function spoilt(text: string, from: string, to: string): string {
  return text.replace(from, to);
}

function flipped(octets: Uint8Array, where: number): Uint8Array {
  const copy = octets.slice();
  copy[where] = (copy[where] ?? 0) ^ 1;
  return copy;
}

const snapshot = encodeSnapshot(
  { position: at(31), serverTime: EPOCH * 1000, leaseMs: 5000, feedKey: FEED_KEY },
  entries,
);
const sha256 = createHash("sha256").update(snapshot).digest("base64url");
const secret = new TextEncoder().encode("a secret for these vectors only, of 32 octets and more");
const signer = bindSigningKey(secret, { alg: "HS256", kid: "vectors" });
const AUDIENCE = "https://orders.example.com";
const statement = { iss: ISSUER, aud: AUDIENCE, position: at(31), since: null, count: entries.length };
const claims = checkpointClaims({ ...statement, sha256, iat: EPOCH });
const checkpoint = signJws({ typ: CHECKPOINT_TYP }, claims, signer);

/** A checkpoint over the window of entries from one index to another; the first of them ends too soon to be in it. */
const window = entries.map((entry, index) => (index === 1 ? { ...entry, expires: EPOCH + 60 } : entry)).slice(1, 6);
const covered = windowOctets([encodeEntries(window)], EPOCH);
const windowClaims = checkpointClaims({
  ...{ iss: ISSUER, aud: AUDIENCE, position: at(26), since: at(11), count: covered.length / ENTRY_BYTES, iat: EPOCH },
  sha256: createHash("sha256").update(covered).digest("base64url"),
});
const windowCheckpoint = signJws({ typ: CHECKPOINT_TYP }, windowClaims, signer);
const judgedWindow = (what: string, came: readonly FeedEntry[], agrees: boolean) => ({
  what,
  checkpoint: windowCheckpoint,
  entries: hex(encodeEntries(came)),
  agrees,
});
const windows = [
  judgedWindow("as they were sent", window, true),
  judgedWindow("without the one that ends within a minute, which is forgotten here already", window.slice(1), true),
  judgedWindow("one was left out", window.slice(0, -1), false),
  judgedWindow(
    "their ends were changed",
    window.map((entry) => ({ ...entry, expires: EPOCH + 900 })),
    false,
  ),
  judgedWindow("the order was changed", [...window].reverse(), false),
];

const ticketOf = ticketClaims({
  ...{ iss: ISSUER, clientId: "orders-api", audience: AUDIENCE, id: "tkt_1", acceptMs: 0 },
  ...{ position: at(31), iat: EPOCH, exp: EPOCH + 600 },
});
const ticket = signJws({ typ: TICKET_TYP }, ticketOf, signer);

const token = {
  jti: VALUES.token,
  sid: VALUES.session,
  gid: VALUES.grant,
  sub: VALUES.user,
  client_id: VALUES.client,
  iat: EPOCH,
};
const tokens = entries.flatMap((entry) => {
  const { onlyEarlier } = REVOCATION_KINDS[entry.kind];
  const { seq } = entry.position;
  const judged = (rsq: readonly [number, number] | null, revoked: boolean, iat = EPOCH) => ({
    entry: hex(encodeEntries([entry])),
    kid: VALUES.key,
    claims: { ...token, iat, ...(rsq === null ? {} : { rsq }) },
    revoked,
  });
  return [
    judged([EPOCH, seq - 1], true),
    judged([EPOCH, seq], !onlyEarlier),
    judged([EPOCH + 1, 0], !onlyEarlier),
    judged([EPOCH - 1, seq + 5], true),
    judged(null, true, entry.at),
    judged(null, true, entry.at + 0.9),
    judged(null, !onlyEarlier, entry.at + 1),
  ];
});

const ping = encodeClientFrame({ type: "ping", n: 41 });
const hb = encodeServerFrame(serverFrames[1] ?? { type: "resync", reason: "" });

const files: Record<string, object> = {
  "keys.json": {
    issuer: ISSUER,
    feed_key: hex(FEED_KEY),
    keys: KINDS.map((kind) => ({ kind, value: VALUES[kind], key: hex(keyOf(kind, VALUES[kind])) })),
  },
  "entries.json": { entries: entries.map(spelled) },
  "tokens.json": { issuer: ISSUER, feed_key: hex(FEED_KEY), tokens },
  "frames.json": {
    from_server: serverFrames.map(encodeServerFrame),
    from_verifier: clientFrames.map(encodeClientFrame),
    rev: [hex(rev), hex(bareRev)],
  },
  "not-frames.json": {
    text: {
      "a flipped digit": spoilt(hb, '"seq":29', '"seq":28'),
      "another checksum": spoilt(ping, '"crc":"', '"crc":"0'),
      "no checksum": '{"type":"ping","n":41}',
      "a checksum that is not last": spoilt(ping, '{"type"', '{"crc":"00000000","type"'),
      truncated: ping.slice(0, -1),
      "space after the checksum": `${ping} `,
    },
    rev: {
      "a flipped bit in a key": hex(flipped(rev, 60)),
      "a flipped bit in the head": hex(flipped(rev, 27)),
      "a flipped bit in the checksum": hex(flipped(rev, rev.length - 1)),
      truncated: hex(rev.subarray(0, rev.length - 40)),
      "another magic": hex(flipped(rev, 3)),
    },
  },
  "snapshot.json": { snapshot: hex(snapshot), checkpoint, secret: hex(secret), claims },
  "checkpoints.json": { secret: hex(secret), claims: windowClaims, windows },
  "ticket.json": { ticket, secret: hex(secret), claims: ticketOf },
  "poll.json": {
    answer: [serverFrames[0], null, serverFrames[1]].map((frame) => encodePollLine(frame ?? rev)).join("\n"),
  },
};

mkdirSync(FOLDER, { recursive: true });
for (const [name, content] of Object.entries(files)) {
  writeFileSync(new URL(name, FOLDER), `${JSON.stringify(content, null, 2)}\n`);
}

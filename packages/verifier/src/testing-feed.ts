/**
 * The test issuer's revocations: a log in memory, and the feed of it as docs/revocation-wire.md says (snapshot, stream,
 * polling, introspection). It keeps the rules that a verifier relies on: the head is read after the ping, and an echo goes
 * out after every entry up to its head.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { AccessTokenClaims } from "./claims.ts";
import { encodeBase64url } from "./jose/base64url.ts";
import { nodeCrypto } from "./jose/runtime.ts";
import { checkpointClaims } from "./revocation/checkpoint.ts";
import { createCopy } from "./revocation/copy.ts";
import { encodeEntries, type FeedEntry, type RevocationKind, type RevocationReason } from "./revocation/entry.ts";
import { entryKeys } from "./revocation/entry-key.ts";
import { FEED_PATHS, POLL_TYPE, REV_ENTRIES_MAX, type ServerTextFrame, SUBPROTOCOL } from "./revocation/frames.ts";
import { comparePositions, type Position, parsePosition } from "./revocation/position.ts";
import { encodeRev } from "./revocation/rev.ts";
import { CHECKPOINT_HEADER, encodeSnapshot, SNAPSHOT_TYPE } from "./revocation/snapshot.ts";
import { basicAuthorization } from "./revocation/upstream.ts";
import { decodeClientFrame, encodePollLine, encodeServerFrame } from "./revocation/wire.ts";
import { acceptSocket, type TestSocket } from "./testing-socket.ts";

export interface TestFeedOptions {
  readonly issuer: () => string;
  readonly audience: string;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** Signs a checkpoint. */
  readonly sign: (claims: object) => string;
  /** The claims of one of our tokens, and the id of its key; null for any other text. */
  readonly read: (token: string) => { readonly claims: AccessTokenClaims; readonly kid: string } | null;
  readonly clientId: string;
  readonly clientSecret: string;
  /** N in milliseconds. */
  readonly leaseMs: number;
}

export interface TestReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface TestFeed {
  readonly head: Position;
  /** Resolves when every verifier that follows now has acknowledged. */
  revoke(kind: RevocationKind, value: string, reason: RevocationReason): Promise<void>;
  /** The answer to a request; null where its path is none of the feed's. */
  reply(url: URL, authorization: string | undefined, body: string): TestReply | null;
  upgrade(request: IncomingMessage, socket: Duplex): void;
  /** Ends every stream. */
  drop(): void;
}

interface Follower {
  readonly socket: TestSocket;
  sent: Position;
  acked: Position;
}

const ENTRY_LIFE = 86_400;
const INTROSPECTION_PATH = "/oauth2/introspect";

export function createTestFeed(options: TestFeedOptions): TestFeed {
  const { issuer, audience, clock, sign, read, clientId, clientSecret, leaseMs } = options;
  const authorization = basicAuthorization(clientId, clientSecret);
  const feedKey = Uint8Array.from(nodeCrypto?.randomBytes(32) ?? []);
  const entries: FeedEntry[] = [];
  const followers = new Set<Follower>();
  const waiting = new Set<() => void>();
  let head: Position = { epoch: Math.floor(clock() / 1000), seq: 0 };

  function after(from: Position): FeedEntry[] {
    return entries.filter(({ position }) => comparePositions(position, from) > 0);
  }

  /** The `rev` frames between two positions. */
  function* revs(from: Position, to: Position): Generator<Uint8Array<ArrayBuffer>> {
    let at = from;
    const missing = after(from);
    while (comparePositions(at, to) < 0) {
      const part = missing.splice(0, REV_ENTRIES_MAX);
      const end = missing.length === 0 ? to : (part.at(-1)?.position ?? to);
      yield encodeRev(at, end, part);
      at = end;
    }
  }

  function heartbeat(echo: number): ServerTextFrame {
    return { type: "hb", echo, head, serverTime: clock(), leaseMs };
  }

  function welcome(instance: string | null, position: Position): ServerTextFrame {
    const id = instance ?? `ins_${crypto.randomUUID()}`;
    return { type: "welcome", instance: id, leaseMs, position, feedKey, serverTime: clock() };
  }

  /** Why somebody cannot go on from a position; null where they can. */
  function resyncReason(position: Position): string | null {
    if (position.epoch !== head.epoch) return "epoch";
    return comparePositions(position, head) > 0 ? "ahead" : null;
  }

  function catchUp(follower: Follower): void {
    for (const rev of revs(follower.sent, head)) follower.socket.send(rev);
    follower.sent = head;
  }

  function settle(): void {
    for (const look of [...waiting]) look();
  }

  function snapshot(): TestReply {
    const octets = encodeSnapshot({ position: head, serverTime: clock(), leaseMs, feedKey }, entries);
    const sha256 = encodeBase64url(nodeCrypto?.createHash("sha256").update(octets).digest() ?? new Uint8Array());
    const iat = Math.floor(clock() / 1000);
    const facts = { iss: issuer(), aud: audience, position: head, since: null, count: entries.length };
    const claims = checkpointClaims({ ...facts, sha256, iat });
    const headers = { "content-type": SNAPSHOT_TYPE, [CHECKPOINT_HEADER]: sign(claims) };
    return { status: 200, headers, body: octets };
  }

  function poll({ searchParams }: URL): TestReply {
    const position = parsePosition(searchParams.get("after"));
    if (position === null) return json(400, { code: "invalid_request" });
    const reason = resyncReason(position);
    const echo = Number(searchParams.get("ping"));
    const lines =
      reason !== null
        ? [encodePollLine({ type: "resync", reason })]
        : [welcome(searchParams.get("instance"), position), ...revs(position, head), heartbeat(echo)].map(
            encodePollLine,
          );
    return { status: 200, headers: { "content-type": POLL_TYPE }, body: lines.join("\n") };
  }

  /** RFC 7662 §2.2: a token that is not active tells nothing more. */
  function introspect(body: string): TestReply {
    const token = read(new URLSearchParams(body).get("token") ?? "");
    if (token === null) return json(200, { active: false });
    const copy = createCopy(issuer());
    copy.use(feedKey);
    copy.add(encodeEntries(entries), 0, entries.length);
    const active = copy.judge(copy.prints(token.claims, token.kid)) === null;
    return json(200, active ? { active, ...token.claims } : { active });
  }

  return {
    get head() {
      return head;
    },
    async revoke(kind, value, reason) {
      const seconds = Math.floor(clock() / 1000);
      head = { epoch: head.epoch, seq: head.seq + 1 };
      const key = entryKeys(feedKey, issuer())(kind, value);
      entries.push({ kind, reason, position: head, at: seconds, expires: seconds + ENTRY_LIFE, key });
      const upTo = head;
      for (const follower of followers) catchUp(follower);
      await new Promise<void>((resolve) => {
        const look = () => {
          if ([...followers].some(({ acked }) => comparePositions(acked, upTo) < 0)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    },
    reply(url, presented, body) {
      const paths: Record<string, () => TestReply> = {
        [FEED_PATHS.snapshot]: snapshot,
        [FEED_PATHS.poll]: () => poll(url),
        [INTROSPECTION_PATH]: () => introspect(body),
      };
      const answer = Object.hasOwn(paths, url.pathname) ? paths[url.pathname] : undefined;
      if (answer === undefined) return null;
      return presented === authorization ? answer() : json(401, { code: "unauthorized" });
    },
    upgrade(request, socket) {
      let follower: Follower | null = null;
      const it = acceptSocket(request, socket, SUBPROTOCOL, {
        onText(text) {
          const frame = decodeClientFrame(text);
          if (frame === null || it === null) return refuse("bad_frame");
          if (follower === null) {
            if (frame.type !== "hello") return refuse("bad_frame");
            const isOurs = "clientId" in frame && frame.clientId === clientId && frame.clientSecret === clientSecret;
            if (!isOurs) return refuse("unauthorized");
            const reason = resyncReason(frame.after);
            if (reason !== null) return it.send(encodeServerFrame({ type: "resync", reason }));
            follower = { socket: it, sent: frame.after, acked: frame.after };
            followers.add(follower);
            it.send(encodeServerFrame(welcome(frame.instance, frame.after)));
            return catchUp(follower);
          }
          if (frame.type === "ping") {
            catchUp(follower);
            return it.send(encodeServerFrame(heartbeat(frame.n)));
          }
          // Nobody acknowledges what was not sent.
          if (frame.type !== "ack" || comparePositions(frame.position, follower.sent) > 0) return refuse("bad_frame");
          follower.acked = frame.position;
          settle();
        },
        onEnd() {
          if (follower !== null) followers.delete(follower);
          settle();
        },
      });
      function refuse(code: string): void {
        it?.send(encodeServerFrame({ type: "refused", code }));
        it?.close();
      }
    },
    drop() {
      for (const { socket } of [...followers]) socket.close();
    },
  };
}

function json(status: number, body: object): TestReply {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

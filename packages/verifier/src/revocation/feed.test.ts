/** The feed on a world of its own: stopped clocks, sockets and answers in hand. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { encodeEntries, type FeedEntry } from "./entry.ts";
import { AUDIENCE, at, EPOCH, entry, ISSUER, KEY, N, type Setup, settled, setup } from "./feed.test-support.ts";
import type { Feed, SnapshotKeeper } from "./feed.ts";
import { RELEASED_CODE, type ServerTextFrame } from "./frames.ts";
import type { KeptSnapshot } from "./load.ts";
import { encodeRev } from "./rev.ts";
import { encodeSnapshot, SNAPSHOT_HEADER_BYTES } from "./snapshot.ts";
import { basicAuthorization } from "./upstream.ts";
import { encodePollLine } from "./wire.ts";

function holdsSession(feed: Feed, sid: string): boolean {
  const claims = { iss: ISSUER, sub: "u", aud: "a", exp: 0, iat: 0, jti: "j", client_id: "c", sid };
  return feed.copy.judge(feed.copy.prints(claims, "k")) !== null;
}

describe("following the feed", () => {
  test("loads the signed snapshot, says hello from its position, and is trusted with the first heartbeat", async () => {
    const it = setup({ entries: [entry(4), entry(9)] });
    await it.pass(0);
    assert.equal(it.requests[0]?.url.href, `${ISSUER}/v1/revocations/snapshot`);
    const headers = new Headers(it.requests[0]?.init.headers);
    assert.equal(headers.get("authorization"), basicAuthorization("orders api", "s:e&crét"));
    assert.equal(
      Buffer.from(basicAuthorization("orders api", "s:e&crét").slice(6), "base64").toString(),
      "orders+api:s%3Ae%26cr%C3%A9t",
    );
    assert.equal(it.socket.url, "wss://login.example.com/v1/revocations/stream");
    assert.equal(it.socket.binaryType, "arraybuffer");
    assert.deepEqual(it.socket.said, []);
    it.socket.open();
    assert.deepEqual(it.socket.last, {
      type: "hello",
      clientId: "orders api",
      clientSecret: "s:e&crét",
      after: at(10),
      instance: null,
      acceptMs: 0,
      checkpoint: "signed",
    });
    assert.ok(holdsSession(it.feed, "s-4") && holdsSession(it.feed, "s-9"));
    assert.equal(it.trust(), "stale");
    it.welcome();
    it.socket.hear(it.hb(at(10)));
    assert.equal(it.trust(), "live");
    await it.pass(N);
    assert.equal(it.trust(), "stale");
  });

  test("acknowledges a frame when its entries are in and it is asked for, and pings every second", async () => {
    const it = setup();
    await it.live();
    it.socket.hear(encodeRev(at(10), at(12), [entry(11)]));
    assert.equal(it.socket.last?.type, "ping");
    it.socket.hear({ type: "ask", position: at(12) });
    assert.deepEqual(it.socket.last, { type: "ack", position: at(12) });
    assert.ok(holdsSession(it.feed, "s-11"));
    const pings = () => it.socket.said.filter((frame) => frame?.type === "ping").length;
    const before = pings();
    for (let second = 0; second < 3; second++) {
      await it.pass(1_000);
      it.socket.hear(it.hb(at(12)));
    }
    assert.equal(pings(), before + 3);
    assert.equal(it.sockets.length, 1);
  });

  test("hangs up on garbage of any kind, keeps what it knows, and comes back from where it was", async () => {
    const good = encodeRev(at(10), at(12), [entry(11)]);
    const flipped = good.slice();
    flipped[60] = (flipped[60] ?? 0) ^ 4;
    for (const garbage of ["", "{}", "\u0000", flipped, good.slice(0, 50), new Uint8Array(3)]) {
      const it = setup({ entries: [entry(4)] });
      await it.live();
      const { socket } = it;
      socket.hear(garbage);
      assert.equal(socket.closedWith, null);
      assert.equal(socket.onmessage, null);
      await it.pass(200);
      assert.notEqual(it.socket, socket);
      it.socket.open();
      const hello = it.socket.last;
      assert.ok(hello?.type === "hello");
      assert.deepEqual(hello.after, at(10));
      assert.equal(hello.instance, "ins_1");
      assert.ok(holdsSession(it.feed, "s-4"));
      assert.equal(it.trust(), "live");
    }
  });

  test("without a WebSocket polls: the answer's frames count like the stream's", async () => {
    const asked: string[] = [];
    const it = setup({
      streams: false,
      options: { acceptMs: 2_000 },
      respond: ({ pathname, searchParams }) => {
        if (pathname !== "/v1/revocations") return undefined;
        asked.push(searchParams.toString());
        const after = searchParams.get("after") === `${EPOCH}.10` ? at(10) : at(12);
        const welcome: ServerTextFrame = {
          type: "welcome",
          instance: "i",
          leaseMs: N,
          position: after,
          feedKey: KEY,
          serverTime: EPOCH * 1000,
        };
        const hb: ServerTextFrame = {
          type: "hb",
          echo: Number(searchParams.get("ping")),
          head: at(12),
          serverTime: EPOCH * 1000,
          leaseMs: N,
        };
        const news = after.seq === 10 ? [encodeRev(at(10), at(12), [entry(11)])] : [];
        return new Response([welcome, ...news, hb].map(encodePollLine).join("\n"));
      },
    });
    await it.pass(0);
    assert.equal(it.trust(), "live");
    assert.ok(holdsSession(it.feed, "s-11"));
    assert.deepEqual(asked, [
      `after=${EPOCH}.10&ping=1&accept_ms=2000`,
      `after=${EPOCH}.12&ping=2&instance=i&accept_ms=2000`,
    ]);
    await it.pass(2_000);
    assert.equal(asked.length, 4);
  });

  test("that is closed says so to the server, and is not trusted from then on", async () => {
    const it = setup();
    await it.live();
    it.feed.close();
    assert.equal(it.socket.closedWith, RELEASED_CODE);
    assert.equal(it.trust(), "stale");
    await it.pass(60_000);
    assert.equal(it.sockets.length, 1);
  });

  test("extends trust by the owner's extra time only where it was asked for, and never before a first lease", async () => {
    const it = setup({ options: { acceptMs: 3_000 } });
    await it.pass(0);
    assert.equal(it.trust(), "stale");
    it.welcome();
    it.socket.hear(it.hb(at(10)));
    it.clock.mono += N;
    assert.equal(it.trust(), "extra");
    it.clock.wall += N + 3_000;
    assert.equal(it.trust(), "stale");
  });

  test("comes back by itself when a socket cannot even be made", async () => {
    const it = setup();
    await it.pass(0);
    it.socket.onerror?.({} as never);
    await it.pass(200);
    assert.equal(it.sockets.length, 2);
  });
});

describe("being ready", () => {
  test("is said with the first lease", async () => {
    const it = setup();
    let is = "no";
    void it.feed.ready().then(() => {
      is = "yes";
    });
    await it.pass(0);
    assert.equal(is, "no");
    it.welcome();
    it.socket.hear(it.hb(at(10)));
    await settled();
    assert.equal(is, "yes");
  });

  test("is refused with the reason when the attempt under way fails, and can be asked for again", async () => {
    let down = true;
    const it = setup({ respond: () => (down ? new Response(null, { status: 503 }) : undefined) });
    await Promise.all([assert.rejects(it.feed.ready(), /status 503/), settled()]);
    down = false;
    const ready = it.feed.ready();
    await it.pass(1_000);
    it.welcome();
    it.socket.hear(it.hb(at(10)));
    await ready;
  });

  test("is refused when the feed is closed", async () => {
    const it = setup();
    const refused = assert.rejects(it.feed.ready(), /does not follow/);
    it.feed.close();
    await refused;
    await assert.rejects(it.feed.ready(), /does not follow/);
  });
});

describe("a snapshot is refused, and nothing of it is taken in,", () => {
  const cases: Record<string, Setup> = {
    "whose signature is not the issuer's": { signed: "forged" },
    "whose signature cannot be checked": { signed: "keys_unavailable" },
    "of another issuer": { claims: { iss: "https://evil.example" } },
    "whose checkpoint is of a position ahead": { claims: { seq: 11 } },
    "whose checkpoint is of a position behind": { claims: { seq: 9 } },
    "whose checkpoint is of another epoch": { claims: { epoch: EPOCH - 1 } },
    "with entries more or fewer": { claims: { count: 2 } },
    "whose octets are not those that were signed": { claims: { sha256: "x" } },
    "whose checkpoint has no digest": { claims: { sha256: undefined } },
    "whose checkpoint is no checkpoint": { signed: { sub: "ada" } },
    "without a signature": { respond: () => new Response(new Uint8Array(64)) },
    "that is anything else": { respond: () => new Response("<html>", { headers: { "mapae-checkpoint": "signed" } }) },
    "that is larger than what may be held": { options: { maxEntries: 1 }, entries: [entry(1), entry(2), entry(3)] },
  };
  for (const [what, options] of Object.entries(cases)) {
    test(what, async () => {
      const it = setup({ entries: [entry(4), entry(5), entry(6)], ...options });
      await it.pass(0);
      assert.equal(it.feed.copy.size, 0);
      assert.equal(it.sockets.length, 0);
      assert.equal(it.trust(), "stale");
      assert.match(it.feed.state.trouble ?? "", /snapshot/);
    });
  }

  test("with an entry of a kind that cannot be understood, however it was signed", async () => {
    const facts = { position: at(10), serverTime: 0, leaseMs: N, feedKey: KEY };
    const octets = encodeSnapshot(facts, [entry(4)]);
    octets[SNAPSHOT_HEADER_BYTES] = 9;
    const sha256 = createHash("sha256").update(octets).digest("base64url");
    const it = setup({
      entries: [entry(4)],
      claims: { sha256 },
      respond: () => new Response(octets, { headers: { "mapae-checkpoint": "signed" } }),
    });
    await it.pass(0);
    assert.equal(it.feed.copy.size, 0);
    assert.equal(it.trust(), "stale");
  });
});

describe("a large snapshot", () => {
  test("is taken in by parts, between which everything else has its turn", async () => {
    const entries = Array.from({ length: 10_000 }, (_, index) => ({
      ...entry(1),
      position: at(index + 1),
      key: keyFrom(index),
    }));
    const it = setup({ position: at(10_000), entries, options: { maxEntries: 20_000 } });
    await it.pass(0);
    assert.equal(it.feed.copy.size, 10_000);
    assert.equal(it.turns, 5);
  });

  function keyFrom(index: number): Uint8Array {
    return createHash("sha256").update(String(index)).digest().subarray(0, 16);
  }
});

describe("a copy that is full", () => {
  test("is not trusted, does not acknowledge what it lacks, and drops nothing that it has", async () => {
    const it = setup({ entries: [entry(1), entry(2), entry(3)], options: { maxEntries: 4 } });
    await it.live();
    it.socket.hear(encodeRev(at(10), at(13), [entry(11), entry(12)]));
    assert.equal(
      it.socket.said.some((frame) => frame?.type === "ack"),
      false,
    );
    assert.equal(it.socket.closedWith, null);
    assert.match(it.feed.state.trouble ?? "", /full/);
    for (const sid of ["s-1", "s-2", "s-3"]) assert.ok(holdsSession(it.feed, sid));
    await it.pass(N);
    assert.equal(it.trust(), "stale");
  });
});

describe("a heartbeat's checkpoint", () => {
  const empty = createHash("sha256").digest("base64url");
  const facts = { iss: ISSUER, aud: AUDIENCE, epoch: EPOCH, seq: 10, since: 0, count: 0, iat: EPOCH };
  const claims = { ...facts, sha256: empty };
  const cases = [
    ["that is the issuer's changes nothing", claims, "live"],
    ["over other entries than came ends the trust at once", { ...claims, sha256: "AAAA" }, "stale"],
    ["over another number of entries ends the trust at once", { ...claims, count: 1 }, "stale"],
    ["for another audience ends the trust at once", { ...claims, aud: "https://other.example.com" }, "stale"],
    ["of a snapshot, in its place, ends the trust at once", { ...claims, since: undefined }, "stale"],
    ["that cannot be checked at the moment changes nothing", "keys_unavailable", "live"],
    ["that is forged ends the trust at once", "forged", "stale"],
    ["of another issuer ends the trust at once", { ...claims, iss: "https://evil.example" }, "stale"],
    ["ahead of the stream, as entries were kept back, ends the trust at once", { ...claims, seq: 11 }, "stale"],
  ] as const;
  for (const [what, signed, trust] of cases) {
    test(what, async () => {
      const texts: Record<string, typeof signed> = { "in the heartbeat": signed };
      const it = setup({ later: texts });
      await it.live();
      it.socket.hear(it.hb(at(10)));
      await it.pass(1_000);
      it.socket.hear(it.hb(at(10), { checkpoint: "in the heartbeat" }));
      await settled();
      assert.equal(it.trust(), trust);
    });
  }
});

describe("a relay between the issuer and here", () => {
  const RELAY = "https://relay.example.com";
  const window = (seq: number, entries: readonly FeedEntry[], iat = EPOCH) => ({
    ...{ iss: ISSUER, aud: AUDIENCE, epoch: EPOCH, seq, since: 10, count: entries.length, iat },
    sha256: createHash("sha256").update(encodeEntries(entries)).digest("base64url"),
  });
  const ticket = (text: string, issuerTime: number) =>
    Response.json({ ticket: text, instance: "tkt_1", expires_in: 600, server_time: issuerTime * 1000 });

  /** @param issuerTime seconds, by the clock of the node that gives tickets */
  function relayed(options: Setup = {}, issuerTime = EPOCH) {
    let made = 0;
    const it = setup({
      ...options,
      options: { base: RELAY, ...options.options },
      respond: (url, init) => {
        if (url.pathname !== "/v1/revocations/tickets") return options.respond?.(url, init);
        made += 1;
        return ticket(`ticket ${made}`, issuerTime);
      },
    });
    return it;
  }

  test("never sees the secret: the issuer does, and gives a ticket for it", async () => {
    const it = relayed();
    await it.pass(0);
    it.socket.open();
    const [asked, snapshot] = it.requests;
    assert.equal(asked?.url.href, `${ISSUER}/v1/revocations/tickets`);
    assert.match(String(new Headers(asked?.init.headers).get("authorization")), /^Basic /);
    assert.equal(snapshot?.url.href, `${RELAY}/v1/revocations/snapshot`);
    assert.equal(new Headers(snapshot?.init.headers).get("authorization"), "Bearer ticket 1");
    assert.equal(it.socket.url, "wss://relay.example.com/v1/revocations/stream");
    const hello = {
      type: "hello",
      ticket: "ticket 1",
      after: at(10),
      instance: null,
      acceptMs: 0,
      checkpoint: "signed",
    };
    assert.deepEqual(it.socket.last, hello);
  });

  test("is told of the next ticket on the same connection, half of the time before the first is over", async () => {
    const it = relayed();
    await it.live();
    for (let second = 0; second < 300; second += 1) {
      await it.pass(1_000);
      it.socket.hear(it.hb(at(10)));
    }
    assert.ok(it.socket.said.some((frame) => frame?.type === "ticket" && frame.ticket === "ticket 2"));
    assert.equal(it.requests.filter(({ url }) => url.pathname.endsWith("/tickets")).length, 2);
  });

  test("that refuses a ticket is shown a new one", async () => {
    const it = relayed();
    await it.live();
    it.socket.hear({ type: "refused", code: "unauthorized" });
    await it.pass(500);
    it.socket.open();
    assert.ok(it.socket.last?.type === "hello" && "ticket" in it.socket.last && it.socket.last.ticket === "ticket 2");
  });

  test("that leaves an entry out is found out by the next checkpoint, and the issuer is followed in its place", async () => {
    const [kept, dropped] = [entry(11), entry(12)];
    const it = relayed({ later: { honest: window(11, [kept]), caught: window(12, [kept, dropped]) } });
    await it.live();
    it.socket.hear(encodeRev(at(10), at(11), [kept]));
    it.socket.hear(it.hb(at(11), { checkpoint: "honest" }));
    await settled();
    assert.equal(it.trust(), "live");
    it.socket.hear(encodeRev(at(11), at(12), []));
    await it.pass(1_000);
    it.socket.hear(it.hb(at(12), { checkpoint: "caught" }));
    await settled();
    assert.equal(it.trust(), "stale");
    assert.match(it.feed.state.trouble ?? "", /lost or changed/);
    await it.pass(1_000);
    assert.equal(it.requests.at(-1)?.url.href, `${ISSUER}/v1/revocations/snapshot`);
    assert.equal(it.socket.url, "wss://login.example.com/v1/revocations/stream");
  });

  test("that changes an entry is found out alike", async () => {
    const real = entry(11, "session", "s-11");
    const it = relayed({ later: { caught: window(11, [real]) } });
    await it.live();
    it.socket.hear(encodeRev(at(10), at(11), [entry(11, "session", "somebody else")]));
    await it.pass(1_000);
    it.socket.hear(it.hb(at(11), { checkpoint: "caught" }));
    await settled();
    assert.equal(it.trust(), "stale");
  });

  test("that keeps the checkpoints back is not trusted for longer than fifteen seconds", async () => {
    const it = relayed();
    await it.live();
    for (let second = 0; second < 15; second += 1) {
      assert.equal(it.trust(), "live", `${second}`);
      await it.pass(1_000);
      it.socket.hear(it.hb(at(10)));
    }
    assert.equal(it.trust(), "stale");
  });

  test("is trusted no longer for a snapshot that was signed by a clock ahead of the one that we heard", async () => {
    const it = relayed({}, EPOCH - 100);
    await it.live();
    for (let second = 0; second < 15; second += 1) {
      await it.pass(1_000);
      it.socket.hear(it.hb(at(10)));
    }
    assert.equal(it.trust(), "stale");
  });

  test("that hands on a checkpoint late has its lateness counted, by the issuer's clock", async () => {
    const it = relayed({ later: { late: window(10, [], EPOCH + 3) } });
    await it.live();
    for (let second = 0; second < 17; second += 1) {
      await it.pass(1_000);
      it.socket.hear(it.hb(at(10), second === 9 ? { checkpoint: "late" } : {}));
      await settled();
      // The snapshot was signed at 0 and the checkpoint at 3, whenever it came.
      assert.equal(it.trust(), "live", `${second}`);
    }
    await it.pass(1_000);
    it.socket.hear(it.hb(at(10)));
    assert.equal(it.trust(), "stale");
  });

  test("has the snapshot of another audience refused: what concerns this one would be missing", async () => {
    const it = setup({ options: { audiences: ["https://files.example.com"] } });
    await it.pass(0);
    const reason = `this resource server hears of tokens for ${AUDIENCE}, and is to accept tokens for https://files.example.com`;
    assert.equal(it.feed.state.trouble, reason);
    assert.equal(it.feed.state.position, null);
  });
});

describe("a snapshot that was kept", () => {
  function keeper(kept: KeptSnapshot | null): SnapshotKeeper & { written: number } {
    const it = {
      written: 0,
      read: async () => kept,
      write: async () => {
        it.written += 1;
      },
    };
    return it;
  }

  test("saves the request, and grants no trust before the first heartbeat", async () => {
    const { kept } = setup({ entries: [entry(4)] });
    const it = setup({ entries: [entry(4)], options: { keep: keeper(kept) } });
    await it.pass(0);
    assert.equal(it.requests.length, 0);
    assert.ok(holdsSession(it.feed, "s-4"));
    assert.equal(it.trust(), "stale");
    it.welcome();
    assert.equal(it.trust(), "stale");
    it.socket.hear(it.hb(at(10)));
    assert.equal(it.trust(), "live");
  });

  test("is believed no more than one from the network", async () => {
    const { kept } = setup({ entries: [entry(4)] });
    const snapshot = kept.snapshot.slice();
    snapshot[SNAPSHOT_HEADER_BYTES + 30] = 255;
    const keep = keeper({ ...kept, snapshot });
    const it = setup({ entries: [entry(4)], options: { keep } });
    await it.pass(0);
    assert.equal(it.requests.length, 1);
    assert.equal(keep.written, 1);
  });

  test("that cannot be read or written is no trouble", async () => {
    const fail = async () => {
      throw new Error("disk");
    };
    const it = setup({ options: { keep: { read: fail, write: fail } } });
    await it.live();
  });
});

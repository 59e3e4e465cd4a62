/** The feed on a world of its own: stopped clocks, sockets and answers in hand. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { at, EPOCH, entry, ISSUER, KEY, N, type Setup, settled, setup } from "./feed.test-support.ts";
import { basicAuthorization, type Feed, type SnapshotKeeper } from "./feed.ts";
import type { KeptSnapshot } from "./load.ts";
import { encodeSnapshot, SNAPSHOT_HEADER_BYTES } from "./snapshot.ts";
import { encodePollLine, encodeRev, RELEASED_CODE, type ServerTextFrame } from "./wire.ts";

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

  test("acknowledges a frame when its entries are in, and pings every second", async () => {
    const it = setup();
    await it.live();
    it.socket.hear(encodeRev(at(10), at(12), [entry(11)]));
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
  const claims = { iss: ISSUER, epoch: EPOCH, seq: 10, count: 0, iat: EPOCH };
  const cases = [
    ["that is the issuer's changes nothing", claims, "live"],
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

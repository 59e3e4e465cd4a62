/** The tree: a login server, relays and verifiers, with time and links in hand. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeRev, encodeRev } from "@mapae/verifier/revocation";
import { outlast } from "../feed/lease.ts";
import { AUDIENCE, type Child, ISSUER, N, settle, Tree } from "./relay.test-support.ts";

describe("a relay", () => {
  test("hands on what was revoked, and a lease that is no longer than what is left of its own", async () => {
    const tree = await Tree.open();
    const before = await tree.revoke();
    const { relay, base } = await tree.relay("eu");
    await relay.ready();
    const child = await tree.child(base);
    assert.ok(child.trusts() && child.holds(before));
    const after = await tree.revoke();
    assert.ok(child.holds(after));
    for (let tenth = 0; tenth < 60; tenth += 1) {
      await tree.time.pass(100);
      const [mine, theirs] = [relay.status().leaseLeft, child.feed.leaseLeft()];
      assert.ok(theirs > 0 && theirs <= mine, `${theirs} of ${mine}`);
    }
  });

  test("that is cut off gives nothing more: leases behind it end with its own, and never later", async () => {
    const tree = await Tree.open();
    const host = await tree.relay("eu");
    const child = await tree.child(host.base);
    await tree.time.pass(700);
    host.machine.cut();
    const left = host.relay.status().leaseLeft;
    await tree.time.pass(left - 1);
    assert.ok(child.trusts());
    await tree.time.pass(1);
    assert.ok(!child.trusts());
    await tree.time.pass(10_000);
    assert.ok(!child.trusts());
    host.machine.heal();
    await tree.time.pass(12_000);
    assert.ok(child.trusts());
  });

  test("of a relay of a relay bounds its leases alike, and names the way that they go", async () => {
    const tree = await Tree.open();
    const first = await tree.relay("one");
    const second = await tree.relay("two", first.base);
    const third = await tree.relay("three", second.base);
    const child = await tree.child(third.base);
    assert.equal(third.relay.relays.length, 3);
    assert.deepEqual(third.relay.relays.slice(1), second.relay.relays);
    const position = await tree.revoke();
    assert.ok(child.holds(position));
    for (let tenth = 0; tenth < 30; tenth += 1) {
      await tree.time.pass(100);
      const left = [first, second, third].map(({ relay }) => relay.status().leaseLeft);
      assert.deepEqual(
        left,
        left.toSorted((a, b) => b - a),
      );
      assert.ok(child.trusts() && child.feed.leaseLeft() <= (left[2] ?? 0));
    }
    first.machine.cut();
    await tree.time.pass(first.relay.status().leaseLeft);
    assert.ok(!child.trusts());
  });

  test("acknowledges when all behind it have, and says for how many", async () => {
    const tree = await Tree.open();
    const first = await tree.relay("one");
    const second = await tree.relay("two", first.base);
    await tree.child(ISSUER);
    for (const base of [first.base, second.base, second.base]) await tree.child(base);
    const waiting = tree.confirm(await tree.revoke());
    await settle();
    const { by, acknowledged, outstanding } = waiting.answer() ?? assert.fail("not confirmed");
    assert.deepEqual([by, acknowledged, outstanding], ["acknowledgements", 4, []]);
  });

  test("does not acknowledge for one that is silent before its lease has ended, and names how many those are", async () => {
    const tree = await Tree.open();
    const host = await tree.relay("eu");
    const [deaf] = [await tree.child(host.base), await tree.child(host.base)];
    assert.ok(deaf?.trusts());
    // It hears nothing and says nothing, and still holds its lease.
    deaf.machine.cut();
    const position = await tree.revoke();
    const left = deaf.feed.leaseLeft();
    const waiting = tree.confirm(position);
    await tree.time.pass(left - 1);
    assert.ok(deaf.trusts() && !deaf.holds(position));
    assert.equal(waiting.answer(), null);
    await tree.time.pass(outlast(N) - left + 200);
    const { by, confirmed, acknowledged, outstanding } = waiting.answer() ?? assert.fail("not confirmed");
    assert.deepEqual([by, confirmed, acknowledged], ["leases", true, 1]);
    assert.deepEqual(
      outstanding.map(({ client, verifiers }) => [client, verifiers]),
      [["relay", 1]],
    );
    assert.equal(host.notices.at(-1)?.kind, "slow_verifiers");
  });

  test("that is killed is waited for as long as it can have given leases, however soon another comes up", async () => {
    const tree = await Tree.open();
    const host = await tree.relay("eu");
    const child = await tree.child(host.base);
    await tree.time.pass(300);
    tree.kill(host);
    child.machine.cut();
    const again = await tree.relay("eu");
    await again.relay.ready();
    const position = await tree.revoke();
    const waiting = tree.confirm(position);
    const left = child.feed.leaseLeft();
    await tree.time.pass(left - 1);
    assert.ok(child.trusts() && !child.holds(position));
    assert.equal(waiting.answer(), null);
    await tree.time.pass(outlast(N));
    assert.equal(waiting.answer()?.confirmed, true);
    assert.ok(!child.trusts());
  });

  test("that loses upstream and comes back does not speak for leases of before", async () => {
    const tree = await Tree.open();
    const host = await tree.relay("eu");
    const child = await tree.child(host.base);
    // The child is cut off with a lease in hand; the relay hears of the revocation, and its link breaks before it has said so.
    child.machine.cut();
    host.machine.stream.isDeaf = true;
    const position = await tree.revoke();
    const waiting = tree.confirm(position);
    host.machine.stream.broken();
    await tree.time.pass(1_000);
    assert.equal(host.relay.status().via, "stream");
    assert.ok(child.trusts() && !child.holds(position));
    assert.equal(waiting.answer(), null);
    await tree.time.pass(outlast(N));
    assert.equal(waiting.answer()?.confirmed, true);
    assert.ok(!child.trusts());
  });

  test("does not say that no lease is held when it closes, unless none is", async () => {
    for (const withChild of [true, false]) {
      const tree = await Tree.open();
      const host = await tree.relay("eu");
      if (withChild) await tree.child(host.base);
      host.relay.close();
      await settle();
      const waiting = tree.confirm(await tree.revoke());
      await settle();
      assert.equal(waiting.answer() === null, withChild);
    }
  });

  test("asks those behind it to leave when it stops, and they go on where they come to", async () => {
    const tree = await Tree.open();
    const host = await tree.relay("eu");
    const child = await tree.child(host.base);
    const drained = host.relay.drain(2_000);
    const again = await tree.relay("eu");
    await tree.time.pass(2_000);
    await drained;
    assert.equal(again.relay.connections, 1);
    assert.ok(child.trusts());
  });

  test("takes no more than it may, and cuts who has nothing to say", async () => {
    const tree = await Tree.open();
    const { relay, base } = await tree.relay("eu");
    const children: Child[] = [];
    for (let count = 0; count < 51; count += 1) children.push(await tree.child(base));
    assert.equal(relay.connections, 50);
    assert.match(children.at(-1)?.feed.state.trouble ?? "", /too_many_connections/);
    for (const child of children) child.machine.cut();
    await tree.time.pass(16_000);
    assert.equal(relay.connections, 0);
  });
});

describe("who may follow a relay", () => {
  test("is who has a ticket for its audience: no secret is taken, and none is asked for", async () => {
    const tree = await Tree.open();
    const { base } = await tree.relay("eu");
    const child = await tree.child(base);
    assert.ok(child.trusts());
    const basic = Buffer.from("orders:orders+secret").toString("base64");
    const path = "/v1/revocations/snapshot";
    const bySecret = await tree.ask(`${base}${path}`, { headers: { authorization: `Basic ${basic}` } });
    assert.equal(bySecret.status, 401);
    assert.equal((await tree.ask(`${ISSUER}${path}`, { headers: { authorization: `Basic ${basic}` } })).status, 200);
    assert.equal((await tree.ask(`${base}${path}`)).status, 401);
    const other = await tree.child(base, "files");
    await tree.time.pass(500);
    assert.ok(!other.trusts());
    assert.equal(other.feed.state.trouble, "the server refused the credentials");
  });

  test("is cut off when its resource server is deleted, as soon as the relay hears of it, and gets no other ticket", async () => {
    const tree = await Tree.open();
    const { relay, base } = await tree.relay("eu");
    const [gone, other] = [await tree.child(base, "stubborn"), await tree.child(base)];
    assert.equal(relay.connections, 2);
    await tree.deleteClient("stubborn");
    assert.equal(relay.connections, 1);
    await tree.time.pass(N);
    assert.ok(!gone.trusts() && other.trusts());
    // Made again under the same name, it is another one: old tickets stay dead, new ones are good.
    await tree.resourceServer("stubborn", AUDIENCE);
    assert.ok((await tree.child(base, "stubborn")).trusts());
  });

  test("shows a new ticket when the key that signed the one at hand is revoked, and stays", async () => {
    const tree = await Tree.open();
    const { relay, base } = await tree.relay("eu");
    const child = await tree.child(base);
    const before = child.machine.asked.filter(({ pathname }) => pathname.endsWith("/tickets")).length;
    await tree.revokeKey("k1", "k2");
    await tree.time.pass(1_000);
    assert.equal(relay.connections, 1);
    assert.ok(child.trusts());
    assert.equal(child.machine.asked.filter(({ pathname }) => pathname.endsWith("/tickets")).length, before + 1);
  });

  test("shows a new ticket too where the one at hand is refused with a snapshot", async () => {
    const tree = await Tree.open();
    const { base } = await tree.relay("eu", "https://elsewhere.example.com");
    const child = await tree.child(base);
    await tree.revokeKey("k1", "k2");
    tree.lead("https://elsewhere.example.com", ISSUER);
    await tree.time.pass(30_000);
    assert.ok(child.trusts());
  });

  test("hears the issuer's time anew when its own clock was put right", async () => {
    const tree = await Tree.open();
    const { base } = await tree.relay("eu");
    const child = await tree.child(base);
    await tree.time.pass(12_000);
    child.machine.ahead += 30_000;
    await tree.time.pass(1_000);
    assert.ok(!child.trusts());
    await tree.time.pass(11_000);
    assert.ok(child.trusts());
  });

  test("renews its ticket on the connection that it has, for as long as it stays", async () => {
    const tree = await Tree.open();
    const { base } = await tree.relay("eu");
    const child = await tree.child(base);
    await tree.time.pass(1_300_000);
    assert.ok(child.trusts());
    assert.equal(child.machine.streams.length, 1);
  });

  test("ends with its ticket, where no other can be had", async () => {
    const tree = await Tree.open();
    const { relay, base } = await tree.relay("eu");
    const child = await tree.child(base);
    // It cannot reach the issuer any more, only the relay.
    child.machine.refuses = ({ origin }) => origin === ISSUER;
    await tree.time.pass(599_000);
    assert.equal(relay.connections, 1);
    await tree.time.pass(2_000);
    assert.equal(relay.connections, 0);
  });
});

describe("a verifier behind a relay that may accept without a lease", () => {
  test("is named at the issuer until it has acknowledged, and afterwards too where it is silent", async () => {
    const tree = await Tree.open();
    const first = await tree.relay("one");
    const second = await tree.relay("two", first.base);
    const child = await tree.child(second.base, "stubborn", 60_000);
    const waiting = tree.confirm(await tree.revoke());
    await settle();
    assert.deepEqual(waiting.answer()?.unbound, []);
    assert.equal(waiting.answer()?.acknowledged, 1);
    child.machine.cut();
    const silent = tree.confirm(await tree.revoke());
    await tree.time.pass(outlast(N));
    const { confirmed, unbound } = silent.answer() ?? assert.fail("not confirmed");
    assert.equal(confirmed, true);
    assert.deepEqual(
      unbound.map(({ client }) => client),
      ["stubborn"],
    );
  });

  test("is named whatever becomes of the relay, and of the login server", async () => {
    const tree = await Tree.open();
    const host = await tree.relay("one");
    const child = await tree.child(host.base, "stubborn", 3_600_000);
    assert.ok(child.trusts());
    tree.kill(host);
    child.machine.cut();
    tree.stopOrigin();
    await tree.start();
    const waiting = tree.confirm(await tree.revoke());
    await tree.time.pass(outlast(N));
    assert.deepEqual(
      waiting.answer()?.unbound.map(({ client }) => client),
      ["stubborn"],
    );
    await tree.time.pass(600_000 + 3_600_000 + 200_000);
    const later = tree.confirm(await tree.revoke());
    await tree.time.pass(outlast(N));
    assert.deepEqual(later.answer()?.unbound, []);
  });

  test("may accept for no longer than its ticket says", async () => {
    const tree = await Tree.open();
    const { relay, base } = await tree.relay("eu");
    const child = await tree.child(base);
    const { ticket } = (await (
      await tree.ask(`${ISSUER}/v1/revocations/tickets`, {
        method: "POST",
        body: "{}",
        headers: {
          authorization: `Basic ${Buffer.from("orders:orders+secret").toString("base64")}`,
          "content-type": "application/json",
        },
      })
    ).json()) as { ticket: string };
    const { epoch, seq } = relay.head;
    const poll = (acceptMs: number) =>
      tree.ask(`${base}/v1/revocations?after=${epoch}.${seq}&ping=1&accept_ms=${acceptMs}`, {
        headers: { authorization: `Bearer ${ticket}` },
      });
    assert.match(await (await poll(0)).text(), /"type":"hb"/);
    assert.match(await (await poll(1)).text(), /"code":"unauthorized"/);
    assert.ok(child.trusts());
  });
});

describe("a relay that lies", () => {
  test("by leaving an entry out is found out by those behind it at the next checkpoint; they go to the issuer", async () => {
    const tree = await Tree.open();
    const { base } = await tree.relay("eu");
    const child = await tree.child(base);
    child.machine.change = (frame) => {
      const rev = typeof frame === "string" ? null : decodeRev(frame);
      return rev === null ? frame : encodeRev(rev.from, rev.to, []);
    };
    const position = await tree.revoke();
    assert.ok(!child.holds(position));
    child.machine.change = (frame) => frame;
    await tree.time.pass(6_500);
    assert.ok(child.trusts() && child.holds(position));
    assert.equal(child.machine.asked.at(-1)?.href, `${ISSUER}/v1/revocations/snapshot`);
  });

  test("by keeping everything back, checkpoints too, is trusted for no longer than fifteen seconds", async () => {
    const tree = await Tree.open();
    const { base } = await tree.relay("eu");
    const child = await tree.child(base);
    await tree.time.pass(1_000);
    child.machine.change = (frame) => {
      if (typeof frame !== "string") return null;
      const { checkpoint: _, crc: __, ...hb } = JSON.parse(frame) as Record<string, unknown>;
      return hb.type === "hb" ? resealed({ ...hb, seq: child.feed.state.position?.seq }) : frame;
    };
    const position = await tree.revoke();
    let trusted = 0;
    for (let second = 0; second < 30; second += 1) {
      await tree.time.pass(1_000);
      if (child.trusts()) trusted += 1;
    }
    assert.ok(!child.holds(position) && !child.trusts());
    assert.ok(trusted > 5 && trusted <= 15, `${trusted}`);
  });

  test("upstream of an honest relay is found out by that, and what it gave ends with it", async () => {
    const tree = await Tree.open();
    const liar = await tree.relay("one");
    const honest = await tree.relay("two", liar.base);
    const child = await tree.child(honest.base);
    honest.machine.change = (frame) => {
      const rev = typeof frame === "string" ? null : decodeRev(frame);
      return rev === null ? frame : encodeRev(rev.from, rev.to, []);
    };
    const position = await tree.revoke();
    assert.ok(!child.holds(position));
    honest.machine.change = (frame) => frame;
    await tree.time.pass(8_000);
    assert.ok(child.holds(position) && child.trusts());
  });

  test("by giving the snapshot of another audience is not believed", async () => {
    const tree = await Tree.open();
    const { base } = await tree.relay("eu");
    const child = await tree.child(base, "files");
    await tree.time.pass(1_000);
    assert.equal(child.feed.state.position, null);
  });
});

describe("relays in a circle", () => {
  test("of one: it says so, and gives no lease", async () => {
    const tree = await Tree.open();
    const { relay } = await tree.relay("self", "https://self.example.com");
    await tree.time.pass(2_000);
    assert.match(relay.status().trouble ?? "", /circle/);
    assert.equal(relay.status().leaseLeft, 0);
  });

  test("of three say so too, though none of them has anything to hand on", async () => {
    const tree = await Tree.open();
    const hosts = [
      await tree.relay("a", "https://c.example.com"),
      await tree.relay("b", "https://a.example.com"),
      await tree.relay("c", "https://b.example.com"),
    ];
    await tree.time.pass(30_000);
    for (const { relay } of hosts) assert.match(relay.status().trouble ?? "", /circle/);
  });

  test("that is closed while they serve gives leases that only get shorter, and is found out", async () => {
    const tree = await Tree.open();
    const root = await tree.relay("root");
    const first = await tree.relay("a", root.base);
    const second = await tree.relay("b", first.base);
    const child = await tree.child(second.base);
    assert.ok(child.trusts());
    // The root's name now leads to the last of them.
    tree.lead(root.base, second.base);
    first.machine.stream.broken();
    const left = first.relay.status().leaseLeft;
    await tree.time.pass(left);
    assert.ok(!child.trusts());
    assert.match(first.relay.status().trouble ?? "", /circle/);
  });
});

describe("what a relay hands on", () => {
  test("is the issuer's snapshot as it is, got anew when too much has come since", async () => {
    const tree = await Tree.open();
    await tree.revoke();
    const { machine, base } = await tree.relay("eu");
    const snapshots = () => machine.asked.filter(({ pathname }) => pathname.endsWith("/snapshot")).length;
    await tree.child(base);
    await tree.child(base);
    assert.equal(snapshots(), 1);
    await tree.revoke();
    await tree.child(base);
    assert.equal(snapshots(), 1);
    await tree.time.pass(6_000);
    const children = await Promise.all([tree.child(base), tree.child(base), tree.child(base)]);
    assert.equal(snapshots(), 2);
    for (const child of children) assert.ok(child.trusts());
  });

  test("is the old snapshot while upstream gives none, and a lease only once it does", async () => {
    const tree = await Tree.open();
    const host = await tree.relay("eu");
    await tree.revoke();
    await tree.time.pass(6_000);
    host.machine.isCut = true;
    const child = await tree.child(host.base);
    assert.notEqual(child.feed.state.position, null);
    host.machine.heal();
    await tree.time.pass(15_000);
    assert.ok(child.trusts());
  });

  test("goes on after the login server was started again, without a snapshot", async () => {
    const tree = await Tree.open();
    const host = await tree.relay("eu");
    const child = await tree.child(host.base);
    const asked = child.machine.asked.length;
    tree.stopOrigin();
    await tree.start();
    await tree.time.pass(4_000);
    const position = await tree.revoke();
    assert.ok(child.holds(position) && child.trusts());
    await tree.time.pass(10_000);
    assert.ok(child.trusts());
    assert.equal(child.machine.asked.length, asked);
  });

  test("begins anew with another feed key, and everyone behind it with it", async () => {
    const tree = await Tree.open();
    const host = await tree.relay("eu");
    const child = await tree.child(host.base);
    tree.stopOrigin();
    await tree.start({ feedKey: new Uint8Array(32).fill(9) });
    await tree.time.pass(8_000);
    assert.deepEqual(child.feed.state.feedKey, new Uint8Array(32).fill(9));
    const position = await tree.revoke();
    assert.ok(child.holds(position) && child.trusts());
  });

  test("holds no single token of another audience, and the numbers go on all the same", async () => {
    const tree = await Tree.open();
    const { relay, base } = await tree.relay("eu");
    const child = await tree.child(base);
    const theirs = await tree.revoke("https://files.example.com");
    const ours = await tree.revoke(AUDIENCE);
    assert.ok(!child.holds(theirs) && child.holds(ours));
    assert.deepEqual(relay.head, ours);
    await tree.time.pass(12_000);
    assert.ok(child.trusts());
  });

  test("is a snapshot that checkpoints reach back to, also where the log moved by what concerns others", async () => {
    const tree = await Tree.open();
    const { base } = await tree.relay("eu");
    await tree.child(base);
    await tree.revoke("https://files.example.com");
    await tree.time.pass(90_000);
    const late = await tree.child(base);
    await tree.time.pass(12_000);
    assert.ok(late.trusts());
    assert.equal(late.machine.asked.filter(({ pathname }) => pathname.endsWith("/snapshot")).length, 1);
  });

  test("is waited for by somebody who knew more elsewhere, and who loads no snapshot for that", async () => {
    const tree = await Tree.open();
    const [slow, quick] = [await tree.relay("slow"), await tree.relay("quick")];
    const child = await tree.child(quick.base);
    slow.machine.cut();
    const position = await tree.revoke();
    assert.ok(child.holds(position));
    slow.machine.heal();
    tree.lead(quick.base, slow.base);
    child.machine.stream.broken();
    await tree.time.pass(3_000);
    assert.ok(child.trusts());
    assert.equal(child.machine.asked.filter(({ pathname }) => pathname.endsWith("/snapshot")).length, 1);
    assert.deepEqual(slow.notices, []);
  });

  test("are the issuer's checkpoints, and none that was made before everybody was logged out", async () => {
    const tree = await Tree.open();
    const { base } = await tree.relay("eu");
    const child = await tree.child(base);
    for (let round = 0; round < 4; round += 1) {
      await tree.revoke();
      await tree.storage.revocation.apply([{ effect: "revoke", kind: "all", value: "", reason: "admin" }]);
      await tree.time.pass(2_300);
      assert.ok(child.trusts());
    }
    assert.equal(child.machine.asked.filter(({ pathname }) => pathname.endsWith("/snapshot")).length, 1);
  });
});

function resealed(frame: Record<string, unknown>): string {
  const body = JSON.stringify(frame).slice(0, -1);
  return `${body},"crc":"${crc(body)}"}`;
}

function crc(text: string): string {
  let sum = 0xffffffff;
  for (const octet of Buffer.from(text)) {
    sum ^= octet;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return ((sum ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
}

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ENTRY_BYTES } from "./entry.ts";
import { step } from "./follower.ts";
import {
  type Follower,
  type FollowerAction,
  type FollowerEvent,
  type FollowerSettings,
  type Found,
  isTrusted,
  newFollower,
  wakeAt,
} from "./follower-state.ts";
import { type Heartbeat, REV_HEADER_BYTES, type Rev, type ServerFrame } from "./frames.ts";
import { holds, type Moment, SKEW_MARGIN_MS } from "./lease.ts";
import { comparePositions, formatPosition, type Position } from "./position.ts";

const EPOCH = 1_800_000_000;
const N = 5_000;
const KEY = new Uint8Array(32).fill(7);
const SETTINGS: FollowerSettings = {
  maxStaleness: Number.POSITIVE_INFINITY,
  acceptMs: 0,
  streams: true,
  pingMs: 1_000,
  vouched: false,
  relay: null,
};

function at(seq: number, epoch = EPOCH): Position {
  return { epoch, seq };
}

/** Stands for the issuer's signature over a position. */
const signedText = (position: Position): string => `signed ${formatPosition(position)}`;

function rev(from: Position, to: Position): Rev {
  return { type: "rev", from, to, count: 0, octets: new Uint8Array(REV_HEADER_BYTES + ENTRY_BYTES) };
}

/** A follower with a clock in hand. Entries are applied when `applying` says so. */
function world(settings: Partial<FollowerSettings> = {}) {
  let state = newFollower({ ...SETTINGS, ...settings });
  const clock = { mono: 1_000, wall: EPOCH * 1000 };
  const log: FollowerAction[] = [];
  const world = {
    clock,
    log,
    applying: true,
    get state(): Follower {
      return state;
    },
    get now(): Moment {
      return { ...clock };
    },
    get link(): number {
      return "link" in state.phase ? state.phase.link : -1;
    },
    get trusted(): boolean {
      return isTrusted(state, world.now);
    },
    pass(ms: number): void {
      clock.mono += ms;
      clock.wall += ms;
    },
    send(event: FollowerEvent, chance = 0.5): readonly FollowerAction[] {
      const [next, actions] = step(state, event, world.now, chance);
      state = next;
      log.push(...actions);
      for (const action of actions) {
        if (action.do === "apply" && world.applying)
          world.send({ type: "applied", era: action.era, to: action.rev.to });
      }
      return actions;
    },
    hear(frame: ServerFrame | null, chance = 0.5): readonly FollowerAction[] {
      return world.send({ type: "frame", link: world.link, frame }, chance);
    },
    /** Passes the time until the follower asked to be woken, and wakes it. */
    wake(): readonly FollowerAction[] {
      const due = wakeAt(state);
      assert.ok(due !== null);
      world.pass(Math.max(0, due - clock.mono));
      return world.send({ type: "woken" });
    },
    hb(head: Position, changes: Partial<Heartbeat> = {}): Heartbeat {
      const echo = state.nextPing - 1;
      return { type: "hb", echo, head, serverTime: clock.wall, leaseMs: N, ...changes };
    },
    load(position: Position, leaseMs = N): readonly FollowerAction[] {
      assert.ok(state.phase.is === "loading");
      return world.send({
        type: "loaded",
        attempt: state.phase.attempt,
        copy: { position, feedKey: KEY, leaseMs, age: 0, checkpoint: signedText(position) },
      });
    },
    welcome(position: Position, changes: { feedKey?: Uint8Array; instance?: string } = {}): readonly FollowerAction[] {
      const { feedKey = KEY, instance = "ins_1" } = changes;
      return world.hear({ type: "welcome", instance, leaseMs: N, position, feedKey, serverTime: clock.wall });
    },
    /** Started, loaded up to 10, connected, welcome; the first ping is out. */
    following() {
      world.send({ type: "started", copy: null });
      world.load(at(10));
      world.welcome(at(10));
      return world;
    },
  };
  return world;
}

function kinds(actions: readonly FollowerAction[]): string[] {
  return actions.map((action) => (action.do === "send" ? action.frame.type : action.do));
}

describe("an acknowledgement", () => {
  const ack = (seq: number) => ({ type: "ack", position: at(seq) });
  const said = (actions: readonly FollowerAction[]) =>
    actions.flatMap((action) => (action.do === "send" ? [action.frame] : []));

  test("goes before the next ping where nobody asks for it, and tells of all that was applied until then", () => {
    const it = world().following();
    assert.deepEqual(said(it.hear(rev(at(10), at(12)))), []);
    assert.deepEqual(said(it.hear(rev(at(12), at(15)))), []);
    const [first, second] = said(it.wake());
    assert.deepEqual(first, ack(15));
    assert.equal(second?.type, "ping");
    assert.deepEqual(
      said(it.wake()).map(({ type }) => type),
      ["ping"],
    );
  });

  test("goes at once where it is asked for, before or after the entries are applied, and only once", () => {
    const it = world().following();
    it.hear(rev(at(10), at(12)));
    assert.deepEqual(said(it.hear({ type: "ask", position: at(11) })), [ack(12)]);
    assert.deepEqual(said(it.hear({ type: "ask", position: at(12) })), []);
    assert.deepEqual(said(it.hear({ type: "ask", position: at(14) })), []);
    it.applying = false;
    it.hear(rev(at(12), at(15)));
    assert.deepEqual(said(it.send({ type: "applied", era: it.state.era, to: at(15) })), [ack(15)]);
  });

  test("is not of what is not applied, whatever is asked for: a later position, another epoch", () => {
    const it = world().following();
    it.hear(rev(at(10), at(12)));
    for (const position of [at(13), at(1, EPOCH + 1)]) {
      assert.deepEqual(said(it.hear({ type: "ask", position })), []);
    }
  });

  test("is not asked for on a link that was given up", () => {
    const it = world().following();
    it.hear({ type: "ask", position: at(12) });
    it.send({ type: "lost", link: it.link, reason: "gone" });
    it.wake();
    it.welcome(at(10));
    assert.deepEqual(said(it.hear(rev(at(10), at(12)))), []);
  });
});

describe("the lease", () => {
  test("comes with the echo of a ping and the head applied, and is counted from when the ping was sent", () => {
    const it = world().following();
    assert.equal(it.trusted, false);
    it.pass(1_200);
    it.hear(it.hb(at(10)));
    assert.equal(it.trusted, true);
    it.pass(N - 1_200 - 1);
    assert.equal(it.trusted, true);
    it.pass(1);
    assert.equal(it.trusted, false);
  });

  test("is as much shorter as what a relay knows is older, for an owner who wants to know less than N late", () => {
    const it = world({ maxStaleness: 2_000, acceptMs: 1_500 }).following();
    it.hear(it.hb(at(10), { leaseMs: 3_500, ageMs: 1_500 }));
    it.pass(499);
    assert.equal(it.trusted, true);
    it.pass(1);
    assert.equal(it.trusted, false);
    // Older than he wants it: no lease, and what he allows beyond it is counted from where that would have ended.
    it.wake();
    const { sent } = it.state.pings.at(-1) ?? assert.fail("no ping");
    it.hear(it.hb(at(10), { leaseMs: 2_500, ageMs: 2_500 }));
    const later = (ms: number): Moment => ({ mono: sent.mono + ms, wall: sent.wall + ms });
    assert.equal(isTrusted(it.state, later(0)), false);
    assert.equal(isTrusted(it.state, later(999), 1_500), true);
    assert.equal(isTrusted(it.state, later(1_000), 1_500), false);
  });

  test("never holds where every echo takes longer than N: heartbeats that come regularly prove nothing", () => {
    const it = world().following();
    const pings: number[] = [it.state.nextPing - 1];
    for (let second = 1; second <= 60; second++) {
      it.pass(1_000);
      // Heartbeats arrive every second, each twelve seconds after its ping.
      const late = second > 12 ? pings[second - 13] : undefined;
      if (late === undefined) it.hear({ type: "hb", echo: 0, head: at(10), serverTime: it.clock.wall, leaseMs: N });
      else it.hear(it.hb(at(10), { echo: late }));
      it.send({ type: "woken" });
      pings.push(it.state.nextPing - 1);
      assert.equal(it.trusted, false);
      assert.equal(it.state.phase.is, "following");
    }
  });

  test("is not given for an echo that was not sent, or was answered before", () => {
    const it = world().following();
    it.hear(it.hb(at(10), { echo: 99 }));
    assert.equal(it.trusted, false);
    const first = it.hb(at(10));
    it.hear(first);
    assert.equal(it.trusted, true);
    it.pass(N);
    it.hear({ ...first, serverTime: it.clock.wall });
    assert.equal(it.trusted, false);
  });

  test("is not moved back by heartbeats that overtook each other", () => {
    const it = world().following();
    const first = it.hb(at(10));
    it.wake();
    const second = it.hb(at(10));
    it.hear(second);
    const { lease } = it.state;
    it.hear(first);
    assert.deepEqual(it.state.lease, lease);
  });

  test("waits until everything up to the head is applied, and so does the acknowledgement", () => {
    const it = world().following();
    it.applying = false;
    it.hear(rev(at(10), at(12)));
    assert.deepEqual(kinds(it.hear(it.hb(at(12)))), ["forget"]);
    assert.equal(it.trusted, false);
    assert.equal(
      it.log.some((action) => action.do === "send" && action.frame.type === "ack"),
      false,
    );
    assert.deepEqual(it.hear({ type: "ask", position: at(12) }), []);
    const acks = it.send({ type: "applied", era: it.state.era, to: at(12) });
    assert.deepEqual(acks, [{ do: "send", link: it.link, frame: { type: "ack", position: at(12) } }]);
    assert.equal(it.trusted, true);
  });

  test("is not given for a head beyond what arrived: what is missing was lost, and is asked for again", () => {
    const it = world().following();
    it.hear(it.hb(at(11)));
    assert.equal(it.trusted, false);
    assert.equal(it.state.phase.is, "waiting");
    const [action] = it.wake();
    assert.ok(action?.do === "connect");
    assert.deepEqual(action.greeting.after, at(10));
  });

  test("is as short as the shortest of heartbeat, signed snapshot and the owner's maxStaleness", () => {
    for (const [signed, told, wanted, ms] of [
      [5_000, 5_000, Number.POSITIVE_INFINITY, 5_000],
      [5_000, 3_000, Number.POSITIVE_INFINITY, 3_000],
      [5_000, 60_000, Number.POSITIVE_INFINITY, 5_000],
      [5_000, 5_000, 2_000, 2_000],
    ] as const) {
      const it = world({ maxStaleness: wanted });
      it.send({ type: "started", copy: null });
      it.load(at(10), signed);
      it.welcome(at(10));
      it.hear(it.hb(at(10), { leaseMs: told }));
      it.pass(ms - 1);
      assert.equal(it.trusted, true);
      it.pass(1);
      assert.equal(it.trusted, false);
    }
  });

  test("ends when the machine slept: the monotonic clock stood still and the wall clock went on", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    it.clock.wall += N;
    assert.equal(it.trusted, false);
  });

  test("ends when the wall clock was set back by more than the margin, as tokens would outlive their entries", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    it.clock.wall -= SKEW_MARGIN_MS;
    assert.equal(it.trusted, true);
    it.clock.wall -= 1;
    assert.equal(it.trusted, false);
  });

  test("is not given, and nothing is forgotten, while this machine's clock is off by more than the margin", () => {
    for (const off of [SKEW_MARGIN_MS + 1, -SKEW_MARGIN_MS - 1, 3_600_000, -3_600_000]) {
      const it = world().following();
      assert.deepEqual(it.hear(it.hb(at(10), { serverTime: it.clock.wall + off })), []);
      assert.equal(it.trusted, false);
      assert.match(it.state.trouble ?? "", /clock/);
      it.wake();
      it.hear(it.hb(at(10)));
      assert.equal(it.trusted, true);
      assert.equal(it.state.trouble, null);
    }
  });

  test("needs a new snapshot when both clocks were ahead and went back: what was forgotten by them is wanted again", () => {
    const it = world().following();
    it.clock.wall += 3_600_000;
    assert.deepEqual(kinds(it.hear(it.hb(at(10)))), ["forget"]);
    it.clock.wall -= 3_600_000;
    it.wake();
    const actions = it.hear(it.hb(at(10)));
    assert.equal(it.trusted, false);
    assert.ok(!kinds(actions).includes("forget"));
    assert.match(it.state.trouble ?? "", /clocks went back/);
    assert.ok(it.state.phase.is === "waiting" && it.state.phase.next === "load");
  });

  test("goes on when the server's clock is a little behind the one before: nothing is missing", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    it.wake();
    it.hear(it.hb(at(10), { serverTime: it.clock.wall - 30_000 }));
    assert.equal(it.trusted, true);
  });

  test("does not hold on a clock that says nothing", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    assert.equal(holds(it.state.lease, { mono: Number.NaN, wall: it.clock.wall }), false);
    assert.equal(holds(it.state.lease, { mono: it.clock.mono, wall: Number.NaN }), false);
  });

  test("of a paused process has ended when it goes on, whatever waits in its socket", () => {
    const it = world().following();
    const waiting = it.hb(at(10));
    it.hear(waiting);
    it.wake();
    const inSocket = it.hb(at(10));
    it.pass(60_000);
    assert.equal(it.trusted, false);
    it.hear(inSocket);
    assert.equal(it.trusted, false);
  });
});

describe("a copy that was kept", () => {
  test("saves the snapshot and grants no lease", () => {
    const it = world();
    it.send({
      type: "started",
      copy: { position: at(8), feedKey: KEY, leaseMs: N, age: 0, checkpoint: signedText(at(8)) },
    });
    assert.equal(it.state.phase.is, "opening");
    assert.equal(it.trusted, false);
    it.welcome(at(8));
    it.hear(rev(at(8), at(10)));
    assert.equal(it.trusted, false);
    it.hear(it.hb(at(10)));
    assert.equal(it.trusted, true);
  });
});

describe("the cursor", () => {
  test("moves with what is applied; a frame that comes twice changes nothing", () => {
    const it = world().following();
    it.hear(rev(at(10), at(13)));
    assert.deepEqual(it.state.position, at(13));
    assert.deepEqual(it.hear(rev(at(10), at(13))), []);
    assert.deepEqual(it.hear(rev(at(10), at(12))), []);
    assert.deepEqual(it.state.position, at(13));
    assert.deepEqual(kinds(it.hear(rev(at(12), at(15)))), ["apply"]);
    assert.deepEqual(it.state.position, at(15));
  });

  test("does not jump a gap: the stream is taken up again from what is applied", () => {
    const it = world().following();
    it.hear(rev(at(11), at(12)));
    assert.deepEqual(it.state.position, at(10));
    assert.equal(it.state.phase.is, "waiting");
    const [connect] = it.wake();
    assert.ok(connect?.do === "connect");
    assert.deepEqual(connect.greeting.after, at(10));
    assert.equal(connect.greeting.instance, "ins_1");
  });

  test("of another epoch needs a snapshot, also where a frame or a heartbeat brings it", () => {
    for (const frame of [rev(at(1, EPOCH + 5), at(2, EPOCH + 5)), null] as const) {
      const it = world().following();
      it.hear(frame ?? it.hb(at(10, EPOCH + 5)));
      assert.deepEqual(kinds(it.wake()), ["load"]);
      it.load(at(3, EPOCH + 5));
      assert.deepEqual(it.state.position, at(3, EPOCH + 5));
    }
  });

  test("never goes back to an earlier epoch: an old snapshot is refused", () => {
    const it = world().following();
    it.hear({ type: "resync", reason: "too_old" });
    it.wake();
    it.load(at(400, EPOCH - 1));
    assert.equal(it.state.phase.is, "waiting");
    assert.deepEqual(it.state.position, at(10));
    assert.match(it.state.trouble ?? "", /earlier epoch/);
  });

  test("starts from the snapshot again where the log lost its tail, and what was under way before it counts no more", () => {
    const it = world().following();
    it.applying = false;
    it.hear(rev(at(10), at(20)));
    const { era } = it.state;
    it.hear({ type: "resync", reason: "ahead" });
    it.wake();
    it.load(at(9));
    it.send({ type: "applied", era, to: at(20) });
    assert.deepEqual(it.state.position, at(9));
  });

  test("asks for a snapshot where the stream would go on from elsewhere, or under another feed key", () => {
    for (const changes of [{ position: at(9) }, { position: at(11) }, { feedKey: new Uint8Array(32) }]) {
      const it = world();
      it.send({ type: "started", copy: null });
      it.load(at(10));
      it.welcome(changes.position ?? at(10), changes.feedKey === undefined ? {} : { feedKey: changes.feedKey });
      assert.deepEqual(kinds(it.wake()), ["load"]);
    }
  });
});

function signed(position: Position, changes: Partial<Found & { is: "signed" }> = {}): Found {
  return { is: "signed", position, since: at(0), entries: "same", age: 0, ...changes };
}

describe("a checkpoint", () => {
  test("that is not the issuer's ends the lease and the connection, and whoever sent it is believed no more", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    const actions = it.send({ type: "checkpoint", link: it.link, checkpoint: "signed", found: { is: "forged" } });
    assert.deepEqual(kinds(actions), ["disconnect", "distrust"]);
    assert.equal(it.trusted, false);
  });

  test("ahead of the stream tells that entries were kept back: the lease ends and a snapshot is loaded", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    const actions = it.send({ type: "checkpoint", link: it.link, checkpoint: "signed", found: signed(at(11)) });
    assert.deepEqual(kinds(actions), ["disconnect", "distrust"]);
    assert.equal(it.trusted, false);
    assert.deepEqual(kinds(it.wake()), ["load"]);
  });

  test("over other entries than those that came ends the lease, says why, and a snapshot is loaded", () => {
    for (const vouched of [false, true]) {
      const it = world({ vouched }).following();
      it.hear(it.hb(at(10)));
      assert.equal(it.trusted, true);
      const actions = it.send({
        type: "checkpoint",
        link: it.link,
        checkpoint: "signed",
        found: signed(at(10), { entries: "other" }),
      });
      assert.deepEqual(kinds(actions), ["disconnect", "distrust"]);
      assert.equal(it.trusted, false);
      assert.match(it.state.trouble ?? "", /lost or changed between the issuer and here/);
      assert.deepEqual(kinds(it.wake()), ["load"]);
    }
  });

  test("that agrees, at the position or behind it, changes nothing but what is verified", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    for (const seq of [10, 4]) {
      assert.deepEqual(
        it.send({ type: "checkpoint", link: it.link, checkpoint: "signed", found: signed(at(seq)) }),
        [],
      );
    }
    assert.equal(it.trusted, true);
    it.hear(rev(at(10), at(12)));
    it.send({ type: "checkpoint", link: it.link, checkpoint: "signed", found: signed(at(11)) });
    assert.deepEqual(it.state.verified, at(11));
  });
});

describe("the signed position that lies furthest", () => {
  const tell = (it: ReturnType<typeof world>, position: Position) =>
    it.send({ type: "checkpoint", link: it.link, found: signed(position), checkpoint: signedText(position) });

  /** What the follower shows when it connects. */
  function shown(actions: readonly FollowerAction[]): string | null | undefined {
    for (const action of actions) {
      if (action.do === "connect") return action.greeting.checkpoint;
      if (action.do === "poll") return action.checkpoint;
    }
    return assert.fail("did not connect");
  }

  test("is shown with every hello, also when the log has lost its end", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    it.hear(rev(at(10), at(14)));
    tell(it, at(14));
    tell(it, at(12));
    it.send({ type: "lost", link: it.link, reason: "gone" });
    assert.equal(shown(it.wake()), signedText(at(14)));
    // An older file was put in the place of the database: the snapshot lies behind, and so does what is followed.
    it.hear({ type: "resync", reason: "ahead" });
    it.wake();
    assert.equal(shown(it.load(at(11))), signedText(at(14)));
    it.welcome(at(11));
    assert.deepEqual(it.state.proof, { position: at(14), checkpoint: signedText(at(14)) });
    // A new epoch is further than any position of the one before.
    it.hear({ type: "resync", reason: "epoch" });
    it.wake();
    assert.equal(shown(it.load(at(1, EPOCH + 60))), signedText(at(1, EPOCH + 60)));
  });

  test("goes with a poll only where it lies further than what is asked from", () => {
    const it = world({ streams: false });
    it.send({ type: "started", copy: null });
    assert.equal(shown(it.load(at(10))), null);
    it.send({ type: "polled", link: it.link, frames: [{ type: "resync", reason: "ahead" }] });
    it.wake();
    assert.equal(shown(it.load(at(7))), signedText(at(10)));
  });
});

describe("a copy that somebody between the issuer and here feeds", () => {
  test("is trusted while the issuer's signature vouches for it, and for fifteen seconds from when that was made", () => {
    const it = world({ vouched: true }).following();
    it.hear(it.hb(at(10)));
    assert.equal(it.trusted, true);
    for (let second = 0; second < 15; second += 1) {
      assert.equal(it.trusted, true, `${second}`);
      it.pass(1_000);
      it.send({ type: "woken" });
      it.hear(it.hb(at(10)));
    }
    assert.equal(it.trusted, false);
    it.send({ type: "checkpoint", link: it.link, checkpoint: "signed", found: signed(at(10), { age: 14_000 }) });
    assert.equal(it.trusted, true);
    it.pass(1_000);
    it.send({ type: "woken" });
    it.hear(it.hb(at(10)));
    assert.equal(it.trusted, false);
  });

  test("gets no trust from an old snapshot, from one whose age nobody knows, or from a checkpoint without a lease", () => {
    for (const age of [15_000, Number.POSITIVE_INFINITY]) {
      const it = world({ vouched: true });
      it.send({ type: "started", copy: null });
      assert.ok(it.state.phase.is === "loading");
      const copy = { position: at(10), feedKey: KEY, leaseMs: N, age, checkpoint: "signed" };
      it.send({ type: "loaded", attempt: it.state.phase.attempt, copy });
      it.welcome(at(10));
      it.hear(it.hb(at(10)));
      assert.equal(it.trusted, false);
      it.send({ type: "checkpoint", link: it.link, checkpoint: "signed", found: signed(at(10), { age: 500 }) });
      assert.equal(it.trusted, true);
      it.pass(N);
      assert.equal(it.trusted, false);
    }
  });

  test("loads a snapshot where a checkpoint does not reach back to what is verified: what lies between may be missing", () => {
    const it = world({ vouched: true }).following();
    it.hear(rev(at(10), at(30)));
    it.hear(it.hb(at(30)));
    it.send({ type: "checkpoint", link: it.link, checkpoint: "signed", found: signed(at(29), { since: at(11) }) });
    assert.equal(it.trusted, false);
    assert.deepEqual(kinds(it.wake()), ["load"]);
    const direct = world().following();
    direct.hear(rev(at(10), at(30)));
    direct.hear(direct.hb(at(30)));
    direct.send({
      type: "checkpoint",
      link: direct.link,
      checkpoint: "signed",
      found: signed(at(29), { since: at(11) }),
    });
    assert.equal(direct.trusted, true);
    assert.deepEqual(direct.state.verified, at(29));
  });

  test("learns nothing from a checkpoint over entries that are not held any more", () => {
    const it = world({ vouched: true }).following();
    it.hear(it.hb(at(10)));
    it.pass(14_999);
    it.send({ type: "checkpoint", link: it.link, checkpoint: "signed", found: signed(at(10), { entries: "gone" }) });
    it.pass(1);
    it.send({ type: "woken" });
    assert.equal(it.trusted, false);
  });
});

describe("a relay's end of the feed", () => {
  const relay = { relay: "rly_1" };

  test("acknowledges nothing by itself; it does when those behind it are safe, and says for whom", () => {
    const it = world(relay).following();
    assert.deepEqual(kinds(it.hear(rev(at(10), at(12)))), ["apply"]);
    const behind = { verifiers: 3, silent: 1, unbound: ["ins_7"] };
    const [ack] = it.send({ type: "cleared", position: at(12), behind });
    assert.deepEqual(ack, { do: "send", link: it.link, frame: { type: "ack", position: at(12), behind } });
    it.send({ type: "lost", link: it.link, reason: "" });
    assert.deepEqual(it.send({ type: "cleared", position: at(12), behind }), []);
  });

  test("pings more often, because what it gives is what is left of its own lease", () => {
    const it = world(relay).following();
    it.hear(it.hb(at(10)));
    const before = it.clock.mono;
    assert.deepEqual(kinds(it.wake()), ["ping"]);
    assert.equal(it.clock.mono - before, 250);
  });

  test("knows itself when it meets itself, and stays away for long", () => {
    const it = world(relay);
    it.send({ type: "started", copy: null });
    it.load(at(10));
    const welcome = { type: "welcome", instance: "ins_1", leaseMs: N, position: at(10), feedKey: KEY } as const;
    it.hear({ ...welcome, serverTime: it.clock.wall, relays: ["rly_2", "rly_1"] });
    assert.match(it.state.trouble ?? "", /circle/);
    assert.ok(it.state.phase.is === "waiting" && it.state.phase.until >= it.clock.mono + 30_000);
  });

  test("closes without saying that no lease is held while those behind it may hold one", () => {
    for (const kept of [true, false]) {
      const it = world(relay).following();
      const link = it.link;
      assert.deepEqual(it.send({ type: "closed", kept }), [{ do: "disconnect", link, released: !kept }]);
    }
  });
});

describe("a lease from a relay", () => {
  test("that is shorter than what is left takes nothing away", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    it.pass(1_000);
    it.send({ type: "woken" });
    it.hear(it.hb(at(10), { leaseMs: 500 }));
    it.pass(N - 1_000 - 1);
    assert.equal(it.trusted, true);
    it.pass(1);
    assert.equal(it.trusted, false);
  });
});

describe("credentials", () => {
  test("that are refused once are shown anew soon, and after that not for long", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    assert.deepEqual(kinds(it.hear({ type: "refused", code: "unauthorized" })), ["disconnect", "renew"]);
    assert.ok(it.state.phase.is === "waiting" && it.state.phase.until <= it.clock.mono + 250);
    it.wake();
    it.hear({ type: "refused", code: "unauthorized" });
    assert.ok(it.state.phase.is === "waiting" && it.state.phase.until >= it.clock.mono + 30_000);
  });

  test("that were got anew are told on the connection that the earlier ones opened", () => {
    const it = world().following();
    const [told] = it.send({ type: "renewed", ticket: "next" });
    assert.deepEqual(told, { do: "send", link: it.link, frame: { type: "ticket", ticket: "next" } });
    it.send({ type: "lost", link: it.link, reason: "" });
    assert.deepEqual(it.send({ type: "renewed", ticket: "another" }), []);
  });
});

describe("the link", () => {
  test("is closed by what cannot be read, and by what comes before its time; the lease then runs out by itself", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    assert.deepEqual(kinds(it.hear(null)), ["disconnect"]);
    assert.equal(it.trusted, true);
    it.wake();
    assert.deepEqual(kinds(it.hear(rev(at(10), at(11)))), ["disconnect"]);
    assert.deepEqual(it.state.position, at(10));
    it.wake();
    it.welcome(at(10));
    assert.deepEqual(kinds(it.welcome(at(10))), ["disconnect"]);
  });

  test("of before says nothing any more", () => {
    const it = world().following();
    const { link } = it;
    const late = it.hb(at(10));
    it.send({ type: "lost", link, reason: "closed" });
    it.wake();
    it.welcome(at(10));
    for (const frame of [late, rev(at(10), at(11)), null]) {
      assert.deepEqual(it.send({ type: "frame", link, frame }), []);
    }
    assert.deepEqual(it.send({ type: "lost", link, reason: "closed" }), []);
    assert.equal(it.trusted, false);
  });

  test("that fell silent is given up while the lease still has time left for another", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    const heard = it.clock.mono;
    while (it.state.phase.is === "following") it.wake();
    assert.ok(it.clock.mono - heard <= 3_000);
    assert.equal(it.trusted, true);
    assert.equal(it.state.phase.is, "waiting");
  });

  test("that is never answered is given up", () => {
    const it = world();
    it.send({ type: "started", copy: null });
    it.load(at(10));
    assert.deepEqual(kinds(it.wake()), ["disconnect"]);
  });

  test("is left at a moment of the verifier's own within the time that a draining node gives", () => {
    const it = world().following();
    it.hear({ type: "drain", afterMs: 400 }, 0.25);
    assert.deepEqual(kinds(it.wake()), ["disconnect", "connect"]);
    assert.equal(it.clock.mono, 1_100);
  });

  test("comes back later and later, drawn anew each time, and at once again after a lease", () => {
    const waits = (chance: number) => {
      const it = world().following();
      return [1, 2, 3, 4, 5, 6, 7, 8].map(() => {
        it.send({ type: "lost", link: it.link, reason: "refused" }, chance);
        const due = (wakeAt(it.state) ?? 0) - it.clock.mono;
        it.wake();
        return due;
      });
    };
    assert.deepEqual(waits(0), [0, 0, 0, 0, 0, 0, 0, 0]);
    assert.deepEqual(waits(0.5), [125, 250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
    const it = world().following();
    it.send({ type: "lost", link: it.link, reason: "refused" });
    it.wake();
    it.welcome(at(10));
    assert.equal(it.state.failures, 1);
    it.hear(it.hb(at(10)));
    assert.equal(it.state.failures, 0);
  });

  test("asks for a name of its own where another came under its name, and waits long where it is not let in", () => {
    const it = world().following();
    it.hear({ type: "refused", code: "superseded" });
    assert.equal(it.state.instance, null);
    it.wake();
    it.hear({ type: "refused", code: "unauthorized" });
    assert.ok((wakeAt(it.state) ?? 0) - it.clock.mono >= 30_000);
  });

  test("does nothing more once the follower is closed, and trusts nothing", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    assert.deepEqual(kinds(it.send({ type: "closed" })), ["disconnect"]);
    assert.equal(it.trusted, false);
    assert.equal(wakeAt(it.state), null);
    assert.deepEqual(it.send({ type: "woken" }), []);
  });
});

describe("a full set", () => {
  test("gives no lease and is not passed over; a snapshot is tried again after a while", () => {
    const it = world().following();
    it.hear(it.hb(at(10)));
    it.applying = false;
    it.hear(rev(at(10), at(20)));
    it.send({ type: "overflowed" });
    assert.deepEqual(it.state.position, at(10));
    it.pass(N);
    assert.equal(it.trusted, false);
    assert.deepEqual(kinds(it.wake()), ["load"]);
  });
});

describe("polling", () => {
  function polling() {
    const it = world({ streams: false });
    it.send({ type: "started", copy: null });
    it.load(at(10));
    return it;
  }
  const welcome = (position: Position): ServerFrame => {
    return { type: "welcome", instance: "ins_9", leaseMs: N, position, feedKey: KEY, serverTime: EPOCH * 1000 };
  };

  test("is what a runtime without WebSocket does: a poll is a ping, and its lease is counted from when it was asked", () => {
    const it = polling();
    assert.deepEqual(kinds(it.log), ["load", "poll"]);
    it.pass(700);
    it.send({ type: "polled", link: it.link, frames: [welcome(at(10)), it.hb(at(10))] });
    it.pass(N - 701);
    assert.equal(it.trusted, true);
    it.pass(1);
    assert.equal(it.trusted, false);
  });

  test("asks every second, and at once behind news, which acknowledges them", () => {
    const it = polling();
    it.send({ type: "polled", link: it.link, frames: [welcome(at(10)), rev(at(10), at(12)), it.hb(at(12))] });
    assert.equal(it.trusted, true);
    const [next] = it.send({ type: "woken" });
    assert.ok(next?.do === "poll");
    assert.deepEqual(next.after, at(12));
    assert.equal(next.instance, "ins_9");
    it.send({ type: "polled", link: it.link, frames: [welcome(at(12)), it.hb(at(12))] });
    assert.equal((wakeAt(it.state) ?? 0) - it.clock.mono, 1_000);
  });

  test("with an answer that cannot be read, comes too late or starts in the middle is begun anew", () => {
    for (const frames of [null, [rev(at(10), at(11))], [welcome(at(9))]]) {
      const it = polling();
      it.send({ type: "polled", link: it.link, frames });
      assert.equal(it.state.phase.is, "waiting");
      assert.deepEqual(it.state.position, at(10));
    }
    const it = polling();
    const { link } = it;
    it.wake();
    it.wake();
    assert.deepEqual(it.send({ type: "polled", link, frames: [welcome(at(10)), it.hb(at(10))] }), []);
    assert.equal(it.trusted, false);
  });

  /** Loses streams until it polls. */
  function streamless() {
    const it = world();
    it.send({ type: "started", copy: null });
    it.load(at(10));
    for (let attempt = 0; attempt < 3; attempt++) {
      it.send({ type: "lost", link: it.link, reason: "no WebSocket here" });
      it.wake();
    }
    return it;
  }
  /** Answers polls until a stream is tried. @returns how long that took */
  function untilStream(it: ReturnType<typeof world>): number {
    const began = it.clock.mono;
    let connects = 0;
    while (connects === 0) {
      assert.equal(it.state.phase.is, "polling");
      it.send({ type: "polled", link: it.link, frames: [welcome(at(10)), it.hb(at(10))] });
      assert.equal(it.trusted, true);
      connects = it.wake().filter((action) => action.do === "connect").length;
    }
    return it.clock.mono - began;
  }

  test("stands in for a stream that cannot be had, which is tried again later and later, at most every minute", () => {
    const it = streamless();
    for (const spell of [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
      const took = untilStream(it);
      assert.ok(took > spell - 2_000 && took < spell + 2_000, `${took} ms, not ${spell}`);
      it.send({ type: "lost", link: it.link, reason: "no WebSocket here" });
      it.wake();
    }
  });

  test("goes on without a gap in its trust where a stream is swallowed silently", () => {
    const it = streamless();
    for (let spell = 0; spell < 5; spell += 1) {
      untilStream(it);
      const phases = [it.state.phase.is];
      for (let step = 0; step < 2; step += 1) {
        it.wake();
        phases.push(it.state.phase.is);
      }
      assert.deepEqual(phases, ["opening", "waiting", "polling"]);
      assert.equal(it.trusted, true);
    }
  });

  test("is not taken up because the server was away: it comes back to streams within seconds", () => {
    const it = streamless();
    for (let attempt = 0; attempt < 20; attempt++) {
      it.send({ type: "lost", link: it.link, reason: "connection refused" });
      it.wake();
    }
    if (it.state.phase.is === "polling") assert.ok(untilStream(it) < 7_000);
    it.welcome(at(10));
    it.hear(it.hb(at(10)));
    assert.equal(it.trusted, true);
    assert.equal(it.state.pollSpell, 0);
  });
});

describe("whatever happens", () => {
  const seq = fc.integer({ min: 5, max: 20 });
  const frame: fc.Arbitrary<(hb: Heartbeat) => ServerFrame | null> = fc.oneof(
    fc.tuple(seq, seq).map(
      ([from, to]) =>
        () =>
          rev(at(Math.min(from, to)), at(Math.max(from, to) + 1)),
    ),
    {
      weight: 2,
      arbitrary: fc.tuple(seq, fc.nat({ max: 3 })).map(([head, ago]) => (hb: Heartbeat) => ({
        ...hb,
        head: at(head),
        echo: hb.echo - ago,
      })),
    },
    fc.constant(() => null),
    fc
      .constantFrom<ServerFrame>(
        { type: "resync", reason: "x" },
        { type: "drain", afterMs: 50 },
        { type: "refused", code: "x" },
      )
      .map((it) => () => it),
    seq.map((to) => () => ({
      type: "welcome" as const,
      instance: "i",
      leaseMs: N,
      position: at(to),
      feedKey: KEY,
      serverTime: EPOCH * 1000,
    })),
  );
  type Happening =
    | { readonly it: "pass"; readonly ms: number }
    | { readonly it: "wake" | "welcome" | "load" | "next" }
    | { readonly it: "hear"; readonly frame: (hb: Heartbeat) => ServerFrame | null };
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    fc.record({ it: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 3_000 }) }),
    { weight: 3, arbitrary: fc.record({ it: fc.constantFrom("wake", "welcome", "load", "next" as const) }) },
    { weight: 3, arbitrary: fc.record({ it: fc.constant("hear" as const), frame }) },
  );

  test("a live lease was counted from a ping of ours, for a head that is applied, without a gap below it", () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 60 }), (happenings) => {
        const it = world();
        it.send({ type: "started", copy: null });
        /** Every position that is applied, as the set would know it. */
        const known = new Set<number>();
        const sent = new Map<number, number>();
        let told: { head: number; sent: number } | null = null;
        for (const what of happenings) {
          const before = it.log.length;
          const { lease } = it.state;
          if (what.it === "pass") it.pass(what.ms);
          else if (what.it === "wake") it.send({ type: "woken" });
          else if (what.it === "welcome") it.welcome(it.state.position ?? at(5));
          else if (what.it === "load" && it.state.phase.is === "loading") {
            for (let each = 1; each <= 8; each++) known.add(each);
            it.load(at(8));
          } else if (what.it === "next" && it.state.received !== null) {
            it.hear(rev(it.state.received, at(it.state.received.seq + 1)));
          } else if (what.it === "hear") {
            const heard = what.frame(it.hb(at(0)));
            if (heard?.type === "hb") told = { head: heard.head.seq, sent: sent.get(heard.echo) ?? Number.NaN };
            it.hear(heard);
          }
          for (const action of it.log.slice(before)) {
            if (action.do === "send" && action.frame.type === "ping") sent.set(action.frame.n, it.clock.mono);
            if (action.do === "apply") {
              for (let each = action.rev.from.seq + 1; each <= action.rev.to.seq; each++) known.add(each);
            }
            if (action.do === "send" && action.frame.type === "ack") {
              for (let each = 1; each <= action.frame.position.seq; each++) assert.ok(known.has(each));
            }
          }
          const { position } = it.state;
          if (position !== null) for (let each = 1; each <= position.seq; each++) assert.ok(known.has(each), `${each}`);
          if (it.state.lease !== lease && it.state.lease !== null) {
            assert.ok(told !== null && position !== null);
            assert.ok(comparePositions(at(told.head), position) <= 0);
            assert.equal(it.state.lease.sent.mono, told.sent);
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

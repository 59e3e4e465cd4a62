import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Hello } from "@mapae/verifier/revocation";
import fc from "fast-check";
import { asId } from "../prelude/ids.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import {
  BACKLOG_MAX,
  begin,
  type ConnectionAction,
  type ConnectionEvent,
  type ConnectionState,
  FRAMES_PER_SECOND_MAX,
  GREETING_MS,
  RESUME_ENTRIES_MAX,
  resyncReason,
  SILENCE_MS,
  step,
} from "./connection.ts";

const at = (seq: number, epoch = 7): Position => ({ epoch, seq });
const INS = asId("instance", "ins_1");
const HELLO: Hello = {
  type: "hello",
  clientId: "orders",
  clientSecret: "secret",
  after: at(0),
  instance: null,
  acceptMs: 0,
};

/** A machine that remembers what it was told to do. */
class Machine {
  state: ConnectionState = begin(0);
  did: ConnectionAction[] = [];

  give(...events: readonly ConnectionEvent[]): readonly ConnectionAction[] {
    const before = this.did.length;
    for (const event of events) {
      const [state, actions] = step(this.state, event);
      this.state = state;
      this.did.push(...actions);
    }
    return this.did.slice(before);
  }

  static live(after = at(0)): Machine {
    const machine = new Machine();
    machine.give(
      { type: "frame", frame: { ...HELLO, after }, now: 0 },
      { type: "admitted", instance: INS, after, now: 0 },
    );
    return machine;
  }
}

const ping = (n: number, now = 0): ConnectionEvent => ({ type: "frame", frame: { type: "ping", n }, now });
const ack = (position: Position): ConnectionEvent => ({ type: "frame", frame: { type: "ack", position }, now: 0 });
const head = (seq: number): ConnectionEvent => ({ type: "head", head: at(seq), leaseMs: 5_000 });
const news = (seq: number): ConnectionEvent => ({ type: "news", head: at(seq) });
const closedFor = (actions: readonly ConnectionAction[]) =>
  actions.flatMap((action) => (action.do === "close" ? [action.reason] : []));

describe("a connection before its welcome", () => {
  test("asks who it is with the first hello, and sends nothing before it knows", () => {
    const machine = new Machine();
    assert.deepEqual(machine.give({ type: "frame", frame: HELLO, now: 1 }), [{ do: "admit", hello: HELLO }]);
    assert.deepEqual(machine.give(news(3), head(3), { type: "backlog", octets: 9e9 }), []);
    const welcomed = machine.give({ type: "admitted", instance: INS, after: at(2), now: 2 });
    assert.deepEqual(welcomed, [{ do: "welcome", position: at(2) }]);
  });

  test("is cut for anything but one hello: a ping, an acknowledgement, a second hello, noise", () => {
    for (const events of [
      [ping(1)],
      [ack(at(0))],
      [{ type: "frame", frame: null, now: 0 }],
      [
        { type: "frame", frame: HELLO, now: 0 },
        { type: "frame", frame: HELLO, now: 0 },
      ],
    ] as const) {
      const machine = new Machine();
      assert.deepEqual(closedFor(machine.give(...events)), ["bad_frame"]);
      assert.equal(machine.state.phase, "over");
      assert.deepEqual(machine.give({ type: "admitted", instance: INS, after: at(0), now: 0 }), []);
    }
  });

  test("is cut when it says nothing for too long", () => {
    const machine = new Machine();
    assert.deepEqual(machine.give({ type: "tick", now: GREETING_MS }), []);
    assert.deepEqual(closedFor(machine.give({ type: "tick", now: GREETING_MS + 1 })), ["silent"]);
  });

  test("is told why it was declined, and where it may not resume", () => {
    const declined = new Machine();
    declined.give({ type: "frame", frame: HELLO, now: 0 });
    assert.deepEqual(declined.give({ type: "declined", reason: "unauthorized" }), [
      { do: "close", reason: "unauthorized" },
    ]);
    const behind = new Machine();
    behind.give({ type: "frame", frame: HELLO, now: 0 });
    assert.deepEqual(behind.give({ type: "behind", why: "ahead" }), [
      { do: "resync", why: "ahead" },
      { do: "close", reason: "resync" },
    ]);
  });
});

describe("heartbeats", () => {
  test("a ping begins a head read, and its echo goes out only behind every entry up to that head", () => {
    const machine = Machine.live();
    assert.deepEqual(machine.give(ping(1)), [{ do: "read_head" }]);
    assert.deepEqual(machine.give(head(5)), [], "entries up to 5 have not gone out");
    assert.deepEqual(machine.give(news(4)), [{ do: "send_entries", from: at(0), to: at(4) }]);
    assert.deepEqual(machine.give(news(6)), [
      { do: "send_entries", from: at(4), to: at(6) },
      { do: "heartbeat", echo: 1, head: at(6), leaseMs: 5_000 },
    ]);
  });

  test("a ping that comes while a head is being read is answered by the next read, which began after it", () => {
    const machine = Machine.live();
    machine.give(ping(1));
    assert.deepEqual(machine.give(ping(2), ping(3)), []);
    assert.deepEqual(machine.give(head(0)), [
      { do: "heartbeat", echo: 1, head: at(0), leaseMs: 5_000 },
      { do: "read_head" },
    ]);
    assert.deepEqual(machine.give(head(0)), [{ do: "heartbeat", echo: 3, head: at(0), leaseMs: 5_000 }]);
    assert.deepEqual(machine.give(head(9), { type: "no_head" }), [], "nothing was asked");
  });

  test("a replayed or older ping gives no lease anew", () => {
    const machine = Machine.live();
    machine.give(ping(5), head(0));
    assert.deepEqual(machine.give(ping(5), ping(4)), []);
  });

  test("without a certain head there is no heartbeat, until a later ping finds one", () => {
    const machine = Machine.live();
    assert.deepEqual(machine.give(ping(1), { type: "no_head" }), [{ do: "read_head" }]);
    assert.deepEqual(machine.give(ping(2), head(0)), [
      { do: "read_head" },
      { do: "heartbeat", echo: 2, head: at(0), leaseMs: 5_000 },
    ]);
  });

  test("in any order of events: no echo before its ping, no head below one read after it, no gap, nothing after the end", () => {
    const event = fc.oneof(
      fc.nat(30).map((n) => ping(n)),
      fc.nat(3).map((more): ["log", number] => ["log", more]),
      fc.constant<["read"]>(["read"]),
      fc.constant<["fail"]>(["fail"]),
      fc.nat(40).map((seq) => ack(at(seq))),
      fc.constant<ConnectionEvent>({ type: "drain", afterMs: 100 }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const machine = Machine.live();
        let log = 0;
        let pinged = -1;
        const logAt = new Map<number, number>();
        let reading: number | null = null;
        let sent = at(0);
        let over = false;
        for (const each of events) {
          let actions: readonly ConnectionAction[] = [];
          if (!Array.isArray(each)) {
            if (each.type === "frame" && each.frame?.type === "ping" && each.frame.n > pinged) {
              pinged = each.frame.n;
              logAt.set(pinged, log);
            }
            actions = machine.give(each);
          } else if (each[0] === "log") {
            log += each[1];
            actions = machine.give(news(log));
          } else if (each[0] === "fail") {
            reading = null;
            actions = machine.give({ type: "no_head" });
          } else if (reading !== null) {
            const read = reading;
            reading = null;
            actions = machine.give(head(read));
          }
          for (const action of actions) {
            assert.equal(over, false);
            if (action.do === "read_head") {
              assert.equal(reading, null);
              reading = log;
            }
            if (action.do === "send_entries") {
              assert.deepEqual(action.from, sent);
              assert(isBefore(sent, action.to));
              sent = action.to;
            }
            if (action.do === "heartbeat") {
              assert(action.head.seq >= (logAt.get(action.echo) ?? Number.POSITIVE_INFINITY));
              assert.deepEqual(action.head, sent, "a lease is taken behind everything that was sent");
            }
            if (action.do === "leave") over = true;
          }
        }
      }),
    );
  });
});

describe("a live connection", () => {
  test("takes acknowledgements of what was sent, and is cut for one of what was not: forged or early", () => {
    const machine = Machine.live(at(2));
    machine.give(news(4));
    assert.deepEqual(machine.give(ack(at(3))), [{ do: "acked", position: at(3), behind: null }]);
    assert.deepEqual(closedFor(machine.give(ack(at(5)))), ["bad_frame"]);
    const other = Machine.live(at(2));
    assert.deepEqual(closedFor(other.give(ack(at(1, 8)))), ["bad_frame"], "of another epoch");
  });

  test("is asked for an acknowledgement that somebody waits for, behind its entries, and once", () => {
    const ask = (seq: number): ConnectionEvent => ({ type: "ask", position: at(seq) });
    const machine = Machine.live(at(2));
    assert.deepEqual(machine.give(ask(2)), [], "it said that when it came");
    assert.deepEqual(machine.give(ask(4)), [], "not before what it asks about");
    machine.give(news(4));
    assert.deepEqual(machine.give(ask(3), ask(3)), [{ do: "ask", position: at(3) }]);
    assert.deepEqual(machine.give(ask(4)), [{ do: "ask", position: at(4) }]);
    machine.give(news(5), ack(at(5)), ack(at(3)));
    assert.deepEqual(machine.give(ask(5)), []);
  });

  test("is cut above what may wait for it, after a long silence, and for a flood of frames; it stays counted", () => {
    const slow = Machine.live().give({ type: "backlog", octets: BACKLOG_MAX + 1 });
    const silent = Machine.live().give({ type: "tick", now: SILENCE_MS + 1 });
    const flood = Machine.live().give(...Array.from({ length: FRAMES_PER_SECOND_MAX + 1 }, (_, n) => ping(n)));
    assert.deepEqual([slow, silent, flood].map(closedFor), [["slow"], ["silent"], ["bad_frame"]]);
    for (const actions of [slow, silent, flood])
      assert.deepEqual(actions.at(-1), { do: "leave", instance: INS, how: "lost" });
  });

  test("any frame is a sign of life, and a second's frames are forgotten in the next", () => {
    const machine = Machine.live();
    for (let second = 0; second < 3; second += 1) {
      for (let n = 0; n < FRAMES_PER_SECOND_MAX; n += 1) machine.give(ping(n, second * 1000));
    }
    assert.equal(machine.state.phase, "live");
    machine.give(ping(9999, SILENCE_MS), { type: "tick", now: 2 * SILENCE_MS });
    assert.equal(machine.state.phase, "live");
  });

  test("one that went away is counted on, unless it said that it holds no lease", () => {
    assert.deepEqual(Machine.live().give({ type: "gone", released: false }), [
      { do: "leave", instance: INS, how: "lost" },
    ]);
    assert.deepEqual(Machine.live().give({ type: "gone", released: true }), [
      { do: "leave", instance: INS, how: "released" },
    ]);
  });
});

test("where one may resume from: this epoch, not ahead of the head, not too far behind", () => {
  assert.equal(resyncReason(at(5), at(9), 4), null);
  assert.equal(resyncReason(at(9), at(9), 0), null);
  assert.equal(resyncReason(at(10), at(9), 0), "ahead");
  assert.equal(resyncReason(at(1, 8), at(9, 7), 0), "ahead");
  assert.equal(resyncReason(at(0, 0), at(9), 9), "epoch");
  assert.equal(resyncReason(at(0), at(1e6), RESUME_ENTRIES_MAX + 1), "too_old");
});

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { newId } from "../prelude/ids.ts";
import { systemWorld } from "../prelude/world.ts";
import {
  beginReceiver,
  isSilent,
  noteOf,
  type Receiver,
  type ReceiverNote,
  VERIFICATION_PATIENCE_MS,
  VERIFY_EVERY_MS,
} from "./receiver.ts";

const MADE = 1_800_000_000_000;
const fresh: Receiver = beginReceiver(
  {
    id: newId("receiver", systemWorld.random),
    issuer: "https://idp.example",
    facts: {
      jwksUri: "https://idp.example/jwks",
      configurationEndpoint: null,
      verificationEndpoint: null,
      criticalMembers: [],
    },
    stream: { id: "s", audience: ["a"], pollUrl: null, made: true },
    credential: null,
    pushHash: null,
    domains: [],
    disables: false,
  },
  MADE,
);
const asked = { note: "asked", stateHash: Buffer.alloc(32) } as const;

test("a provider is silent when what was asked for does not come, and stays so however often it is asked", () => {
  assert.equal(isSilent(fresh, MADE + 10 * VERIFY_EVERY_MS), false, "nobody asked");
  let at = MADE + VERIFY_EVERY_MS;
  let receiver = noteOf(fresh, asked, at);
  assert.equal(isSilent(receiver, at + VERIFICATION_PATIENCE_MS), false);
  assert.equal(isSilent(receiver, at + VERIFICATION_PATIENCE_MS + 1), true);
  at += VERIFY_EVERY_MS;
  receiver = noteOf(receiver, asked, at);
  assert.equal(isSilent(receiver, at + 1), true, "asking again is no sign of life");
  receiver = noteOf(receiver, { note: "verified" }, at + 2);
  assert.equal(isSilent(receiver, at + VERIFY_EVERY_MS), false);
  receiver = noteOf(receiver, asked, at + VERIFY_EVERY_MS);
  assert.equal(isSilent(receiver, at + VERIFY_EVERY_MS + 1), false);
});

test("whatever is noted, what the provider is and may do changes by its own notes alone", () => {
  const note = fc.oneof(
    fc.constant<ReceiverNote>({ note: "heard" }),
    fc.constant<ReceiverNote>({ note: "verified" }),
    fc.constant<ReceiverNote>(asked),
    fc.record({
      note: fc.constant("failed" as const),
      failure: fc.string(),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({ note: fc.constant("rejected" as const), failure: fc.string() }),
    fc.record({ note: fc.constant("status" as const), status: fc.string() }),
  );
  const fixed = ({ id, issuer, facts, stream, domains, disables, state, events, unmatched }: Receiver) => {
    return { id, issuer, facts, stream, domains, disables, state, events, unmatched };
  };
  fc.assert(
    fc.property(fc.array(note), (notes) => {
      const last = notes.reduce((receiver, each, index) => noteOf(receiver, each, MADE + index), fresh);
      assert.deepEqual(fixed(last), fixed(fresh));
      assert.equal(last.rejected, notes.filter((each) => each.note === "rejected").length);
      const wellAt = notes.findLastIndex((each) => each.note === "heard" || each.note === "verified");
      assert.equal(last.failures, notes.slice(wellAt + 1).filter((each) => each.note === "failed").length);
    }),
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../prelude/ids.ts";
import { Leases } from "./leases.ts";
import type { FeedStore } from "./store.ts";

const NOTHING: FeedStore = {
  leaseMs: async () => null,
  setLeaseMs: async () => {},
  unbound: async () => [],
  addUnbound: async () => {},
  removeUnbound: async () => {},
};

async function open(): Promise<Leases> {
  return Leases.open({
    store: NOTHING,
    clock: { now: () => 0, monotonic: () => 0 },
    alarm: () => () => {},
    leaseMs: 5_000,
    nodes: null,
    failed: () => {},
  });
}

test("who may accept without a lease and has acknowledged is not named in the answer that this very acknowledgement settles", async () => {
  const leases = await open();
  const relay = asId("instance", "ins_relay");
  const ticket = asId("instance", "tkt_stubborn");
  const before = { epoch: 1, seq: 1 };
  const revoked = { epoch: 1, seq: 2 };
  await leases.announce(null, { id: ticket, client: asId("client", "stubborn"), acceptMs: 60_000 }, 600_000);
  await leases.register({ id: relay, client: asId("client", "relay"), acceptMs: 0 }, before);
  leases.grant(relay, 5_000);
  const waiting = leases.wait(revoked, null);
  assert.deepEqual(
    waiting.look().unbound.map(({ instance }) => instance),
    [ticket],
  );
  leases.acked(relay, revoked, { verifiers: 1, silent: 0, unbound: [ticket] });
  const { confirmed, by, acknowledged, unbound } = await waiting.settled;
  assert.deepEqual(
    { confirmed, by, acknowledged, unbound },
    { confirmed: true, by: "acknowledgements", acknowledged: 1, unbound: [] },
  );
});

test("who is given a ticket while a confirmation is awaited is named: a relay may give a lease that is older than the revocation", async () => {
  const leases = await open();
  const relay = asId("instance", "ins_relay");
  await leases.register({ id: relay, client: asId("client", "relay"), acceptMs: 0 }, { epoch: 1, seq: 1 });
  leases.grant(relay, 5_000);
  const revoked = { epoch: 1, seq: 2 };
  const waiting = leases.wait(revoked, null);
  const late = { id: asId("instance", "tkt_late"), client: asId("client", "stubborn"), acceptMs: 60_000 };
  await leases.announce(null, late, 600_000);
  leases.acked(relay, revoked, { verifiers: 0, silent: 0, unbound: [] });
  const { confirmed, unbound } = await waiting.settled;
  assert.equal(confirmed, true);
  assert.deepEqual(
    unbound.map(({ instance }) => instance),
    [late.id],
  );
});

/**
 * Faults planted on purpose: each is one change to the product, or to what the simulation stands in for, as somebody might
 * have written it. The simulation is loaded once more with that change (mutants.ts), and must find it. What each would let
 * through, which seed found it first and what the oracle said stands in docs/decisions/0060-simulation.md.
 */
export interface Fault {
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly line: string;
  readonly instead: string;
}

const FOLLOWER = "packages/verifier/src/revocation/follower.ts";
const HUB = "packages/server/src/feed/hub.ts";
const LEASES = "packages/server/src/feed/leases.ts";

export const FAULTS: readonly Fault[] = [
  {
    name: "lease counted from receipt",
    file: FOLLOWER,
    line: "const lease: Lease = { sent: ping.sent, ms,",
    instead: "const lease: Lease = { sent: now, ms,",
  },
  {
    name: "cursor from a serial",
    file: "test/simulation/stage.ts",
    line: "serialCursor: 0 }",
    instead: "serialCursor: 60 }",
  },
  {
    name: "acknowledgement before application",
    file: "packages/verifier/src/revocation/feed.ts",
    line: "const whole = copy.add(rev.octets, REV_HEADER_BYTES, rev.count);",
    instead: "const whole = true; world.after(50, () => copy.add(rev.octets, REV_HEADER_BYTES, rev.count));",
  },
  {
    name: "echo before the head was read",
    file: "packages/server/src/feed/connection.ts",
    line: "return frame.n > state.pinged ? readAgain({ ...next, pinged: frame.n }) : [next, []];",
    instead:
      'return [{ ...next, pinged: frame.n }, [{ do: "heartbeat", echo: frame.n, head: next.sent, leaseMs: 60_000 }]];',
  },
  {
    name: "un-revoking on epoch change",
    file: "packages/verifier/src/revocation/copy.ts",
    line: "if (newest !== undefined && sameKey(newest.feedKey, feedKey)) return newest.set.reserve(expected);",
    instead: "generations = [];",
  },
  {
    name: "rsq sampled after the state check",
    file: "test/simulation/people.ts",
    line: "standing: outcome.standing };",
    instead: "standing: { ...outcome.standing, position: await storage.revocation.readHead() } };",
  },
  {
    name: "registry lost in a restart",
    file: LEASES,
    line: "const endsAt = stored === null ? Number.NEGATIVE_INFINITY : clock.monotonic() + outlast(stored);",
    instead: "const endsAt = Number.NEGATIVE_INFINITY;",
  },
  {
    name: "key entry compacted",
    file: "packages/server/src/revocation/expiry.ts",
    line: 'return entry.expires * 1000 < now && !(entry.kind === "key" && keyKnown);',
    instead: "return entry.expires * 1000 < now;",
  },
  {
    name: "registry ignores who has disconnected",
    file: "packages/server/src/feed/registry.ts",
    line: "if (known !== undefined) known.connected = false;",
    instead: "this.#known.delete(id);",
  },
  {
    name: "confirmation waits N by its own clock",
    file: "packages/server/src/feed/lease.ts",
    line: "return Math.ceil((ms * (1 + CLOCK_DRIFT)) / (1 - CLOCK_DRIFT));",
    instead: "return ms;",
  },
  {
    name: "head read from a cache",
    file: "packages/server/src/feed/feed.ts",
    line: "const heads = new HeadReads(() => log.readHead());",
    instead: "const heads = new HeadReads(async () => log.head());",
  },
  {
    name: "head read shared with one that began before",
    file: "packages/server/src/feed/heads.ts",
    line: "if (this.#underWay === null) return this.#begin();",
    instead: "return this.#underWay ?? this.#begin();",
  },
  {
    name: "lease given ahead of what the node has heard",
    file: HUB,
    line: 'this.#give(connection, { type: "news", head: this.#parts.mirror.head });\n    this.#give(connection, { type: "head", head });',
    instead:
      'this.#give(connection, { type: "head", head });\n    if (this.#callOffFlush === null) this.#give(connection, { type: "news", head: this.#parts.mirror.head });',
  },
  {
    name: "introspection not counted as a lease",
    file: LEASES,
    line: "this.#registry.granted(id, this.#parts.clock.monotonic(), ms);",
    instead: "",
  },
  {
    name: "remembered verdicts not judged again",
    file: "packages/verifier/src/verifier.ts",
    line: "return revocations === null ? keysMark : keysMark + revocations.version;",
    instead: "return keysMark;",
  },
  {
    name: "elapsed time by the monotonic clock alone",
    file: "packages/verifier/src/revocation/lease.ts",
    line: "return Math.max(now.mono - since.mono, now.wall - since.wall);",
    instead: "return now.mono - since.mono;",
  },
  {
    name: "nodes that do not know each other confirm by acknowledgements",
    file: LEASES,
    line: "knowsAllFrom: alone ? endsAt : Number.POSITIVE_INFINITY,",
    instead: "knowsAllFrom: endsAt,",
  },
];

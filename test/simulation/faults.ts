/**
 * Faults planted on purpose: each is one change to the product, or to what the simulation stands in for, as somebody might
 * have written it. The simulation is loaded once more with that change (mutants.ts), and must find it. What each would let
 * through, which seed found it first and what the oracle said stands in docs/decisions/0062-simulation.md.
 */
import type { Plan } from "./plan.ts";

export interface Fault {
  readonly name: string;
  /** The first seed that caught it, counted from 1, when this was written. */
  readonly seed: number;
  /** From the root of the repository. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly line: string;
  readonly instead: string;
  /** Where the troubles that bring it to light are rare together: worlds in which they come often. */
  readonly worlds?: Pick<Plan, "troubles"> & Partial<Plan>;
}

const FOLLOWER = "packages/verifier/src/revocation/follower.ts";
const LEASES = "packages/server/src/feed/leases.ts";

export const FAULTS: readonly Fault[] = [
  {
    name: "lease counted from receipt",
    seed: 4,
    file: FOLLOWER,
    line: "const lease: Lease = { sent: ping.sent, ms,",
    instead: "const lease: Lease = { sent: now, ms,",
  },
  {
    name: "cursor from a serial",
    seed: 3,
    file: "test/simulation/stage.ts",
    line: "serialCursor: 0,",
    instead: "serialCursor: 60,",
  },
  {
    name: "acknowledgement before application",
    seed: 2,
    file: "packages/verifier/src/revocation/feed.ts",
    line: "const whole = copy.add(rev.octets, REV_HEADER_BYTES, rev.count);",
    instead: "const whole = true; world.after(50, () => copy.add(rev.octets, REV_HEADER_BYTES, rev.count));",
  },
  {
    name: "echo before the head was read",
    seed: 11,
    file: "packages/server/src/feed/connection.ts",
    line: "return frame.n > state.pinged ? readAgain({ ...next, pinged: frame.n }) : [next, []];",
    instead:
      'return [{ ...next, pinged: frame.n }, [{ do: "heartbeat", echo: frame.n, head: next.sent, leaseMs: 60_000 }]];',
  },
  {
    name: "un-revoking on epoch change",
    seed: 71,
    file: "packages/verifier/src/revocation/copy.ts",
    line: "if (newest !== undefined && sameKey(newest.feedKey, feedKey)) return newest.set.reserve(expected);",
    instead: "generations = [];",
  },
  {
    name: "relay lease not bounded",
    seed: 3,
    file: "packages/server/src/relay/relay.ts",
    line: "const leaseMs = Math.floor(upstream?.leaseLeft() ?? 0);",
    instead: "const leaseMs = (upstream?.leaseLeft() ?? 0) < 1 ? 0 : source.leaseMs;",
  },
  {
    name: "relay acknowledges before those behind it",
    seed: 40,
    file: "packages/server/src/relay/upward.ts",
    line: "this.#parts.settled(position).then((isConfirmed) => {",
    instead: "Promise.resolve(true).then((isConfirmed) => {",
  },
  {
    name: "relay that leaves says that no lease runs",
    seed: 88,
    file: "packages/verifier/src/revocation/feed.ts",
    line: 'happen({ type: "closed", kept: relay?.isLent() ?? false });',
    instead: 'happen({ type: "closed", kept: false });',
  },
  {
    name: "age behind a relay not told",
    seed: 134,
    file: "packages/server/src/relay/relay.ts",
    line: "ageMs: Math.ceil(upstream?.age() ?? 0) };",
    instead: "ageMs: 0 };",
  },
  {
    name: "tickets given meanwhile not named",
    seed: 381,
    file: "packages/server/src/feed/waiting.ts",
    line: "const since = this.#registry.announced().filter((id) => !question.instances.includes(id));",
    instead: "const since: readonly never[] = [];",
  },
  {
    name: "rsq sampled after the state check",
    seed: 3,
    file: "test/simulation/people.ts",
    line: "standing: outcome.standing };",
    instead: "standing: { ...outcome.standing, position: await storage.revocation.readHead() } };",
  },
  {
    name: "registry lost in a restart",
    seed: 2,
    file: LEASES,
    line: "const endsAt = stored === null ? Number.NEGATIVE_INFINITY : this.#openedAt + outlast(stored);",
    instead: "const endsAt = Number.NEGATIVE_INFINITY;",
  },
  {
    name: "key entry compacted",
    seed: 108,
    file: "packages/server/src/revocation/expiry.ts",
    line: 'return keptUntil * 1000 < now && !(kind === "key" && keyKnown);',
    instead: "return keptUntil * 1000 < now;",
  },
  {
    name: "registry ignores who has disconnected",
    seed: 3,
    file: "packages/server/src/feed/registry.ts",
    line: "if (known !== undefined) known.connected = false;",
    instead: "this.#known.delete(id);",
  },
  {
    name: "confirmation waits N by its own clock",
    seed: 95,
    file: "packages/server/src/feed/lease.ts",
    line: "return Math.ceil((ms * (1 + CLOCK_DRIFT)) / (1 - CLOCK_DRIFT));",
    instead: "return ms;",
  },
  {
    name: "head read from a cache",
    seed: 11,
    file: "packages/server/src/feed/feed.ts",
    line: "const head = await log.readHead();",
    instead: "const head = log.head();",
  },
  {
    name: "introspection not counted as a lease",
    seed: 93,
    file: LEASES,
    line: "this.#registry.granted(id, this.#parts.clock.monotonic(), ms);",
    instead: "",
  },
  {
    name: "remembered verdicts not judged again",
    seed: 1,
    file: "packages/verifier/src/verifier.ts",
    line: "return revocations === null ? keysMark : keysMark + revocations.version;",
    instead: "return keysMark;",
  },
  {
    name: "elapsed time by the monotonic clock alone",
    seed: 35,
    file: "packages/verifier/src/revocation/lease.ts",
    line: "return Math.max(now.mono - since.mono, now.wall - since.wall);",
    instead: "return now.mono - since.mono;",
  },
  {
    name: "nodes that do not know each other confirm by acknowledgements",
    seed: 9,
    file: LEASES,
    line: "else this.#follow = nodes === null ? followNobody : () => ({ look: () => UNKNOWN, stop: () => {} });",
    instead: "else this.#follow = followNobody;",
  },
  {
    name: "nodes do not wait for each other's verifiers",
    seed: 1,
    file: "packages/server/src/feed/others.ts",
    line: "if (node.counts && !isSettled) settled = false;",
    instead: "",
  },
  {
    name: "node answers before its verifiers",
    seed: 38,
    file: "packages/server/src/feed/others.ts",
    line: "const { confirmed, ...tally } = await waiting.settled;",
    instead: "const { confirmed, ...tally } = { ...waiting.look(), confirmed: true };",
  },
  {
    name: "node that was silent for a moment is taken for dead",
    seed: 26,
    file: "packages/server/src/storage/postgres/roll.ts",
    line: "const counts = beat > 0 && now - since < outlast(leaseMs);",
    instead: "const counts = beat > 0 && now - since < 300;",
  },
  {
    name: "node takes its row with it while its leases run",
    seed: 39,
    file: LEASES,
    line: 'if (owes && nodes !== null && nodes !== "unknown") nodes.keep();',
    instead: "",
    worlds: { troubles: { "drain a node": 3_000 } },
  },
  {
    name: "nodes that never said anything are not counted",
    seed: 1,
    file: "packages/server/src/feed/others.ts",
    line: "follower.counted ??= new Set(roll.filter(({ counts }) => counts).map(({ id }) => id));",
    instead: "follower.counted ??= new Set(roll.filter(({ word }) => word !== null).map(({ id }) => id));",
  },
  {
    name: "lowered lease counts at once",
    seed: 12,
    file: LEASES,
    line: "const leaseMs = clock.monotonic() < earlier.endsAt ? Math.max(this.leaseMs, earlier.leaseMs) : this.leaseMs;",
    instead: "const { leaseMs } = this;",
    worlds: { leaseMs: 5_000, troubles: { "change the lease": 6_000 } },
  },
  {
    name: "kept copy gives a lease",
    seed: 4,
    file: FOLLOWER,
    line: "return event.copy === null ? load(state) : connect(adopt(state, event.copy, now), now);",
    instead:
      "return event.copy === null ? load(state) : connect({ ...adopt(state, event.copy, now), lease: { sent: now, ms: event.copy.leaseMs, age: 0, heard: now, behind: 0 } }, now);",
  },
  {
    name: "gap in the stream not noticed",
    seed: 37,
    file: FOLLOWER,
    line: 'if (comparePositions(rev.from, received) > 0) return leave(state, "there is a gap in the stream", now, chance);',
    instead: "",
    worlds: { troubles: { mangle: 2_000 } },
  },
  {
    name: "ended session can be renewed",
    seed: 1,
    file: "packages/server/src/grants/refresh-rule.ts",
    line: 'const ended = grant.ended?.reason ?? endOf(session, now) ?? (now >= grant.idleExpiresAt ? "expired" : null);',
    instead: 'const ended = now >= grant.idleExpiresAt ? "expired" : null;',
  },
  {
    name: "clock that jumped ahead is believed",
    seed: 86,
    file: "packages/server/src/server/maintenance.ts",
    line: "doubtedSince = ahead <= JUMP_MS ? null : (doubtedSince ?? steady);",
    instead: "doubtedSince = null;",
  },
  {
    name: "unbound verifiers forgotten in a restart",
    seed: 31,
    file: LEASES,
    line: "else leases.#registry.recall(instance, leases.#earlier.endsAt);",
    instead: "",
  },
  {
    name: "time alone does not confirm",
    seed: 2,
    file: "packages/server/src/feed/confirm.ts",
    line: 'if (now >= coveredAt) return { ...tally, settled: true, by: "time" };',
    instead: "",
  },
  {
    name: "introspection's answer kept beyond N",
    seed: 23,
    file: "packages/verifier/src/revocation/introspection.ts",
    line: 'if (elapsed(answer.sent, now()) < answer.ms) return "active";',
    instead: 'if (answer.ms > 0) return "active";',
  },
  {
    name: "open connections not told",
    seed: 1,
    file: "packages/verifier/src/revocation/revocations.ts",
    line: "if (hit === null || !watched.delete(token)) return;",
    instead: "return;",
  },
];

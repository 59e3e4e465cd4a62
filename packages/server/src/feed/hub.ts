/**
 * The hub: carries commits of the log to the connections, and does what each connection's state machine asks for.
 *
 *   commit ──► mirror ──► (a few ms together) ──► every live connection: news ──► frames, made once for all
 *   socket ──► decode ──► connection.ts: step ──► actions ──► registry, head reads, socket
 *
 * Commits that come close together travel in one frame: the first after a pause goes at once, further ones wait for the
 * window, which grows with the number of connections because each frame costs as much as there are of them.
 */
import { decodeClientFrame, encodeServerFrame, type Hello, type ServerTextFrame } from "@mapae/verifier/revocation";
import { newId } from "../prelude/ids.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import type { Position, RevocationEntry } from "../revocation/entry.ts";
import {
  begin,
  CLOSINGS,
  type Closing,
  type ConnectionAction,
  type ConnectionEvent,
  type ConnectionState,
  RELEASED_CODE,
  resyncReason,
  step,
} from "./connection.ts";
import type { Frames } from "./frames.ts";
import type { HeadReads } from "./heads.ts";
import type { Leases } from "./leases.ts";
import type { FeedConnection, Link } from "./link.ts";
import type { LogMirror } from "./mirror.ts";
import type { Tail } from "./tail.ts";
import type { FeedTally } from "./tally.ts";
import type { Verifier, Verifiers } from "./verifiers.ts";

export interface HubParts {
  readonly mirror: LogMirror;
  readonly frames: Frames;
  readonly heads: HeadReads;
  readonly leases: Leases;
  readonly verifiers: Verifiers;
  readonly feedKey: Uint8Array;
  /** A recent signed position, where there is one that is not ahead of what was sent. */
  readonly checkpoint: (sent: Position) => string | null;
  readonly tally: FeedTally;
  readonly world: World;
  readonly alarm: SetAlarm;
  readonly maxConnections: number;
  /** Resolves once the mirror holds the log. */
  readonly loaded: () => Promise<void>;
  readonly tail: Tail;
}

/** How often connections are looked after: silence, credentials. */
const TICK_MS = 1_000;
/** The longest that a commit waits for others, and how many connections make up a millisecond of it. */
const WINDOW_MAX_MS = 20;
const CONNECTIONS_PER_MS = 50;

interface Open {
  readonly link: Link;
  state: ConnectionState;
  verifier: Verifier | null;
  /** The last signed position it was given. */
  checkpoint: string | null;
}

export class Hub {
  readonly #parts: HubParts;
  readonly #connections = new Set<Open>();
  #flushedAt = Number.NEGATIVE_INFINITY;
  #callOffFlush: (() => void) | null = null;
  #callOffTick: (() => void) | null = null;
  #leaving = false;

  constructor(parts: HubParts) {
    this.#parts = parts;
  }

  /** Takes a socket that was accepted. Nothing is sent to it before its hello was believed, but a refusal. */
  connect(link: Link): FeedConnection {
    const { world, maxConnections } = this.#parts;
    const connection: Open = { link, state: begin(world.clock.monotonic()), verifier: null, checkpoint: null };
    if (this.#leaving || this.#connections.size >= maxConnections) {
      const reason = this.#leaving ? "leaving" : "too_many_connections";
      this.#close(connection, reason);
      return { received: () => {}, closed: () => {} };
    }
    this.#connections.add(connection);
    this.#keepTicking();
    return {
      received: (data) => {
        const frame = data === null ? null : decodeClientFrame(data);
        this.#give(connection, { type: "frame", frame, now: world.clock.monotonic() });
      },
      closed: (code) => this.#give(connection, { type: "gone", released: code === RELEASED_CODE }),
    };
  }

  get size(): number {
    return this.#connections.size;
  }

  /** The mirror has moved: sends what is new, at once or with what comes within the window. */
  news(entries: readonly RevocationEntry[]): void {
    for (const { kind, value, reason } of entries) {
      // A resource server that is deleted hears nothing more, not even of that.
      if (kind !== "client" || reason !== "client_deleted") continue;
      for (const connection of this.#connections) {
        if (connection.verifier?.client === value) this.#give(connection, { type: "cut", reason: "unauthorized" });
      }
    }
    if (this.#callOffFlush !== null) return;
    const { world, alarm } = this.#parts;
    const window = Math.min(WINDOW_MAX_MS, this.#connections.size / CONNECTIONS_PER_MS);
    const due = this.#flushedAt + window - world.clock.monotonic();
    if (due <= 0) this.#flush();
    else this.#callOffFlush = alarm(Math.ceil(due), () => this.#flush());
  }

  #flush(): void {
    this.#callOffFlush?.();
    this.#callOffFlush = null;
    const { mirror, world } = this.#parts;
    const event = { type: "news", head: mirror.head } as const;
    for (const connection of this.#connections) this.#give(connection, event);
    this.#flushedAt = world.clock.monotonic();
  }

  /** Asks everyone to connect elsewhere within a time, and takes nobody new. */
  drain(afterMs: number): void {
    this.#leaving = true;
    for (const connection of this.#connections) this.#give(connection, { type: "drain", afterMs });
  }

  /** Ends every connection. Their verifiers stay counted. */
  close(): void {
    this.#leaving = true;
    for (const connection of [...this.#connections]) this.#give(connection, { type: "cut", reason: "leaving" });
    this.#callOffFlush?.();
    this.#callOffTick?.();
    this.#callOffFlush = null;
    this.#callOffTick = null;
  }

  #give(connection: Open, event: ConnectionEvent): void {
    const [state, actions] = step(connection.state, event);
    connection.state = state;
    if (state.phase === "over") this.#connections.delete(connection);
    for (const action of actions) this.#perform(connection, action);
  }

  #perform(connection: Open, action: ConnectionAction): void {
    const { leases, mirror, frames, heads, tally } = this.#parts;
    const { state, verifier } = connection;
    switch (action.do) {
      case "admit":
        this.#admit(connection, action.hello);
        return;
      case "welcome": {
        const { feedKey, world } = this.#parts;
        if (state.phase !== "live") return;
        const { instance } = state;
        const [leaseMs, serverTime] = [leases.leaseMs, world.clock.now()];
        this.#send(connection, { type: "welcome", instance, leaseMs, position: action.position, feedKey, serverTime });
        this.#give(connection, { type: "news", head: mirror.head });
        return;
      }
      case "send_entries": {
        if (verifier === null) return;
        for (const frame of frames.revs(action.from, action.to, verifier.audience)) connection.link.send(frame);
        this.#give(connection, { type: "backlog", octets: connection.link.waiting() });
        return;
      }
      case "read_head":
        heads.ask().then(
          (head) => this.#headRead(connection, head),
          () => {
            tally.headsUnknown += 1;
            this.#give(connection, { type: "no_head" });
          },
        );
        return;
      case "heartbeat":
        this.#beat(connection, action.echo, action.head);
        return;
      case "acked":
        if (state.phase === "live") leases.acked(state.instance, action.position);
        return;
      case "resync":
        tally.resyncs += 1;
        this.#send(connection, { type: "resync", reason: action.why });
        return;
      case "drain":
        this.#send(connection, { type: "drain", afterMs: action.afterMs });
        return;
      case "close":
        this.#close(connection, action.reason);
        return;
      case "leave":
        leases.left(action.instance, action.how);
        return;
    }
  }

  #admit(connection: Open, { clientId, clientSecret, after, acceptMs, checkpoint }: Hello): void {
    const { verifiers, mirror, leases, world, heads, tail } = this.#parts;
    const admitted = async (): Promise<ConnectionEvent> => {
      const verifier = await verifiers.authenticate(clientId, clientSecret);
      if (verifier === null) return { type: "declined", reason: "unauthorized" };
      await this.#parts.loaded();
      // What it is compared with must be the log's head and not an earlier one, or it would seem to be ahead of it.
      mirror.advance(await heads.ask());
      const restarted = await tail.hear(verifier.client, after, checkpoint ?? null, mirror.head);
      if (restarted) mirror.advance(await heads.ask());
      const why = resyncReason(after, mirror.head, mirror.countAfter(after));
      if (why !== null) return { type: "behind", why };
      if (connection.state.phase !== "admitting") return { type: "declined", reason: "unavailable" };
      const instance = newId("instance", world.random);
      connection.verifier = verifier;
      // Counted before the first head is read for it. What it may accept without a lease is remembered beyond this process.
      await leases.register({ id: instance, client: verifier.client, acceptMs }, after);
      return { type: "admitted", instance, after, now: world.clock.monotonic() };
    };
    admitted().then(
      (event) => {
        this.#give(connection, event);
        if (event.type === "admitted" && connection.state.phase !== "live") leases.left(event.instance, "lost");
      },
      () => this.#give(connection, { type: "declined", reason: "unavailable" }),
    );
  }

  #headRead(connection: Open, head: Position): void {
    // By now everyone has heard of every entry up to it: where the mirror is behind, the last ones were forgotten.
    this.#parts.mirror.advance(head);
    // Then everything that this node knows, whatever waits for the window: the read may have begun before a commit and end
    // after somebody was told that nobody accepts what it took back. No lease is given without that.
    this.#give(connection, { type: "news", head: this.#parts.mirror.head });
    this.#give(connection, { type: "head", head });
  }

  #beat(connection: Open, echo: number, head: Position): void {
    const { leases, world, checkpoint, tally } = this.#parts;
    const { state } = connection;
    if (state.phase !== "live") return;
    // Whoever is not counted gets no lease.
    if (!leases.grant(state.instance)) {
      this.#give(connection, { type: "cut", reason: "unavailable" });
      return;
    }
    const signed = checkpoint(state.sent);
    const told = signed === null || signed === connection.checkpoint ? {} : { checkpoint: signed };
    connection.checkpoint = signed;
    const [leaseMs, serverTime] = [leases.leaseMs, world.clock.now()];
    this.#send(connection, { type: "hb", echo, head, serverTime, leaseMs, ...told });
    tally.heartbeats += 1;
  }

  #send(connection: Open, frame: ServerTextFrame): void {
    connection.link.send(encodeServerFrame(frame));
  }

  #close(connection: Open, reason: Closing): void {
    const { tally } = this.#parts;
    const { code, says, refused } = CLOSINGS[reason];
    tally.count(tally.closed, reason);
    if (refused !== null) this.#send(connection, { type: "refused", code: refused });
    connection.link.close(code, says);
  }

  #keepTicking(): void {
    this.#callOffTick ??= this.#parts.alarm(TICK_MS, () => {
      this.#callOffTick = null;
      const now = this.#parts.world.clock.monotonic();
      for (const connection of [...this.#connections]) this.#give(connection, { type: "tick", now });
      void this.#checkCredentials();
      if (this.#connections.size > 0) this.#keepTicking();
    });
  }

  /** Cuts whose credentials would not be taken again. Each resource server is asked for once, however many processes it has. */
  async #checkCredentials(): Promise<void> {
    const byVerifier = Map.groupBy(this.#connections, ({ verifier }) =>
      verifier === null ? "" : `${verifier.client} ${verifier.secretHash.toString("hex")}`,
    );
    for (const [, connections] of byVerifier) {
      const verifier = connections[0]?.verifier ?? null;
      if (verifier === null) continue;
      // Where the store does not answer, the head is not known either, and leases end by themselves.
      const stands = await this.#parts.verifiers.stands(verifier).catch(() => true);
      if (stands) continue;
      for (const connection of connections) this.#give(connection, { type: "cut", reason: "unauthorized" });
    }
  }
}

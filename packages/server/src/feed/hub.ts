/**
 * The hub: carries commits of the log to the connections, and does what each connection's state machine asks for.
 *
 *   commit ──► mirror ──► (window.ts: a few ms together) ──► every live connection: news ──► frames, made once for all
 *   socket ──► decode ──► connection.ts: step ──► actions ──► registry, head reads, socket
 */
import { decodeClientFrame, encodeServerFrame, type Hello, type ServerTextFrame } from "@mapae/verifier/revocation";
import type { InstanceId } from "../prelude/ids.ts";
import type { SetAlarm } from "../prelude/world.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import { type AdmissionParts, admit, dismissed, readmit } from "./admission.ts";
import {
  begin,
  CLOSINGS,
  type Closing,
  type ConnectionAction,
  type ConnectionEvent,
  type ConnectionState,
  type Owed,
  RELEASED_CODE,
  step,
} from "./connection.ts";
import type { Frames } from "./frames.ts";
import type { FeedConnection, Link } from "./link.ts";
import type { Head } from "./source.ts";
import type { FeedTally } from "./tally.ts";
import { unboundTicket, type Verifier } from "./verifiers.ts";
import { Window } from "./window.ts";

export interface HubParts extends AdmissionParts {
  readonly frames: Frames;
  readonly tally: FeedTally;
  readonly alarm: SetAlarm;
  readonly maxConnections: number;
}

/** How often connections are looked after: silence, credentials. */
const TICK_MS = 1_000;

interface Open {
  readonly link: Link;
  state: ConnectionState;
  verifier: Verifier | null;
  /** What its owner lets it accept without a lease, in milliseconds. */
  acceptMs: number;
  /** The last signed position it was given. */
  checkpoint: string | null;
}

export class Hub {
  readonly #parts: HubParts;
  readonly #connections = new Set<Open>();
  readonly #window: Window;
  #callOffTick: (() => void) | null = null;
  /** The last position that somebody waits for. */
  #asked: Position | null = null;
  #leaving = false;

  constructor(parts: HubParts) {
    this.#parts = parts;
    this.#window = new Window(parts.world.clock, parts.alarm, () => this.#flush());
  }

  /** Takes a socket that was accepted. Nothing is sent to it before its hello was believed, but a refusal. */
  connect(link: Link): FeedConnection {
    const { world, maxConnections } = this.#parts;
    const state = begin(world.clock.monotonic());
    const connection: Open = { link, state, verifier: null, acceptMs: 0, checkpoint: null };
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

  /**
   * The mirror has moved: sends what is new, at once or with what comes within the window.
   * @param isGone who hears nothing more, not even of that
   */
  news(isGone: (verifier: Verifier) => boolean = () => false): void {
    for (const connection of this.#connections) {
      const { verifier } = connection;
      if (verifier !== null && isGone(verifier)) this.#give(connection, { type: "cut", reason: "unauthorized" });
    }
    this.#window.open(this.#connections.size);
  }

  #flush(): void {
    const event = { type: "news", head: this.#parts.source.mirror.head } as const;
    for (const connection of this.#connections) {
      this.#give(connection, event);
      if (this.#asked !== null) this.#give(connection, { type: "ask", position: this.#asked });
    }
  }

  /**
   * Somebody waits until everyone has applied a position: each who has not said so is sent what it lacks, whatever waits for
   * the window, and asked to say it at once.
   */
  ask(position: Position): void {
    if (this.#asked === null || isBefore(this.#asked, position)) this.#asked = position;
    this.#window.flush();
  }

  /** Another log is told from here on: everyone loads a snapshot. */
  turned(why: string): void {
    this.#parts.frames.clear();
    for (const connection of [...this.#connections]) this.#give(connection, { type: "turned", why });
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
    this.#window.close();
    this.#callOffTick?.();
    this.#callOffTick = null;
  }

  #give(connection: Open, event: ConnectionEvent): void {
    const [state, actions] = step(connection.state, event);
    connection.state = state;
    if (state.phase === "over") this.#connections.delete(connection);
    for (const action of actions) this.#perform(connection, action);
  }

  #perform(connection: Open, action: ConnectionAction): void {
    const { leases, source, frames, tally } = this.#parts;
    const { state, verifier } = connection;
    switch (action.do) {
      case "admit":
        this.#admit(connection, action.hello);
        return;
      case "welcome": {
        if (state.phase !== "live") return;
        this.#send(connection, this.#welcome(state.instance, action.position));
        this.#give(connection, { type: "news", head: source.mirror.head });
        if (this.#asked !== null) this.#give(connection, { type: "ask", position: this.#asked });
        return;
      }
      case "send_entries": {
        if (verifier === null) return;
        for (const frame of frames.revs(action.from, action.to, verifier.audience)) connection.link.send(frame);
        this.#give(connection, { type: "backlog", octets: connection.link.waiting() });
        return;
      }
      case "read_head":
        source.head().then(
          (head) => this.#headRead(connection, head),
          () => {
            tally.headsUnknown += 1;
            this.#give(connection, { type: "no_head" });
          },
        );
        return;
      case "ask":
        this.#send(connection, { type: "ask", position: action.position });
        return;
      case "heartbeat":
        this.#beat(connection, action);
        return;
      case "acked":
        if (state.phase === "live") leases.acked(state.instance, action.position, action.behind);
        return;
      case "renew":
        void this.#renew(connection, action.ticket);
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

  #welcome(instance: InstanceId, position: Position): ServerTextFrame {
    const { source, world } = this.#parts;
    const { feedKey, leaseMs, relays } = source;
    const told = { instance, leaseMs, position, feedKey, serverTime: world.clock.now() };
    return { type: "welcome", ...told, ...(relays.length === 0 ? {} : { relays }) };
  }

  #admit(connection: Open, hello: Hello): void {
    admit(this.#parts, hello, () => connection.state.phase === "admitting").then(
      ([event, verifier]) => {
        connection.verifier = verifier;
        connection.acceptMs = hello.acceptMs;
        this.#give(connection, event);
        if (event.type === "admitted" && connection.state.phase !== "live") {
          this.#parts.leases.left(event.instance, "lost");
        }
      },
      () => this.#give(connection, { type: "declined", reason: "unavailable" }),
    );
  }

  async #renew(connection: Open, ticket: string): Promise<void> {
    const { acceptMs, verifier: earlier } = connection;
    if (earlier === null) return;
    const verifier = await readmit(this.#parts, earlier, ticket, acceptMs);
    const { state } = connection;
    if (state.phase !== "live") return;
    if (verifier === null) {
      this.#give(connection, { type: "cut", reason: "unauthorized" });
      return;
    }
    connection.verifier = verifier;
    this.#parts.leases.renamed(state.instance, unboundTicket(verifier, acceptMs).ticket);
  }

  #headRead(connection: Open, { position: head, ...given }: Head): void {
    const { mirror } = this.#parts.source;
    // By now everyone has heard of every entry up to it: where the mirror is behind, the last ones were forgotten.
    mirror.advance(head);
    // Then everything that this node knows, whatever waits for the window: the read may have begun before a commit and end
    // after somebody was told that nobody accepts what it took back. No lease is given without that.
    this.#give(connection, { type: "news", head: mirror.head });
    this.#give(connection, { type: "head", head, ...given });
  }

  #beat(connection: Open, { echo, head, leaseMs: most, ageMs }: Owed): void {
    const { leases, world, source, tally } = this.#parts;
    const { state, verifier } = connection;
    if (state.phase !== "live" || verifier === null) return;
    // Whoever is not counted gets no lease.
    const leaseMs = leases.grant(state.instance, most);
    if (leaseMs === null) {
      this.#give(connection, { type: "cut", reason: "unavailable" });
      return;
    }
    const signed = source.checkpoint(state.sent, verifier.audience);
    const told = signed === null || signed === connection.checkpoint ? {} : { checkpoint: signed };
    connection.checkpoint = signed;
    const aged = ageMs === undefined ? {} : { ageMs };
    this.#send(connection, { type: "hb", echo, head, serverTime: world.clock.now(), leaseMs, ...aged, ...told });
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
      void this.checkCredentials();
      if (this.#connections.size > 0) this.#keepTicking();
    });
  }

  /** Cuts whose credentials would not be taken again. */
  async checkCredentials(): Promise<void> {
    for (const connection of await dismissed(this.#parts.verifiers, this.#connections)) {
      this.#give(connection, { type: "cut", reason: "unauthorized" });
    }
  }
}

/**
 * Streams over the network, as TCP and WebSocket carry them: in order, each message once or not at all, and over for one
 * side while the other still believes in it. requests.ts has the other kind of traffic.
 *
 * What a reader does not read stays: first in its own machine's buffer, then with the sender, who sees it as `backlog`.
 * On a narrow path each octet of it counts for many, as a run has too few revocations to fill a real buffer.
 */
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";

export type Message = string | Uint8Array<ArrayBuffer>;

export interface StreamEvents {
  opened(): void;
  message(data: Message): void;
  /** @param code of the other side's close; 1006 where the link broke (RFC 6455 §7.4.1) */
  closed(code: number): void;
}

/** Link broken, nobody said why. */
export const BROKEN = 1006;
/** What a machine takes in before its process reads, in octets: a socket's buffer. */
const WINDOW = 64 * 1024;
/** For how many an octet counts that waits for a narrow path. */
const NARROW_WEIGHT = 1_000;
/** How long TCP goes on trying in the dark before it gives up, in milliseconds. */
const GIVES_UP = 60_000;

interface Parcel {
  readonly sentAt: number;
  readonly arrivesAt: number;
  readonly arrive: (peer: StreamEnd) => void;
}

/** One side of a stream. */
export class StreamEnd {
  readonly machine: Machine;
  readonly #network: Network;
  readonly #events: StreamEvents;
  readonly #way: Parcel[] = [];
  readonly #unlisten: (() => void)[] = [];
  #peer: StreamEnd | null = null;
  #state: "opening" | "open" | "closed" = "opening";
  /** Octets that were sent and that the other side has not read. */
  #unread = 0;
  /** A frame that something in between lets the next one overtake. */
  #held: Message | null = null;

  constructor(network: Network, machine: Machine, events: StreamEvents) {
    this.#network = network;
    this.machine = machine;
    this.#events = events;
    this.#unlisten.push(machine.onCrash((silently) => this.#vanish(silently)));
  }

  /** What waits here for the network, in octets. */
  get backlog(): number {
    const peer = this.#peer;
    if (peer !== null && this.#network.narrow(this.machine, peer.machine) > 0) return this.#unread * NARROW_WEIGHT;
    return Math.max(0, this.#unread - WINDOW);
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  send(data: Message): void {
    const peer = this.#peer;
    if (this.#state !== "open" || peer === null) return;
    const held = this.#held;
    this.#held = null;
    switch (this.#network.mangle(this.machine, peer.machine)) {
      case "lost":
        break;
      case "late":
        this.#held = data;
        break;
      case "doubled":
        this.#bring(data);
        this.#bring(data);
        break;
      case "cut":
        this.#bring(data.slice(0, this.#network.below(data.length)));
        break;
      case "flipped":
        this.#bring(flipped(data, this.#network.below(data.length), this.#network.below(7)));
        break;
      case "whole":
        this.#bring(data);
    }
    if (held !== null) this.#bring(held);
  }

  #bring(data: Message): void {
    this.#unread += data.length;
    this.#carry((peer) => {
      // Nobody is there any more: the kernel of that machine says so.
      if (peer.isClosed) {
        if (peer.machine.alive) peer.#carry((us) => us.break(BROKEN));
        return;
      }
      peer.machine.deliver(() => {
        this.#unread -= data.length;
        if (peer.#state === "open") peer.#events.message(data);
      });
    }, data.length);
  }

  /** Ends it from this side. The other side learns of it when the network lets it. */
  close(code: number): void {
    if (this.#state === "closed") return;
    this.#end();
    this.#carry((peer) => peer.break(code));
  }

  /** Ends it for this side, which is told. */
  break(code: number): void {
    if (this.#state === "closed") return;
    this.machine.deliver(() => {
      if (this.#state === "closed") return;
      this.#end();
      this.#events.closed(code);
    });
  }

  /** Both sides know each other from here on. */
  meet(peer: StreamEnd): void {
    this.#peer = peer;
    this.#state = "open";
    this.#unlisten.push(this.#network.onBreak(this.machine, peer.machine, () => this.break(BROKEN)));
  }

  tellOpened(): void {
    if (this.#state === "open") this.#events.opened();
  }

  /** The process is gone. Where its machine still stands, the kernel says so to the other side. */
  #vanish(silently: boolean): void {
    if (this.#state === "closed") return;
    this.#end();
    if (!silently) this.#carry((peer) => peer.break(BROKEN));
  }

  #end(): void {
    this.#state = "closed";
    for (const stop of this.#unlisten) stop();
  }

  /** Brings something to the other side, after everything that was sent before. */
  #carry(arrive: (peer: StreamEnd) => void, octets = 0): void {
    const peer = this.#peer;
    if (peer === null) return;
    const { now } = this.#network.timeline;
    const soonest = now + this.#network.delay(this.machine, peer.machine);
    const takes = octets * this.#network.narrow(this.machine, peer.machine);
    const arrivesAt = Math.max(soonest, this.#way.at(-1)?.arrivesAt ?? 0) + takes;
    this.#way.push({ sentAt: now, arrivesAt, arrive });
    if (this.#way.length === 1) this.#next(peer, arrivesAt);
  }

  #next(peer: StreamEnd, at: number): void {
    const network = this.#network;
    network.timeline.at(at, () => {
      if (!network.isDark(this.machine, peer.machine)) {
        this.#way.shift()?.arrive(peer);
        const [following] = this.#way;
        if (following !== undefined) this.#next(peer, following.arrivesAt);
        return;
      }
      // It is sent again until it is light, or until too long has passed.
      network.whenLit(this.machine, peer.machine, () => {
        const { now } = network.timeline;
        const [first] = this.#way;
        if (first !== undefined && now - first.sentAt > GIVES_UP) {
          this.#way.splice(0);
          this.break(BROKEN);
          return;
        }
        this.#next(peer, now + network.delay(this.machine, peer.machine));
      });
    });
  }
}

/** With one bit of one octet turned. */
function flipped(data: Message, at: number, bit: number): Message {
  if (typeof data === "string") {
    return data.slice(0, at) + String.fromCharCode(data.charCodeAt(at) ^ (1 << bit)) + data.slice(at + 1);
  }
  const turned = data.slice();
  turned[at] = (turned[at] ?? 0) ^ (1 << bit);
  return turned;
}

/** Takes a stream that arrives: answers with what is to happen on it. `null`: nobody listens there. */
export type Acceptor = (end: StreamEnd) => StreamEvents;

/** Opens a stream. Whether it comes about, and when, its events say. */
export function openStream(
  network: Network,
  from: Machine,
  to: Machine,
  acceptor: () => Acceptor | null,
  events: StreamEvents,
): StreamEnd {
  const client = new StreamEnd(network, from, events);
  network.bring(from, to, () => {
    const accept = acceptor();
    if (accept === null || !to.alive || network.refusesStreams(from, to)) {
      network.bring(to, from, () => client.break(BROKEN));
      return;
    }
    to.deliver(() => {
      const held: { events: StreamEvents | null } = { events: null };
      const server = new StreamEnd(network, to, {
        opened: () => held.events?.opened(),
        message: (data) => held.events?.message(data),
        closed: (code) => held.events?.closed(code),
      });
      server.meet(client);
      held.events = accept(server);
      server.tellOpened();
      network.bring(to, from, () => {
        if (client.isClosed || server.isClosed) {
          client.break(BROKEN);
          server.break(BROKEN);
          return;
        }
        client.meet(server);
        from.deliver(() => client.tellOpened());
      });
    });
  });
  return client;
}

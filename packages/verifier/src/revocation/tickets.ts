/**
 * The tickets of a resource server that follows a relay (ticket.ts): got from the issuer with its secret, and got anew
 * when half of their time is over. So a relay never sees the secret, and the issuer's clock is heard at first hand.
 *
 *   get ──► at hand? ──► being got? join ──► POST ──► at hand, until it is refused or its time is over
 *                                             ▲                  │ half of its time
 *                                             └──────────────────┘
 */
import { exchange } from "../exchange.ts";
import { type JsonObject, parseJsonObject } from "../jose/json.ts";
import { TICKET_MAX } from "./frames.ts";
import { elapsed, type Moment } from "./lease.ts";
import { isCount } from "./position.ts";
import { TICKET_PATH } from "./ticket.ts";
import type { FeedWorld } from "./world.ts";

export interface TicketOptions {
  /** Address of the issuer, without a slash at its end. */
  readonly issuerBase: string;
  readonly authorization: string;
  /** How long beyond its lease this verifier may accept, in milliseconds. */
  readonly acceptMs: number;
  /** Told of each ticket that was got. */
  readonly got: (ticket: string) => void;
}

export interface Tickets {
  /** One that can be shown. Rejects with the reason where there is none now. */
  get(): Promise<string>;
  /** The one at hand was refused: the next is a new one. */
  drop(): void;
  /** What the issuer's clock says now at most, in milliseconds since 1970; null before it was heard. */
  issuerTime(): number | null;
  /** That seems not to be so any more, since clocks can be set: it is heard with a new ticket, but not all the time. */
  doubtTime(): void;
  close(): void;
}

interface Held {
  readonly text: string;
  /** Before it was asked for, and what the issuer's clock said after that. */
  readonly asked: Moment;
  readonly serverTime: number;
  readonly lifeMs: number;
}

const TIMEOUT_MS = 5_000;
const ANSWER_MAX = 16 * 1024;
/** Between two attempts at a new one while the old one is still good; and the least age of one that is asked anew for its time. */
const RETRY_MS = 10_000;

export function openTickets(options: TicketOptions, world: FeedWorld): Tickets {
  const { issuerBase, authorization, acceptMs, got } = options;
  const stop = new AbortController();
  let held: Held | null = null;
  let isRefused = false;
  let asking: Promise<string> | null = null;
  /** Under which the issuer counts this process, where it may accept without a lease. */
  let instance: string | null = null;
  let cancelTimer = () => {};

  const now = (): Moment => ({ mono: world.mono(), wall: world.now() });

  async function ask(): Promise<string> {
    const asked = now();
    const known = instance === null ? {} : { instance };
    const body = JSON.stringify({ ...(acceptMs === 0 ? {} : { accept_ms: acceptMs }), ...known });
    const headers = { accept: "application/json", authorization, "content-type": "application/json" };
    const inquiry = { url: issuerBase + TICKET_PATH, body, headers, most: ANSWER_MAX, timeout: TIMEOUT_MS };
    const answer = await exchange(inquiry, world, stop.signal);
    if (!answer.ok) {
      throw new Error(
        answer.status === 401 ? "the issuer refused the credentials" : `the issuer gave no ticket: ${answer.reason}`,
      );
    }
    const read = ticketOf(parseJsonObject(answer.octets) ?? {});
    if (read === null) throw new Error("the issuer gave no ticket that could be read");
    held = { ...read, asked };
    instance = read.instance;
    isRefused = false;
    again(read.lifeMs / 2);
    got(read.text);
    return read.text;
  }

  function again(inMs: number): void {
    cancelTimer();
    if (stop.signal.aborted) return;
    cancelTimer = world.after(inMs, () => {
      single().catch(() => again(RETRY_MS * (0.5 + world.chance())));
    });
  }

  function single(): Promise<string> {
    asking ??= ask().finally(() => {
      asking = null;
    });
    return asking;
  }

  return {
    get() {
      const isGood = held !== null && !isRefused && elapsed(held.asked, now()) < held.lifeMs;
      return isGood && held !== null ? Promise.resolve(held.text) : single();
    },
    drop() {
      isRefused = true;
    },
    issuerTime: () => (held === null ? null : held.serverTime + elapsed(held.asked, now())),
    doubtTime() {
      if (held !== null && world.mono() - held.asked.mono >= RETRY_MS) single().catch(() => undefined);
    },
    close() {
      stop.abort();
      cancelTimer();
    },
  };
}

function ticketOf(answer: JsonObject): (Omit<Held, "asked"> & { readonly instance: string }) | null {
  const { ticket, instance, expires_in: life, server_time: serverTime } = answer;
  if (typeof ticket !== "string" || ticket.length > TICKET_MAX || typeof instance !== "string") return null;
  if (!isCount(life) || life === 0 || !isCount(serverTime)) return null;
  return { text: ticket, instance, lifeMs: life * 1000, serverTime };
}

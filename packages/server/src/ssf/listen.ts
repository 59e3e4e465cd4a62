/**
 * Listens to other providers: polls those that are polled (RFC 8936), and asks every one from time to time for a sign of
 * life (SSF 1.0 §8.1.4), so that silence is known from deafness.
 *
 *   poll, with what is done with ──► events ──► intake ──► committed ──► done with, for the next poll
 *
 * An event is acknowledged after what it did was committed: where this process dies in between, the provider sends it
 * again, and the name says that it was taken.
 */
import { isDeepStrictEqual } from "node:util";
import { SYSTEM } from "../audit/event.ts";
import { startRounds } from "../delivery/rounds.ts";
import type { ReceiverId } from "../prelude/ids.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import type { Vault } from "../vault/vault.ts";
import { openReceiverCredential } from "./credential.ts";
import { type Intake, stateHash } from "./intake.ts";
import { isSilent, type Receiver, VERIFY_EVERY_MS } from "./receiver.ts";
import type { ReceiverStore } from "./receiver-store.ts";
import type { Transmitter } from "./transmitter.ts";

const LOOK_MS = 1_000;
/** So many events are asked for at once. */
const BATCH = 50;
/** A provider that does not let a poll wait is not asked in a circle. */
const EMPTY_MS = 5_000;
/** An answer that came sooner than this was not waited for. */
const SOON_MS = 1_000;
/** So often it is looked up where the provider has what. */
const LOOK_UP_MS = 3_600_000;
/** That a poll was answered is written down this often at the most. */
const HEARD_MS = 60_000;

/** How those stand who are listened to. */
export interface ListenTally {
  readonly active: number;
  /** The last call failed, or no sign of life came. */
  readonly failing: number;
}

export interface Listening {
  /** Something changed. Returns at once. */
  wake(): void;
  tally(): ListenTally;
  stop(): Promise<void>;
}

/** What is said to a provider with the next poll. */
interface Account {
  ack: string[];
  refused: Map<string, { readonly err: string; readonly description: string }>;
}

export interface ListenParts {
  readonly receivers: ReceiverStore;
  readonly transmitter: Transmitter;
  readonly intake: Intake;
  readonly vault: Vault;
  readonly world: World;
  readonly alarm: SetAlarm;
  /** It cannot be listened to: told when that begins. */
  readonly onLost: (receiver: Receiver, failure: string) => void;
  /** It is heard again. */
  readonly onBack: (receiver: Receiver) => void;
  readonly fault: (error: unknown) => void;
  /** Whether it is this process that listens, of those that serve the same data. */
  readonly mine: () => boolean;
}

/** Asks for a verification event; `null`, or why not. */
export type Verify = (receiver: Receiver, signal?: AbortSignal) => Promise<string | null>;

export function createVerify({
  receivers,
  transmitter,
  vault,
  world,
}: Pick<ListenParts, "receivers" | "transmitter" | "vault" | "world">): Verify {
  return async (receiver, signal) => {
    const { verificationEndpoint } = receiver.facts;
    if (verificationEndpoint === null) return "the provider offers no verification";
    const state = world.random.bytes(24).toString("base64url");
    // Noted first: the event may be here before the answer is.
    await receivers.note(receiver.id, { note: "asked", stateHash: stateHash(state) }, []);
    const shown = openReceiverCredential(receiver.id, receiver.credential, vault);
    const asked = await transmitter.verify(verificationEndpoint, receiver.stream.id, state, shown, signal);
    return asked.ok ? null : asked.why;
  };
}

export function startListening(parts: ListenParts): Listening {
  const { receivers, transmitter, intake, vault, world, alarm, onLost, onBack, fault, mine } = parts;
  const { clock } = world;
  const verify = createVerify(parts);
  const accounts = new Map<ReceiverId, Account>();
  /** Not before this, by the monotonic clock. */
  const resting = new Map<ReceiverId, number>();
  /** When it was looked up where the provider has what, by the same clock. */
  const lookedUp = new Map<ReceiverId, number>();
  let tally: ListenTally = { active: 0, failing: 0 };

  /** Every hour; and where nothing else is asked of a provider that fails, when it is its turn again. */
  const isVerificationDue = ({ facts, stream, failures, asked, verifiedAt, createdAt }: Receiver): boolean =>
    facts.verificationEndpoint !== null &&
    ((failures > 0 && stream.pollUrl === null) ||
      clock.now() - Math.max(createdAt, asked?.at ?? 0, verifiedAt ?? 0) >= VERIFY_EVERY_MS);

  async function due(): Promise<readonly Receiver[]> {
    const active = (await receivers.list()).filter(({ state }) => state === "active");
    const now = clock.now();
    tally = {
      active: active.length,
      failing: active.filter((each) => each.failures > 0 || isSilent(each, now)).length,
    };
    return active;
  }

  /** A provider may move its keys and endpoints (SSF 1.0 §7). While it does not say, they are where they were. */
  async function lookUp(receiver: Receiver, signal: AbortSignal): Promise<Receiver> {
    const { id, issuer, facts } = receiver;
    const at = lookedUp.get(id);
    if (at !== undefined && clock.monotonic() - at < LOOK_UP_MS) return receiver;
    lookedUp.set(id, clock.monotonic());
    const found = await transmitter.discover(issuer, signal);
    if (!found.ok || isDeepStrictEqual(found.value, facts)) return receiver;
    return (await receivers.note(id, { note: "facts", facts: found.value }, [])) ?? receiver;
  }

  async function work(listed: Receiver, signal: AbortSignal): Promise<boolean> {
    const receiver = await lookUp(listed, signal);
    const { pollUrl } = receiver.stream;
    if (isVerificationDue(receiver)) {
      if (isSilent(receiver, clock.now()) && receiver.failures === 0) onLost(receiver, "verification: no answer");
      const why = await verify(receiver, signal);
      if (signal.aborted) return false;
      if (why !== null) await failed(receiver, `verification: ${why}`);
      else if (pollUrl === null && receiver.failures > 0) await heard(receiver);
    }
    const rests = (resting.get(receiver.id) ?? 0) > clock.monotonic();
    return pollUrl === null || rests ? false : poll(receiver, pollUrl, signal);
  }

  const rest = ({ id }: Receiver, ms: number): void => void resting.set(id, clock.monotonic() + ms);

  const heard = async (receiver: Receiver): Promise<void> => {
    if (receiver.failures > 0) onBack(receiver);
    await receivers.note(receiver.id, { note: "heard" }, []);
  };

  const failed = async (receiver: Receiver, failure: string): Promise<void> => {
    const { id, failures } = receiver;
    if (failures === 0) onLost(receiver, failure);
    const jitter = world.random.bytes(4).readUInt32BE() / 2 ** 32;
    await receivers.note(id, { note: "failed", failure, jitter }, []);
  };

  async function poll(receiver: Receiver, url: string, signal: AbortSignal): Promise<boolean> {
    const account = accounts.get(receiver.id) ?? { ack: [], refused: new Map() };
    const began = clock.monotonic();
    const shown = openReceiverCredential(receiver.id, receiver.credential, vault);
    const polled = await transmitter.poll(url, { ...account, most: BATCH }, shown, signal);
    if (polled === null) return false;
    if (!polled.ok) {
      await failed(receiver, `poll: ${polled.why}`);
      return true;
    }
    // It has heard what was done with; what comes now is the next account.
    accounts.delete(receiver.id);
    if (receiver.failures > 0 || clock.now() - (receiver.heardAt ?? 0) > HEARD_MS) await heard(receiver);
    if (await takeAll(receiver, polled.value)) return true;
    // Nothing that was not dealt with before, whatever it says of more: that is worth no second poll at once.
    const soon = clock.monotonic() - began < SOON_MS;
    if (soon) rest(receiver, EMPTY_MS);
    return !soon;
  }

  /**
   * In the provider's order. What cannot be dealt with now is not acknowledged, and comes again.
   * @returns whether any of it was new
   */
  async function takeAll(receiver: Receiver, sets: ReadonlyMap<string, string>): Promise<boolean> {
    let news = false;
    const account: Account = { ack: [], refused: new Map() };
    accounts.set(receiver.id, account);
    for (const [name, text] of sets) {
      const current = await receivers.find(receiver.id);
      if (current === undefined || current.state !== "active") return news;
      const taken = await intake.take(current, text, SYSTEM);
      news ||= !taken.ok || !taken.repeated;
      if (taken.ok) account.ack.push(name);
      else if (taken.error !== null) account.refused.set(name, { err: taken.error, description: taken.description });
      else {
        rest(receiver, taken.retryAfter * 1000);
        break;
      }
    }
    return news;
  }

  const rounds = startRounds({ mine, due, work, collectMs: 0, everyMs: LOOK_MS, clock, alarm, fault });
  return {
    wake: rounds.wake,
    tally: () => (mine() ? tally : { active: 0, failing: 0 }),
    stop: rounds.stop,
  };
}

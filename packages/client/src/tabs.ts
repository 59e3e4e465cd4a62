/**
 * Tabs: how the clients that share one storage save each other work.
 *
 *   lock      one of them refreshes at a time               Web Locks, else turns within this process
 *   channel   "look again", "here is a token", "has anyone a token?"     BroadcastChannel
 *   presence  how many others there are to ask              a Web Lock that everyone holds under a name of its own
 *
 * Nothing here is needed for safety: a lost message, a lock that does not exist or a tab that sleeps costs one more
 * request, which the server answers with the same successor (see refresh.ts). So no wait here is without an end.
 *
 * The channel carries access tokens to scripts of the same origin, which could ask the client for them anyway.
 */
import { inTurn } from "./turns.ts";
import type { Clock } from "./world.ts";

export type TabMessage =
  /** The document has changed: look at it. */
  | { readonly type: "changed" }
  /** Fresh from the server, or the answer to a question (its id). */
  | { readonly type: "token"; readonly audience: string; readonly token: SharedToken; readonly answers: string | null }
  | { readonly type: "ask"; readonly id: string; readonly audience: string; readonly session: string }
  | { readonly type: "none"; readonly id: string };

/** An access token under way to another tab, with its remaining life, and when that was so (wall clock, same machine). */
export interface SharedToken {
  readonly token: string;
  readonly session: string;
  readonly lifetimeMs: number;
  readonly remainingMs: number;
  readonly wall: number;
}

export interface Tabs {
  /** Runs the work while no other tab runs its own. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  post(message: TabMessage): void;
  /** Asks the others for a token; resolves when one was taken, when all had none, or soon. */
  ask(question: { id: string; audience: string; session: string }): Promise<void>;
  close(): void;
}

/** A tab that does not answer within this is asleep; going to the server ourselves costs one request. */
const ANSWER_MS = 250;
/** Nobody holds the lock longer than one attempt takes; one who does is suspended. */
const LOCK_MS = 20_000;

/** Node's channel keeps the process alive unless told otherwise. */
type Channel = BroadcastChannel & { unref?: () => void };

/** Who shares a storage within this process, for runtimes without Web Locks. */
const members = new Map<string, Set<string>>();

interface Presence {
  /** How many others there are that could answer. Waiting for nobody would delay everyone. */
  others(): Promise<number>;
  leave(): void;
}

function announce(name: string, id: string, locks: LockManager | null): Presence {
  if (locks === null) {
    const here = members.get(name) ?? new Set();
    members.set(name, here.add(id));
    return {
      others: async () => here.size - 1,
      leave: () => {
        here.delete(id);
        if (here.size === 0) members.delete(name);
      },
    };
  }
  let leave = () => {};
  const present = new Promise<void>((resolve) => {
    leave = resolve;
  });
  const prefix = `${name}#`;
  locks.request(prefix + id, { mode: "shared" }, () => present).catch(() => {});
  return {
    others: async () => {
      const { held = [] } = await locks.query();
      return held.filter((lock) => lock.name?.startsWith(prefix) && lock.name !== prefix + id).length;
    },
    leave,
  };
}

function webLocks(): LockManager | null {
  // Absent outside secure contexts and before Node 24, whatever the types say.
  return typeof navigator === "object" && "locks" in navigator ? navigator.locks : null;
}

/** For a storage that belongs to one client: nobody to wait for, nobody to tell. */
export function aloneTabs(name: string): Tabs {
  return { exclusively: (work) => inTurn(name, work), post: () => {}, ask: async () => {}, close: () => {} };
}

/** Joins the tabs that share the storage called `name`. `id` is this client's own, `receive` gets what others post, and says
 * of a token whether it was taken. */
export function joinTabs(
  name: string,
  id: string,
  clock: Clock,
  receive: (message: TabMessage) => Promise<boolean>,
): Tabs {
  const locks = webLocks();
  const channel: Channel | null = typeof BroadcastChannel === "function" ? new BroadcastChannel(name) : null;
  channel?.unref?.();
  const asked = new Map<string, { readonly audience: string; answered(token: boolean): void }>();

  async function read(data: unknown): Promise<void> {
    if (!isTabMessage(data)) return;
    if (data.type === "none") {
      asked.get(data.id)?.answered(false);
      return;
    }
    const taken = await receive(data);
    if (data.type !== "token") return;
    for (const [id, question] of asked) {
      if (taken && question.audience === data.audience) question.answered(true);
      else if (data.answers === id) question.answered(false);
    }
  }
  // What cannot be read because the storage fails is found out by whoever next needs the storage.
  if (channel !== null) channel.onmessage = ({ data }) => void read(data).catch(() => {});
  const presence = announce(name, id, locks);
  const post = (message: TabMessage) => {
    try {
      channel?.postMessage(message);
    } catch {
      // Closed while a request was under way: nobody is left to tell.
    }
  };

  return {
    post,
    exclusively: async (work) => {
      const patience = new AbortController();
      const granted = new AbortController();
      clock.sleep(LOCK_MS, granted.signal).then(
        () => patience.abort(),
        () => {},
      );
      let started = false;
      const begin = () => {
        started = true;
        granted.abort();
        return work();
      };
      try {
        if (locks === null) return await inTurn(name, begin, patience.signal);
        return await locks.request(name, { signal: patience.signal }, begin);
      } catch (error) {
        if (started || !patience.signal.aborted) throw error;
        return work();
      } finally {
        granted.abort();
      }
    },
    ask: async (question) => {
      let missing = channel === null ? 0 : await presence.others();
      if (missing === 0) return;
      const enough = new AbortController();
      asked.set(question.id, {
        audience: question.audience,
        answered: (token) => {
          missing -= 1;
          if (token || missing === 0) enough.abort();
        },
      });
      post({ type: "ask", ...question });
      await clock.sleep(ANSWER_MS, enough.signal).catch(() => {});
      asked.delete(question.id);
    },
    close: () => {
      presence.leave();
      channel?.close();
    },
  };
}

function isTabMessage(data: unknown): data is TabMessage {
  if (typeof data !== "object" || data === null || !("type" in data)) return false;
  const message = new Map<string, unknown>(Object.entries(data));
  const text = (...names: string[]) => names.every((name) => typeof message.get(name) === "string");
  switch (data.type) {
    case "changed":
      return true;
    case "ask":
      return text("id", "audience", "session");
    case "none":
      return text("id");
    case "token":
      return (
        text("audience") && (message.get("answers") === null || text("answers")) && isSharedToken(message.get("token"))
      );
    default:
      return false;
  }
}

function isSharedToken(value: unknown): value is SharedToken {
  if (typeof value !== "object" || value === null) return false;
  const token = new Map<string, unknown>(Object.entries(value));
  return (
    ["token", "session"].every((name) => typeof token.get(name) === "string") &&
    ["lifetimeMs", "remainingMs", "wall"].every((name) => Number.isFinite(token.get(name)))
  );
}

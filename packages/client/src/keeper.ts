/**
 * The keeper: keeps one session, and hands out access tokens for it.
 *
 *   access(audience) ── fresh in memory ──────────────────────────────────────────────► token
 *         │            ── aging ──► token, and a renewal begins behind it
 *         └── spent ──► [one attempt for all callers] ──► [one tab at a time] ──► a sibling's token, or the server's
 *                              ▲                                                     │
 *                              └──────── outage: wait (backoff, Retry-After) ────────┘
 *
 * Renewal follows use: nothing is renewed by a timer, so a session that nobody uses runs into its idle expiry.
 */
import { type Document, type Held, type Leaving, readDocument, type SignedOut, writeDocument } from "./document.ts";
import { ClientFault } from "./faults.ts";
import { type AccessToken, freshness } from "./lifetime.ts";
import type { Outage } from "./outage.ts";
import { type RefreshOutcome, type Renewed, readRefresh, settle } from "./refresh.ts";
import { emptyShelf, received } from "./shelf.ts";
import type { ClientStorage } from "./storage.ts";
import { aloneTabs, joinTabs, type TabMessage } from "./tabs.ts";
import type { Wire } from "./wire.ts";
import { type Clock, instant, type Random } from "./world.ts";

export type Access =
  | { readonly ok: true; readonly token: string }
  | { readonly ok: false; readonly code: "signed_out"; readonly ended: SignedOut | null }
  /** The server gives this user no token for the audience that was asked for; the session goes on. */
  | {
      readonly ok: false;
      readonly code: "audience_refused";
      readonly server: { readonly status: number; readonly code: string };
    };

export interface KeeperParts {
  readonly wire: Wire;
  readonly storage: ClientStorage;
  /** The document's name in the storage. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly outage: Outage;
  readonly signedIn: (held: Held) => void;
  readonly signedOut: (ended: SignedOut) => void;
}

export interface Keeper {
  /** The document as it is now. What changed is told, each change once. */
  look(): Promise<Document>;
  /** Changes the document; the other tabs are told to look. */
  change(step: (document: Document) => Document): Promise<Document>;
  access(audience: string, signal?: AbortSignal): Promise<Access>;
  /** Takes an access token that came with a sign-in. */
  adopt(token: AccessToken): void;
  /** A resource server refused this access token: it is not handed out again, nor taken from another tab. */
  refused(token: string): void;
  /** An access token to say goodbye with; `over` where the session is no more, `outage` where the server cannot tell. */
  lastToken(leaving: Leaving): Promise<{ readonly token: string } | "over" | "outage">;
  /** Runs work that spends a credential while no other tab does. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  close(): void;
}

type Attempt = { readonly kind: "look_again" | "signed_out" } | Extract<RefreshOutcome, { kind: "rejected" }>;

export function createKeeper(parts: KeeperParts): Keeper {
  const { wire, storage, name, clock, random, outage } = parts;
  const id = random.uuid();
  const shelf = emptyShelf(clock);
  const parting = new Map<string, AccessToken>();
  const attempts = new Map<string, Promise<Attempt>>();
  let seen: Document | null = null;
  let closed = false;
  const tabs =
    storage.sharedAs === null
      ? aloneTabs(`mapae:${id}`)
      : joinTabs(`mapae:${storage.sharedAs}:${name}`, id, clock, receive);

  /** Everything that is learnt about who is signed in passes here, so that each change is told exactly once. */
  function observe(text: string | null): Document {
    const document = readDocument(text);
    // Reads may overtake each other. An emptied storage is believed: somebody cleared it.
    if (seen !== null && text !== null && document.turn < seen.turn) return seen;
    const before = seen === null ? null : seen.held;
    const sameSession = before?.session.id === document.held?.session.id;
    const first = seen === null;
    seen = document;
    if (sameSession) return document;
    const last = shelf.become(document.held?.session.id ?? null);
    if (first) return document;
    if (before !== null) {
      if (last !== null) parting.set(before.session.id, last);
      const ended = document.ended?.session === before.session.id ? document.ended : null;
      parts.signedOut(ended ?? { session: before.session.id, code: "session_ended", reason: "unknown" });
    }
    if (document.held !== null) parts.signedIn(document.held);
    return document;
  }

  async function guarded<T>(step: () => Promise<T>): Promise<T> {
    if (closed) throw new ClientFault("closed");
    try {
      return await step();
    } catch (cause) {
      throw cause instanceof ClientFault ? cause : new ClientFault("storage_failed", { cause });
    }
  }

  async function look(): Promise<Document> {
    return observe(await guarded(() => storage.read(name)));
  }

  async function replace(step: (document: Document) => Document): Promise<Document> {
    if (seen === null) await look();
    return observe(
      await guarded(() =>
        storage.change(name, (present) => {
          const document = readDocument(present);
          const next = step(document);
          return next === document && present !== null ? present : writeDocument(next, clock.now());
        }),
      ),
    );
  }

  async function change(step: (document: Document) => Document): Promise<Document> {
    const document = await replace(step);
    tabs.post({ type: "changed" });
    return document;
  }

  /** What another tab says; whether it was a token that this tab took. */
  async function receive(message: TabMessage): Promise<boolean> {
    if (closed) return false;
    if (message.type === "changed") await look();
    if (message.type === "token") {
      if (seen?.held?.session.id !== message.token.session) await look();
      return shelf.put(message.audience, received(message.token, clock));
    }
    if (message.type === "ask") {
      const { id: answers, audience, session } = message;
      const token = seen?.held?.session.id === session ? shelf.share(audience) : null;
      tabs.post(token === null ? { type: "none", id: answers } : { type: "token", audience, token, answers });
    }
    return false;
  }

  /** One attempt at a time for all who wait for the same audience. */
  function attempt(audience: string): Promise<Attempt> {
    const running = attempts.get(audience);
    if (running !== undefined) return running;
    const started = tabs.exclusively(() => tryOnce(audience)).finally(() => attempts.delete(audience));
    attempts.set(audience, started);
    return started;
  }

  async function tryOnce(audience: string): Promise<Attempt> {
    const { held } = await look();
    if (held === null) return { kind: "signed_out" };
    const fresh = () => shelf.get(audience)?.state === "fresh";
    // While this tab waited for its turn another may have brought a token; or one that this tab slept through has it.
    if (!fresh()) await tabs.ask({ id: random.uuid(), audience, session: held.session.id });
    if (fresh()) return { kind: "look_again" };
    return rotate(audience);
  }

  async function rotate(audience: string): Promise<Attempt> {
    const { held } = await look();
    if (held === null) return { kind: "signed_out" };
    const sentAt = instant(clock);
    const outcome = readRefresh(await wire.refresh(held, audience));
    if (outcome.kind === "outage") {
      outage.failed(outcome.answer);
      return { kind: "look_again" };
    }
    outage.over();
    if (outcome.kind === "rejected") return outcome;
    if (outcome.kind === "refused") {
      const after = await change((document) => settle(document, held.key, outcome, random.uuid()));
      return { kind: after.held === null ? "signed_out" : "look_again" };
    }
    // The old token, if any, is about to end; the new one counts even where a clock that jumped makes it look shorter.
    const { accessToken: token, lifetimeMs } = outcome;
    const taken = shelf.put(audience, { token, session: held.session.id, sentAt, lifetimeMs });
    // A successor that could not be stored is like a reply that was lost: what is stored stays good for another try.
    await storeSuccessor(held.key, outcome).catch(() => {});
    const shared = taken ? shelf.share(audience) : null;
    if (shared !== null) tabs.post({ type: "token", audience, token: shared, answers: null });
    return { kind: "look_again" };
  }

  /** A rotation is no news to the other tabs, so they are not told to look. */
  function storeSuccessor(key: string, outcome: Renewed): Promise<Document> {
    const nextKey = random.uuid();
    return replace((document) => settle(document, key, outcome, nextKey));
  }

  async function access(audience: string, signal?: AbortSignal): Promise<Access> {
    const since = instant(clock);
    for (;;) {
      signal?.throwIfAborted();
      if (closed) throw new ClientFault("closed");
      const token = shelf.get(audience);
      if (token !== null && token.state !== "spent") {
        if (token.state === "aging" && outage.waitMs() === 0) attempt(audience).catch(() => {});
        return { ok: true, token: token.token };
      }
      if (outage.waitMs() > 0) await outage.pause(since, signal);
      const result = await outage.within(attempt(audience), since, signal);
      if (result.kind === "signed_out") return { ok: false, code: "signed_out", ended: seen?.ended ?? null };
      if (result.kind === "rejected") {
        if (audience === "") throw new ClientFault("unexpected_answer", { server: result });
        return { ok: false, code: "audience_refused", server: { status: result.status, code: result.code } };
      }
    }
  }

  async function lastToken(leaving: Leaving): Promise<{ readonly token: string } | "over" | "outage"> {
    const last = parting.get(leaving.session);
    parting.delete(leaving.session);
    if (last !== undefined && freshness(last, clock) !== "spent") return last;
    // In cookie mode the credential is whatever cookie is there now, and that may be somebody else's.
    if (leaving.refreshToken === null && (await look()).held !== null) return "over";
    const outcome = readRefresh(await wire.refresh(leaving, ""));
    if (outcome.kind === "outage") {
      outage.failed(outcome.answer);
      return "outage";
    }
    if (outcome.kind !== "renewed") return "over";
    await storeSuccessor(leaving.key, outcome);
    return { token: outcome.accessToken };
  }

  return {
    look,
    change,
    access,
    adopt: (token) => void shelf.put("", token),
    refused: shelf.refuse,
    lastToken,
    exclusively: tabs.exclusively,
    close: () => {
      closed = true;
      shelf.become(null);
      tabs.close();
    },
  };
}

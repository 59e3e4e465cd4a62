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
import { readDocument, writeDocument } from "./document.js";
import { ClientFault } from "./faults.js";
import { freshness } from "./lifetime.js";
import { readRefresh, settle } from "./refresh.js";
import { emptyShelf, received } from "./shelf.js";
import { aloneTabs, joinTabs } from "./tabs.js";
import { instant } from "./world.js";
export function createKeeper(parts) {
    const { wire, storage, name, clock, random, outage } = parts;
    const id = random.uuid();
    const shelf = emptyShelf(clock);
    const parting = new Map();
    const attempts = new Map();
    let seen = null;
    let closed = false;
    const tabs = storage.sharedAs === null
        ? aloneTabs(`mapae:${id}`)
        : joinTabs(`mapae:${storage.sharedAs}:${name}`, id, clock, receive);
    /** Everything that is learnt about who is signed in passes here, so that each change is told exactly once. */
    function observe(text) {
        const document = readDocument(text);
        // Reads may overtake each other. An emptied storage is believed: somebody cleared it.
        if (seen !== null && text !== null && document.turn < seen.turn)
            return seen;
        const before = seen === null ? null : seen.held;
        const sameSession = before?.session.id === document.held?.session.id;
        const first = seen === null;
        seen = document;
        if (sameSession)
            return document;
        const last = shelf.become(document.held?.session.id ?? null);
        if (first)
            return document;
        if (before !== null) {
            if (last !== null)
                parting.set(before.session.id, last);
            const ended = document.ended?.session === before.session.id ? document.ended : null;
            parts.signedOut(ended ?? { session: before.session.id, code: "session_ended", reason: "unknown" });
        }
        if (document.held !== null)
            parts.signedIn(document.held);
        return document;
    }
    async function guarded(step) {
        if (closed)
            throw new ClientFault("closed");
        try {
            return await step();
        }
        catch (cause) {
            throw cause instanceof ClientFault ? cause : new ClientFault("storage_failed", { cause });
        }
    }
    async function look() {
        return observe(await guarded(() => storage.read(name)));
    }
    async function replace(step) {
        if (seen === null)
            await look();
        return observe(await guarded(() => storage.change(name, (present) => {
            const document = readDocument(present);
            const next = step(document);
            return next === document && present !== null ? present : writeDocument(next, clock.now());
        })));
    }
    async function change(step) {
        const document = await replace(step);
        tabs.post({ type: "changed" });
        return document;
    }
    /** What another tab says; whether it was a token that this tab took. */
    async function receive(message) {
        if (closed)
            return false;
        if (message.type === "changed")
            await look();
        if (message.type === "refused")
            shelf.refuse(message.token);
        if (message.type === "token") {
            if (seen?.held?.session.id !== message.token.session)
                await look();
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
    function attempt(audience) {
        const running = attempts.get(audience);
        if (running !== undefined)
            return running;
        const started = tabs.exclusively(() => tryOnce(audience)).finally(() => attempts.delete(audience));
        attempts.set(audience, started);
        return started;
    }
    async function tryOnce(audience) {
        const { held } = await look();
        if (held === null)
            return { kind: "signed_out" };
        const fresh = () => shelf.get(audience)?.state === "fresh";
        // While this tab waited for its turn another may have brought a token; or one that this tab slept through has it.
        if (!fresh())
            await tabs.ask({ id: random.uuid(), audience, session: held.session.id });
        if (fresh())
            return { kind: "look_again" };
        return rotate(audience);
    }
    async function rotate(audience) {
        const { held } = await look();
        if (held === null)
            return { kind: "signed_out" };
        const sentAt = instant(clock);
        const outcome = readRefresh(await wire.refresh(held, audience));
        if (outcome.kind === "outage") {
            outage.failed(outcome.answer);
            return { kind: "look_again" };
        }
        outage.over();
        if (outcome.kind === "rejected")
            return outcome;
        if (outcome.kind === "refused") {
            const after = await change((document) => settle(document, held.key, outcome, random.uuid()));
            return { kind: after.held === null ? "signed_out" : "look_again" };
        }
        // The old token, if any, is about to end; the new one counts even where a clock that jumped makes it look shorter.
        const { accessToken: token, lifetimeMs } = outcome;
        const taken = shelf.put(audience, { token, session: held.session.id, sentAt, lifetimeMs });
        // A successor that could not be stored is like a reply that was lost: what is stored stays good for another try.
        await storeSuccessor(held.key, outcome).catch(() => { });
        const shared = taken ? shelf.share(audience) : null;
        if (shared !== null)
            tabs.post({ type: "token", audience, token: shared, answers: null });
        return { kind: "look_again" };
    }
    /** A rotation is no news to the other tabs, so they are not told to look. */
    function storeSuccessor(key, outcome) {
        const nextKey = random.uuid();
        return replace((document) => settle(document, key, outcome, nextKey));
    }
    async function access(audience, signal) {
        const since = instant(clock);
        for (;;) {
            signal?.throwIfAborted();
            if (closed)
                throw new ClientFault("closed");
            const token = shelf.get(audience);
            if (token !== null && token.state !== "spent") {
                if (token.state === "aging" && outage.waitMs() === 0)
                    attempt(audience).catch(() => { });
                return { ok: true, token: token.token };
            }
            if (outage.waitMs() > 0)
                await outage.pause(since, signal);
            const result = await outage.within(attempt(audience), since, signal);
            if (result.kind === "signed_out")
                return { ok: false, code: "signed_out", ended: seen?.ended ?? null };
            if (result.kind === "rejected") {
                if (audience === "")
                    throw new ClientFault("unexpected_answer", { server: result });
                return { ok: false, code: "audience_refused", server: { status: result.status, code: result.code } };
            }
        }
    }
    async function lastToken(leaving) {
        const last = parting.get(leaving.session);
        parting.delete(leaving.session);
        if (last !== undefined && freshness(last, clock) !== "spent")
            return last;
        // In cookie mode the credential is whatever cookie is there now, and that may be somebody else's.
        if (leaving.refreshToken === null && (await look()).held !== null)
            return "over";
        const outcome = readRefresh(await wire.refresh(leaving, ""));
        if (outcome.kind === "outage") {
            outage.failed(outcome.answer);
            return "outage";
        }
        if (outcome.kind !== "renewed")
            return "over";
        await storeSuccessor(leaving.key, outcome);
        return { token: outcome.accessToken };
    }
    return {
        look,
        change,
        access,
        adopt: (token) => void shelf.put("", token),
        refused: (token) => {
            shelf.refuse(token);
            tabs.post({ type: "refused", token });
        },
        lastToken,
        exclusively: tabs.exclusively,
        close: () => {
            closed = true;
            shelf.become(null);
            tabs.close();
        },
    };
}

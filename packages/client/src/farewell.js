/**
 * Farewell: a sign-out takes effect here at once, and at the server as soon as it can be told.
 *
 *   signOut ──► the document says "leaving", every tab is signed out ──► DELETE ──► forgotten
 *                          ▲                                               │
 *                          └──── outage: the note stays, for the next try or the next start
 */
import { forgotten, left } from "./document.js";
import { isDefinite } from "./refresh.js";
import { instant } from "./world.js";
export function createFarewell({ wire, keeper, outage, clock }) {
    async function part(leaving) {
        // The token at hand may have died on the way here; the second one is brand-new.
        for (let tries = 0; tries < 2; tries += 1) {
            const last = await keeper.lastToken(leaving);
            if (last === "outage")
                return "pending";
            if (last === "over")
                return "over";
            const answer = await wire.call({
                method: "DELETE",
                path: leaving.everywhere ? "v1/sessions" : "v1/sessions/current",
                headers: { authorization: `Bearer ${last.token}` },
                // The cookies may be those of the next sign-in by now.
                withoutCookies: (await keeper.look()).held !== null,
            });
            if (answer.status === 204)
                return "ended";
            if (!isDefinite(answer)) {
                outage.failed(answer);
                return "pending";
            }
            if (answer.status !== 401)
                return "over";
        }
        return "over";
    }
    /** Tells the server of everyone who is leaving. */
    async function partAll() {
        if ((await keeper.look()).leaving.length === 0)
            return new Map();
        return keeper.exclusively(async () => {
            const partings = new Map();
            for (const leaving of (await keeper.look()).leaving) {
                const parting = await part(leaving);
                partings.set(leaving.session, parting);
                if (parting !== "pending")
                    await keeper.change((document) => forgotten(document, leaving.session));
            }
            return partings;
        });
    }
    async function signOut(everywhere) {
        const since = instant(clock);
        const { held, ended } = await keeper.look();
        if (held === null)
            return { ok: false, code: "signed_out", ended };
        await keeper.change((document) => document.held?.session.id === held.session.id ? left(document, everywhere) : document);
        for (;;) {
            // No note left: another tab has told the server meanwhile.
            const parting = (await partAll()).get(held.session.id) ?? "ended";
            if (parting === "over" && everywhere)
                return { ok: false, code: "already_over" };
            if (parting !== "pending")
                return { ok: true, server: "ended" };
            try {
                await outage.pause(since);
            }
            catch {
                return { ok: true, server: "pending" };
            }
        }
    }
    return { partAll, signOut };
}

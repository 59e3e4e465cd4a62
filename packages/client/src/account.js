import { described, hasId, opened } from "./document.js";
import { ClientFault } from "./faults.js";
import { readTokens } from "./refresh.js";
import { instant } from "./world.js";
const EXPECTED = {
    signUp: ["identifier_taken", "weak_password", "validation_failed", "rate_limited", "forbidden"],
    signIn: ["invalid_credentials", "validation_failed", "rate_limited"],
    changePassword: ["invalid_credentials", "weak_password", "validation_failed", "rate_limited"],
    updateMe: ["validation_failed"],
    endSession: ["not_found"],
};
function isOneOf(codes, code) {
    return codes.some((known) => known === code);
}
/** What is not expected is a fault: the server's trouble, or a contract that this client does not know. */
function faultOf({ status, problem, retryAfterMs, cause }) {
    const server = status === 0 ? undefined : { status, code: problem?.code ?? null };
    const trouble = status === 0 || status === 429 || status >= 500;
    return new ClientFault(trouble ? "unavailable" : "unexpected_answer", { cause, server, retryAfterMs });
}
function refusedAs({ problem, retryAfterMs }, codes) {
    if (problem === null || !isOneOf(codes, problem.code))
        return null;
    return { ok: false, code: problem.code, problem, retryAfterMs };
}
function sessionsIn(value) {
    return Array.isArray(value) && value.every(hasId) ? value : null;
}
export function createAccount(parts) {
    const { wire, keeper, outage, clock, random } = parts;
    /** A request that the server declined before it began (503 `overloaded`) may be sent again, whatever it was. */
    async function patiently(call, repeatable, since = instant(clock)) {
        for (;;) {
            const answer = await wire.call(call);
            const trouble = answer.status === 0 || answer.status === 429 || answer.status >= 500;
            if (!trouble)
                outage.over();
            if (answer.problem?.code !== "overloaded" && !(repeatable && trouble))
                return answer;
            outage.failed(answer);
            await outage.pause(since, call.signal);
        }
    }
    /** A request in the user's name. */
    async function authorized(call, repeatable) {
        const since = instant(clock);
        const access = await keeper.access("", call.signal);
        if (!access.ok && access.code === "signed_out")
            return access;
        try {
            return await patiently({ ...call, send: parts.authorized }, repeatable, since);
        }
        catch (fault) {
            if (!(fault instanceof ClientFault) || fault.code !== "signed_out")
                throw fault;
            return { ok: false, code: "signed_out", ended: (await keeper.look()).ended };
        }
    }
    return {
        async signUp(form) {
            const { identifier, password, name } = form;
            const body = { identifier, password, ...(name !== undefined && { name }) };
            const answer = await patiently({ method: "POST", path: "v1/users", body }, false);
            if (answer.status === 201 && hasId(answer.body?.user))
                return { ok: true, user: answer.body.user };
            const refused = refusedAs(answer, EXPECTED.signUp);
            if (refused !== null)
                return refused;
            throw faultOf(answer);
        },
        async signIn(form) {
            const { identifier, password, deviceName: name, endSession, scope } = form;
            const known = (await keeper.look()).device;
            const body = {
                identifier,
                password,
                ...((name !== undefined || known !== null) && {
                    device: { ...(name !== undefined && { name }), ...(known !== null && { token: known }) },
                }),
                ...(endSession !== undefined && { end_session: endSession }),
                ...(parts.clientId !== null && { client_id: parts.clientId }),
                ...(scope !== undefined && { scope }),
            };
            const sentAt = instant(clock);
            const path = wire.mode === "cookie" ? "v1/sessions?mode=cookie" : "v1/sessions";
            const answer = await patiently({ method: "POST", path, body }, false, sentAt);
            if (answer.status === 201 && answer.body !== null) {
                const { session, user, device_token: device } = answer.body;
                const tokens = readTokens(answer.body);
                const carried = wire.mode === "cookie" || typeof tokens?.refreshToken === "string";
                if (tokens !== null && carried && hasId(session) && hasId(user)) {
                    const refreshToken = wire.mode === "cookie" ? null : tokens.refreshToken;
                    const held = { session, user, refreshToken, key: random.uuid() };
                    await keeper.change((document) => opened(document, held, typeof device === "string" ? device : null));
                    keeper.adopt({ token: tokens.accessToken, session: session.id, sentAt, lifetimeMs: tokens.lifetimeMs });
                    return { ok: true, session, user };
                }
            }
            const sessions = answer.problem?.code === "session_limit" ? sessionsIn(answer.problem.sessions) : null;
            if (sessions !== null)
                return { ok: false, code: "session_limit", sessions };
            const refused = refusedAs(answer, EXPECTED.signIn);
            if (refused !== null)
                return refused;
            throw faultOf(answer);
        },
        async me() {
            const answer = await authorized({ method: "GET", path: "v1/me" }, true);
            if ("ok" in answer)
                return answer;
            const { user, session } = answer.body ?? {};
            if (answer.status !== 200 || !hasId(user) || !hasId(session))
                throw faultOf(answer);
            return { ok: true, user, session };
        },
        async updateMe(change) {
            const answer = await authorized({ method: "PATCH", path: "v1/me", body: change }, true);
            if ("ok" in answer)
                return answer;
            const user = answer.body?.user;
            if (answer.status === 200 && hasId(user)) {
                const { held } = await keeper.look();
                if (held !== null)
                    await keeper.change((document) => described(document, held.session.id, { user }));
                return { ok: true, user };
            }
            const refused = refusedAs(answer, EXPECTED.updateMe);
            if (refused !== null)
                return refused;
            throw faultOf(answer);
        },
        async sessions() {
            const answer = await authorized({ method: "GET", path: "v1/sessions" }, true);
            if ("ok" in answer)
                return answer;
            const sessions = answer.status === 200 ? sessionsIn(answer.body?.sessions) : null;
            if (sessions === null)
                throw faultOf(answer);
            return { ok: true, sessions };
        },
        async endSession(id) {
            const path = `v1/sessions/${encodeURIComponent(id)}`;
            const answer = await authorized({ method: "DELETE", path }, true);
            if ("ok" in answer)
                return answer;
            if (answer.status === 204)
                return { ok: true };
            const refused = refusedAs(answer, EXPECTED.endSession);
            if (refused !== null)
                return refused;
            throw faultOf(answer);
        },
        async changePassword(form) {
            const body = {
                current_password: form.currentPassword,
                new_password: form.newPassword,
                end_other_sessions: form.endOtherSessions ?? true,
            };
            const answer = await authorized({ method: "POST", path: "v1/me/password", body }, false);
            if ("ok" in answer)
                return answer;
            if (answer.status === 204 || answer.status === 200)
                return { ok: true };
            const refused = refusedAs(answer, EXPECTED.changePassword);
            if (refused !== null)
                return refused;
            throw faultOf(answer);
        },
    };
}

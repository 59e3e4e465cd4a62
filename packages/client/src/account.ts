/**
 * What a user does at the login server: sign up, sign in, sign out, look after devices and password. An expected "no" is
 * a value with the server's code; the tables below say which codes are expected where, and any other is thrown.
 */
import type { Answer, Problem } from "./answer.ts";
import { described, hasId, opened, type Session, type SignedOut, type User } from "./document.ts";
import { ClientFault } from "./faults.ts";
import type { Keeper } from "./keeper.ts";
import type { Outage } from "./outage.ts";
import { readTokens } from "./refresh.ts";
import type { Call, Fetch, Wire } from "./wire.ts";
import { type Clock, type Instant, instant, type Random } from "./world.ts";

/** An expected refusal, as the server put it. */
export interface Refused<Code extends string> {
  readonly ok: false;
  readonly code: Code;
  /** The whole problem (RFC 9457): `detail`, the pointers of `validation_failed`, the reason of `weak_password`. */
  readonly problem: Problem;
  /** For `rate_limited`: milliseconds to wait. */
  readonly retryAfterMs: number | null;
}

export interface SessionLimited {
  readonly ok: false;
  readonly code: "session_limit";
  /** The devices that are signed in. Show them, and sign in again with `endSession` set to the id of the chosen one. */
  readonly sessions: readonly Session[];
}

export interface NotSignedIn {
  readonly ok: false;
  readonly code: "signed_out";
  readonly ended: SignedOut | null;
}

const EXPECTED = {
  signUp: ["identifier_taken", "weak_password", "validation_failed", "rate_limited", "forbidden"],
  signIn: ["invalid_credentials", "validation_failed", "rate_limited"],
  changePassword: ["invalid_credentials", "weak_password", "validation_failed", "rate_limited"],
  updateMe: ["validation_failed"],
  endSession: ["not_found"],
} as const;
type Expected = typeof EXPECTED;

export interface SignUp {
  readonly identifier: string;
  readonly password: string;
  readonly name?: string;
}

export interface SignIn {
  readonly identifier: string;
  readonly password: string;
  /** What the user will recognise in the list of devices; the server guesses where it is left out. */
  readonly deviceName?: string;
  /** The session to end where the number of sessions is limited. */
  readonly endSession?: string;
  readonly scope?: string;
}

export interface ChangePassword {
  readonly currentPassword: string;
  readonly newPassword: string;
  /** Whether all other devices are signed out; they are unless this says `false`. */
  readonly endOtherSessions?: boolean;
}

export interface AccountParts {
  readonly wire: Wire;
  readonly keeper: Keeper;
  readonly outage: Outage;
  readonly clock: Clock;
  readonly random: Random;
  readonly clientId: string | null;
  /** `fetch` with a token for the login server. */
  readonly authorized: Fetch;
}

function isOneOf<Code extends string>(codes: readonly Code[], code: string): code is Code {
  return codes.some((known) => known === code);
}

/** What is not expected is a fault: the server's trouble, or a contract that this client does not know. */
function faultOf({ status, problem, retryAfterMs, cause }: Answer): ClientFault {
  const server = status === 0 ? undefined : { status, code: problem?.code ?? null };
  const trouble = status === 0 || status === 429 || status >= 500;
  return new ClientFault(trouble ? "unavailable" : "unexpected_answer", { cause, server, retryAfterMs });
}

function refusedAs<Code extends string>(
  { problem, retryAfterMs }: Answer,
  codes: readonly Code[],
): Refused<Code> | null {
  if (problem === null || !isOneOf(codes, problem.code)) return null;
  return { ok: false, code: problem.code, problem, retryAfterMs };
}

function sessionsIn(value: unknown): readonly Session[] | null {
  return Array.isArray(value) && value.every(hasId) ? value : null;
}

export type Account = ReturnType<typeof createAccount>;

export function createAccount(parts: AccountParts) {
  const { wire, keeper, outage, clock, random } = parts;

  /** A request that the server declined before it began (503 `overloaded`) may be sent again, whatever it was. */
  async function patiently(call: Call, repeatable: boolean, since: Instant = instant(clock)): Promise<Answer> {
    for (;;) {
      const answer = await wire.call(call);
      const trouble = answer.status === 0 || answer.status === 429 || answer.status >= 500;
      if (!trouble) outage.over();
      if (answer.problem?.code !== "overloaded" && !(repeatable && trouble)) return answer;
      outage.failed(answer);
      await outage.pause(since, call.signal);
    }
  }

  /** A request in the user's name. */
  async function authorized(call: Call, repeatable: boolean): Promise<Answer | NotSignedIn> {
    const since = instant(clock);
    const access = await keeper.access("", call.signal);
    if (!access.ok && access.code === "signed_out") return access;
    try {
      return await patiently({ ...call, send: parts.authorized }, repeatable, since);
    } catch (fault) {
      if (!(fault instanceof ClientFault) || fault.code !== "signed_out") throw fault;
      return { ok: false, code: "signed_out", ended: (await keeper.look()).ended };
    }
  }

  return {
    async signUp(
      form: SignUp,
    ): Promise<{ readonly ok: true; readonly user: User } | Refused<Expected["signUp"][number]>> {
      const { identifier, password, name } = form;
      const body = { identifier, password, ...(name !== undefined && { name }) };
      const answer = await patiently({ method: "POST", path: "v1/users", body }, false);
      if (answer.status === 201 && hasId(answer.body?.user)) return { ok: true, user: answer.body.user };
      const refused = refusedAs(answer, EXPECTED.signUp);
      if (refused !== null) return refused;
      throw faultOf(answer);
    },

    async signIn(
      form: SignIn,
    ): Promise<
      | { readonly ok: true; readonly session: Session; readonly user: User }
      | Refused<Expected["signIn"][number]>
      | SessionLimited
    > {
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
      const path = `v1/sessions?mode=${wire.mode === "cookie" ? "cookie" : "json"}`;
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
      if (sessions !== null) return { ok: false, code: "session_limit", sessions };
      const refused = refusedAs(answer, EXPECTED.signIn);
      if (refused !== null) return refused;
      throw faultOf(answer);
    },

    async me(): Promise<{ readonly ok: true; readonly user: User; readonly session: Session } | NotSignedIn> {
      const answer = await authorized({ method: "GET", path: "v1/me" }, true);
      if ("ok" in answer) return answer;
      const { user, session } = answer.body ?? {};
      if (answer.status !== 200 || !hasId(user) || !hasId(session)) throw faultOf(answer);
      return { ok: true, user, session };
    },

    async updateMe(
      change: Readonly<Record<string, unknown>>,
    ): Promise<{ readonly ok: true; readonly user: User } | NotSignedIn | Refused<Expected["updateMe"][number]>> {
      const answer = await authorized({ method: "PATCH", path: "v1/me", body: change }, true);
      if ("ok" in answer) return answer;
      const user = answer.body?.user;
      if (answer.status === 200 && hasId(user)) {
        const { held } = await keeper.look();
        if (held !== null) await keeper.change((document) => described(document, held.session.id, { user }));
        return { ok: true, user };
      }
      const refused = refusedAs(answer, EXPECTED.updateMe);
      if (refused !== null) return refused;
      throw faultOf(answer);
    },

    async sessions(): Promise<{ readonly ok: true; readonly sessions: readonly Session[] } | NotSignedIn> {
      const answer = await authorized({ method: "GET", path: "v1/sessions" }, true);
      if ("ok" in answer) return answer;
      const sessions = answer.status === 200 ? sessionsIn(answer.body?.sessions) : null;
      if (sessions === null) throw faultOf(answer);
      return { ok: true, sessions };
    },

    async endSession(
      id: string,
    ): Promise<{ readonly ok: true } | NotSignedIn | Refused<Expected["endSession"][number]>> {
      const path = `v1/sessions/${encodeURIComponent(id)}`;
      const answer = await authorized({ method: "DELETE", path }, true);
      if ("ok" in answer) return answer;
      if (answer.status === 204) return { ok: true };
      const refused = refusedAs(answer, EXPECTED.endSession);
      if (refused !== null) return refused;
      throw faultOf(answer);
    },

    async changePassword(
      form: ChangePassword,
    ): Promise<{ readonly ok: true } | NotSignedIn | Refused<Expected["changePassword"][number]>> {
      const body = {
        current_password: form.currentPassword,
        new_password: form.newPassword,
        end_other_sessions: form.endOtherSessions ?? true,
      };
      const answer = await authorized({ method: "POST", path: "v1/me/password", body }, false);
      if ("ok" in answer) return answer;
      if (answer.status === 204 || answer.status === 200) return { ok: true };
      const refused = refusedAs(answer, EXPECTED.changePassword);
      if (refused !== null) return refused;
      throw faultOf(answer);
    },
  };
}

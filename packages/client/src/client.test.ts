import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ClientOptions, createClient } from "./client.ts";
import { deferred, testClock, turn } from "./clock.test-support.ts";
import type { SignedOut } from "./document.ts";
import { ClientFault } from "./faults.ts";
import { API, type CookieJar, ISSUER, modelServer, problem } from "./model-server.test-support.ts";
import { type ClientStorage, memoryStorage } from "./storage.ts";
import type { Fetch } from "./wire.ts";
import { systemRandom } from "./world.ts";

const kim = { identifier: "kim@example.com", password: "correct horse battery" };

/** One browser (or program) in front of a model server, on a clock that the test moves. The network can be replaced. */
async function setUp(options: Partial<ClientOptions> & { accessSeconds?: number; sessionLimit?: number } = {}) {
  const { accessSeconds = 300, sessionLimit, ...rest } = options;
  const clock = testClock();
  const server = modelServer({ now: clock.now, accessSeconds, ...(sessionLimit !== undefined && { sessionLimit }) });
  const jar: CookieJar = new Map();
  const connected = server.connect(jar);
  let network: Fetch = connected;
  const storage = rest.storage ?? memoryStorage();
  const endings: SignedOut[] = [];
  const open = (more: Partial<ClientOptions> = {}) =>
    createClient({
      server: ISSUER,
      allowedOrigins: [ISSUER, API],
      fetch: (input, init) => network(input, init),
      clock,
      random: { ...systemRandom, fraction: () => 0.5 },
      onSignedOut: (ended) => endings.push(ended),
      ...rest,
      storage,
      ...more,
    });
  const client = open();
  assert.equal((await client.signUp(kim)).ok, true);
  const signIn = async () => {
    const result = await client.signIn(kim);
    assert.ok(result.ok);
    return result.session.id;
  };
  return {
    clock,
    server,
    jar,
    storage,
    endings,
    open,
    client,
    signIn,
    connected,
    /** Replaces the network; without an argument, repairs it. */
    network: (next: Fetch = connected) => {
      network = next;
    },
    refreshes: () => server.counts.refresh,
  };
}

const down: Fetch = async () => {
  throw new TypeError("fetch failed");
};
const isRefresh = (input: string | URL | Request) => String(input).includes("/v1/sessions/refresh");
const hasCode = (code: string) => (error: unknown) => error instanceof ClientFault && error.code === code;

describe("renewing", () => {
  it("200 parallel fetches with a spent token make one refresh", async () => {
    const { client, clock, signIn, refreshes } = await setUp();
    await signIn();
    clock.advance(301_000);
    const responses = await Promise.all(Array.from({ length: 200 }, () => client.fetch(`${API}/things`)));
    assert.deepEqual(new Set(responses.map((response) => response.status)), new Set([200]));
    assert.equal(refreshes(), 1);
  });

  it("200 parallel fetches whose token was revoked make one refresh and are all sent again", async () => {
    const { client, server, signIn, refreshes } = await setUp();
    await signIn();
    for (const token of server.access.values()) token.revoked = true;
    const responses = await Promise.all(Array.from({ length: 200 }, () => client.fetch(`${API}/things`)));
    assert.deepEqual(new Set(responses.map((response) => response.status)), new Set([200]));
    assert.equal(refreshes(), 1);
  });

  it("begins before the token dies, behind the caller's back", async () => {
    const { client, clock, signIn, refreshes } = await setUp();
    await signIn();
    const first = await client.accessToken();
    clock.advance(245_000);
    assert.deepEqual(await client.accessToken(), first);
    await clock.run(new Promise((resolve) => setTimeout(resolve, 5)));
    assert.notDeepEqual(await client.accessToken(), first);
    assert.equal(refreshes(), 1);
  });

  it("does not happen while nobody uses the client, so that an idle session can expire", async () => {
    const { clock, signIn, refreshes } = await setUp();
    await signIn();
    for (let hour = 0; hour < 24; hour += 1) {
      clock.advance(3_600_000);
      await clock.run(Promise.resolve());
    }
    assert.equal(refreshes(), 0);
  });

  it("gives a token for another audience, and says so where the user may not have one, without ending anything", async () => {
    const { client, signIn, endings } = await setUp();
    await signIn();
    const own = await client.accessToken();
    const reports = await client.accessToken({ audience: `${ISSUER}/reports` });
    assert.ok(reports.ok && own.ok && reports.token !== own.token);
    assert.deepEqual(await client.accessToken({ audience: `${ISSUER}/admin` }), {
      ok: false,
      code: "audience_refused",
      server: { status: 403, code: "forbidden" },
    });
    assert.equal((await client.me()).ok, true);
    assert.deepEqual(endings, []);
  });
});

describe("clocks", () => {
  it("a wall clock that is years off, either way, neither sends dead tokens nor refreshes for ever", async () => {
    for (const wall of [0, Date.UTC(2050, 0, 1)]) {
      const { client, clock, signIn, refreshes } = await setUp();
      clock.setWall(wall);
      await signIn();
      for (let i = 0; i < 20; i += 1) assert.equal((await client.fetch(`${API}/things`)).status, 200);
      assert.equal(refreshes(), 0);
    }
  });

  it("a wall clock that jumps ahead costs one refresh, one that jumps back none", async () => {
    const { client, clock, signIn, refreshes } = await setUp();
    await signIn();
    clock.setWall(clock.now() - 3_600_000);
    assert.equal((await client.accessToken()).ok, true);
    assert.equal(refreshes(), 0);
    clock.setWall(clock.now() + 7_200_000);
    for (let i = 0; i < 5; i += 1) assert.equal((await client.accessToken()).ok, true);
    assert.equal(refreshes(), 1);
  });

  it("a machine that slept with its monotonic clock does not send the token it had", async () => {
    const { client, clock, server, signIn } = await setUp();
    await signIn();
    clock.suspend(8 * 3_600_000);
    assert.equal((await client.fetch(`${API}/things`)).status, 200);
    assert.deepEqual(server.log.slice(-2), ["POST /v1/sessions/refresh", "GET /things"]);
  });
});

describe("an outage is not a logout", () => {
  const storms: Readonly<Record<string, (signal: AbortSignal | null | undefined) => Promise<Response>>> = {
    "503 with Retry-After": async () => problem(503, "unavailable", {}, { "retry-after": "7" }),
    "429 with Retry-After": async () => problem(429, "rate_limited", {}, { "retry-after": "30" }),
    "a proxy's 502 page": async () => new Response("<h1>Bad Gateway</h1>", { status: 502 }),
    "a hotel's sign-in page": async () =>
      new Response("<h1>Welcome</h1>", { headers: { "content-type": "text/html" } }),
    "a proxy's 401": async () => new Response("<h1>Unauthorized</h1>", { status: 401 }),
    "no connection": async () => {
      throw new TypeError("fetch failed");
    },
    "no answer": (signal) => new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
  };
  for (const [name, storm] of Object.entries(storms)) {
    it(`an hour of ${name} keeps the session`, async () => {
      const { client, clock, signIn, network, endings, refreshes } = await setUp();
      await signIn();
      const end = clock.now() + 3_600_000;
      let attempts = 0;
      network((_, init) => {
        attempts += 1;
        return storm(init?.signal);
      });
      clock.advance(301_000);
      while (clock.now() < end) {
        await assert.rejects(clock.run(client.fetch(`${API}/things`)), hasCode("unavailable"));
        assert.notEqual(await client.session(), null);
      }
      assert.ok(attempts < 300, `${attempts} attempts`);
      network();
      clock.advance(60_000);
      assert.equal((await clock.run(client.fetch(`${API}/things`))).status, 200);
      assert.equal(refreshes(), 1);
      assert.deepEqual(endings, []);
    });
  }

  it("a caller who waits through a short outage gets its answer", async () => {
    const { client, clock, signIn, network, connected } = await setUp();
    await signIn();
    clock.advance(301_000);
    let failures = 4;
    network((input, init) => (failures-- > 0 ? down(input) : connected(input, init)));
    assert.equal((await clock.run(client.fetch(`${API}/things`))).status, 200);
  });

  it("does not ask again before Retry-After has passed, whoever calls", async () => {
    const { client, clock, signIn, network } = await setUp({ patienceMs: 1_000 });
    await signIn();
    clock.advance(301_000);
    let attempts = 0;
    network(async () => {
      attempts += 1;
      return problem(503, "unavailable", {}, { "retry-after": "60" });
    });
    for (let i = 0; i < 30; i += 1) await assert.rejects(clock.run(client.accessToken()), hasCode("unavailable"));
    assert.equal(attempts, 1);
  });

  it("a caller's signal ends its waiting and nobody else's", async () => {
    const { client, clock, signIn, network } = await setUp();
    await signIn();
    clock.advance(301_000);
    network(down);
    const impatient = new AbortController();
    const first = client.accessToken({ signal: impatient.signal });
    const second = client.accessToken();
    impatient.abort(new Error("never mind"));
    await assert.rejects(first, /never mind/);
    network();
    assert.equal((await clock.run(second)).ok, true);
  });

  it("hands the resource server's own 503 to the caller and sends nothing twice", async () => {
    const { client, server, signIn, network, connected } = await setUp();
    await signIn();
    let sent = 0;
    network((input, init) => {
      if (!String(input).startsWith(API)) return connected(input, init);
      sent += 1;
      return Promise.resolve(new Response(null, { status: 503 }));
    });
    assert.equal((await client.fetch(`${API}/orders`, { method: "POST", body: "{}" })).status, 503);
    assert.equal(sent, 1);
    assert.equal(server.counts.refresh, 0);
  });

  it("a login that the server is too busy for is tried again, one whose reply was lost is not", async () => {
    const { client, clock, server, network, connected } = await setUp();
    let busy = 2;
    network((input, init) =>
      busy-- > 0 ? Promise.resolve(problem(503, "overloaded", {}, { "retry-after": "1" })) : connected(input, init),
    );
    assert.equal((await clock.run(client.signIn(kim))).ok, true);
    assert.equal(server.sessions.size, 1);
    network(async (input, init) => {
      await connected(input, init);
      throw new TypeError("fetch failed");
    });
    await assert.rejects(clock.run(client.signIn(kim)), hasCode("unavailable"));
    assert.equal(server.sessions.size, 2);
  });
});

describe("a lost reply", () => {
  for (const mode of ["tokens", "cookie"] as const) {
    it(`and a retry an hour later keep the session (${mode})`, async () => {
      const { client, clock, jar, server, signIn, network, connected, endings } = await setUp({ mode });
      await signIn();
      clock.advance(301_000);
      const before = new Map(jar);
      const keys: (string | null)[] = [];
      network(async (input, init) => {
        const response = await connected(input, init);
        keys.push(new Headers(init?.headers).get("idempotency-key"));
        for (const [name, value] of before) jar.set(name, value);
        if (isRefresh(input)) throw new TypeError("connection reset");
        return response;
      });
      await assert.rejects(clock.run(client.accessToken()), hasCode("unavailable"));
      clock.advance(3_600_000);
      network();
      assert.equal((await clock.run(client.fetch(`${API}/things`))).status, 200);
      assert.equal(server.counts.rotations, 1);
      assert.equal(new Set(keys).size, 1);
      assert.deepEqual(endings, []);
    });

    it(`and a crash before the reply came keep the session of the next start (${mode})`, async () => {
      const { client, clock, server, signIn, network, connected, open, endings } = await setUp({ mode });
      await signIn();
      clock.advance(301_000);
      const reached = deferred();
      network(async (input, init) => {
        await connected(input, init);
        reached.resolve();
        return new Promise(() => {});
      });
      client.accessToken().catch(() => {});
      await reached.promise;
      client.close();
      clock.advance(3_600_000);
      network();
      const next = open();
      assert.equal((await clock.run(next.fetch(`${API}/things`))).status, 200);
      assert.ok([...server.sessions.values()].every((session) => session.ended === null));
      assert.deepEqual(endings, []);
    });
  }

  it("a full disk after the rotation keeps the session, also for the next start", async () => {
    const memory = memoryStorage();
    let full = false;
    const storage: ClientStorage = {
      ...memory,
      change: (name, decide) => (full ? Promise.reject(new Error("no space left")) : memory.change(name, decide)),
    };
    const { client, clock, server, signIn, open } = await setUp({ storage });
    await signIn();
    full = true;
    for (let i = 0; i < 3; i += 1) {
      clock.advance(301_000);
      assert.equal((await clock.run(client.fetch(`${API}/things`))).status, 200);
    }
    full = false;
    client.close();
    clock.advance(301_000);
    assert.equal((await clock.run(open().fetch(`${API}/things`))).status, 200);
    assert.ok([...server.sessions.values()].every((session) => session.ended === null));
  });

  it("nothing is sent that was not stored before: a sign-in that cannot be kept fails", async () => {
    const storage: ClientStorage = {
      sharedAs: null,
      read: async () => null,
      change: () => Promise.reject(new Error("no space left")),
    };
    const { client, refreshes } = await setUp({ storage });
    await assert.rejects(client.signIn(kim), hasCode("storage_failed"));
    assert.equal(refreshes(), 0);
  });
});

describe("signed out, because", () => {
  for (const reason of ["logout", "evicted", "admin", "password_changed", "user_disabled", "expired"] as const) {
    it(`the server says ${reason}: told once to 50 callers`, async () => {
      const { client, clock, server, signIn, endings } = await setUp();
      const session = await signIn();
      server.end(session, reason);
      clock.advance(301_000);
      const results = await Promise.all(Array.from({ length: 50 }, () => client.accessToken()));
      const ended = { session, code: "session_ended", reason } as const;
      for (const result of results) assert.deepEqual(result, { ok: false, code: "signed_out", ended });
      assert.deepEqual(endings, [ended]);
      await assert.rejects(client.fetch(`${API}/things`), hasCode("signed_out"));
      assert.deepEqual(await client.me(), { ok: false, code: "signed_out", ended });
      assert.deepEqual(endings, [ended]);
    });
  }

  it("a thief replayed the refresh token: the victim is told", async () => {
    const { client, clock, server, storage, signIn, endings } = await setUp();
    const session = await signIn();
    const stolen = /rt\.[^"]+/.exec((await storage.read(`${ISSUER}/`)) ?? "")?.[0];
    clock.advance(301_000);
    await client.accessToken();
    clock.advance(301_000);
    await client.accessToken();
    const replay = await server.connect()(`${ISSUER}/v1/sessions/refresh`, {
      method: "POST",
      body: JSON.stringify({ refresh_token: stolen }),
    });
    assert.equal(replay.status, 401);
    clock.advance(301_000);
    assert.equal((await client.accessToken()).ok, false);
    assert.deepEqual(endings, [{ session, code: "session_ended", reason: "replayed" }]);
  });

  it("signing in again while signed in ends the earlier session at the server, in both modes", async () => {
    for (const mode of ["tokens", "cookie"] as const) {
      const { client, clock, server, signIn, endings, refreshes } = await setUp({ mode });
      const first = await signIn();
      const second = await signIn();
      await clock.run(new Promise((resolve) => setTimeout(resolve, 5)));
      assert.equal(server.sessions.get(first)?.ended, "logout");
      assert.equal(server.sessions.get(second)?.ended, null);
      assert.deepEqual(endings, [{ session: first, code: "session_ended", reason: "replaced" }]);
      assert.equal((await client.me()).ok, true);
      clock.advance(301_000);
      assert.equal((await client.me()).ok, true, mode);
      assert.equal(refreshes(), 1);
    }
  });
});

describe("signing in again over a spent session", () => {
  it("in cookie mode does not take the new session's cookie for the old one's, and end the new one", async () => {
    const { client, clock, server, signIn } = await setUp({ mode: "cookie" });
    await signIn();
    clock.advance(301_000);
    const second = await signIn();
    await clock.run(new Promise((resolve) => setTimeout(resolve, 20)));
    assert.equal(server.sessions.get(second)?.ended, null);
    assert.equal((await client.me()).ok, true);
  });
});

describe("reads of the storage that overtake each other", () => {
  it("tell of each change once: what is older than what was seen is not news", async () => {
    const memory = memoryStorage();
    const gates: (() => void)[] = [];
    let slow = false;
    const storage: ClientStorage = {
      ...memory,
      read: async (name) => {
        const text = await memory.read(name);
        if (slow) await new Promise<void>((resolve) => gates.push(resolve));
        return text;
      },
    };
    const { client, signIn, endings } = await setUp({ storage });
    const arrivals: string[] = [];
    client.on("signedIn", ({ session }) => arrivals.push(session.id));
    const session = await signIn();
    slow = true;
    const late = client.session();
    await turn();
    slow = false;
    await client.signOut();
    for (const open of gates) open();
    assert.equal(await late, null);
    await turn();
    assert.deepEqual(arrivals, [session]);
    assert.equal(endings.length, 1);
  });

  it("an emptied storage is believed, and a sign-in after it too", async () => {
    let text: string | null = null;
    const storage: ClientStorage = {
      sharedAs: null,
      read: async () => text,
      change: async (_, decide) => {
        text = decide(text);
        return text;
      },
    };
    const { client, signIn, endings } = await setUp({ storage });
    const session = await signIn();
    text = null;
    assert.equal(await client.session(), null);
    await turn();
    assert.deepEqual(endings, [{ session, code: "session_ended", reason: "unknown" }]);
    await signIn();
    assert.notEqual(await client.session(), null);
  });
});

describe("signing out", () => {
  for (const mode of ["tokens", "cookie"] as const) {
    it(`ends the session at the server and here, also with a spent access token (${mode})`, async () => {
      const { client, clock, server, jar, signIn, endings } = await setUp({ mode });
      const session = await signIn();
      clock.advance(301_000);
      assert.deepEqual(await client.signOut(), { ok: true, server: "ended" });
      assert.equal(server.sessions.get(session)?.ended, "logout");
      assert.equal(await client.session(), null);
      assert.equal(jar.size, 0);
      assert.deepEqual(endings, [{ session, code: "session_ended", reason: "logout" }]);
      assert.equal((await client.signOut()).ok, false);
    });

    it(`during an outage takes effect here at once, and at the server when the client next starts (${mode})`, async () => {
      const { client, clock, server, signIn, network, open, endings } = await setUp({ mode });
      const session = await signIn();
      clock.advance(301_000);
      network(down);
      const leaving = client.signOut();
      await turn();
      assert.equal(await client.session(), null);
      assert.deepEqual(await clock.run(leaving), { ok: true, server: "pending" });
      client.close();
      network();
      clock.advance(86_400_000);
      const next = open();
      assert.equal(await next.session(), null);
      await clock.run(new Promise((resolve) => setTimeout(resolve, 20)));
      assert.equal(server.sessions.get(session)?.ended, "logout");
      assert.equal(endings.length, 1);
    });
  }

  it("everywhere ends all sessions; where this one was over before, it says that it could not", async () => {
    const { client, server, open, signIn } = await setUp();
    const here = await signIn();
    const there = await open({ storage: memoryStorage() }).signIn(kim);
    assert.ok(there.ok);
    server.end(here, "evicted");
    for (const token of server.access.values()) if (token.session === here) token.revoked = true;
    assert.deepEqual(await client.signOut({ everywhere: true }), { ok: false, code: "already_over" });
    assert.equal(server.sessions.get(there.session.id)?.ended, null);
    await signIn();
    assert.deepEqual(await client.signOut({ everywhere: true }), { ok: true, server: "ended" });
    assert.equal(server.sessions.get(there.session.id)?.ended, "logout");
  });

  it("wins over a refresh that is under way: its tokens are not kept", async () => {
    const { client, clock, server, signIn, network, connected } = await setUp();
    const session = await signIn();
    clock.advance(301_000);
    const gate = deferred();
    network(async (input, init) => {
      const response = await connected(input, init);
      if (isRefresh(input)) await gate.promise;
      return response;
    });
    const token = client.accessToken();
    await turn();
    const out = client.signOut();
    await turn();
    gate.resolve();
    assert.equal((await clock.run(token)).ok, false);
    assert.deepEqual(await clock.run(out), { ok: true, server: "ended" });
    assert.equal(server.sessions.get(session)?.ended, "logout");
  });
});

describe("the account", () => {
  it("expected refusals are values with the server's code", async () => {
    const { client } = await setUp();
    assert.equal((await client.signUp(kim)).ok, false);
    const taken = await client.signUp(kim);
    assert.equal(!taken.ok && taken.code, "identifier_taken");
    const wrong = await client.signIn({ ...kim, password: "no" });
    assert.equal(!wrong.ok && wrong.code, "invalid_credentials");
    assert.deepEqual(await client.me(), { ok: false, code: "signed_out", ended: null });
  });

  it("what is not expected is a fault that names the server's code", async () => {
    const { client, network } = await setUp();
    network(async () => problem(418, "teapot"));
    await assert.rejects(client.signUp(kim), (error) => {
      assert.ok(error instanceof ClientFault);
      assert.equal(error.code, "unexpected_answer");
      assert.deepEqual(error.server, { status: 418, code: "teapot" });
      return true;
    });
  });

  it("a full list of devices comes back with the devices, and one of them can be ended in the same breath", async () => {
    const { client, open, signIn } = await setUp({ sessionLimit: 1 });
    const first = await signIn();
    const other = open({ storage: memoryStorage() });
    const limited = await other.signIn(kim);
    assert.ok(!limited.ok && limited.code === "session_limit");
    assert.deepEqual(
      limited.sessions.map((session) => session.id),
      [first],
    );
    assert.equal((await other.signIn({ ...kim, endSession: first })).ok, true);
    assert.equal((await client.me()).ok, false);
  });

  it("devices, profile and password", async () => {
    const { client, open, signIn, server } = await setUp();
    await signIn();
    const other = open({ storage: memoryStorage() });
    const there = await other.signIn({ ...kim, deviceName: "phone" });
    assert.ok(there.ok);
    const listed = await client.sessions();
    assert.equal(listed.ok && listed.sessions.length, 2);
    assert.equal((await client.updateMe({ name: "Kim" })).ok, true);
    assert.equal((await client.session())?.user.name, "Kim");
    const wrong = await client.changePassword({ currentPassword: "no", newPassword: "battery horse correct" });
    assert.equal(!wrong.ok && wrong.code, "invalid_credentials");
    assert.equal(server.counts.refresh, 0);
    assert.deepEqual(await client.endSession(there.session.id), { ok: true });
    const missing = await client.endSession("nobody's");
    assert.equal(!missing.ok && missing.code, "not_found");
    const changed = await client.changePassword({
      currentPassword: kim.password,
      newPassword: "battery horse correct",
    });
    assert.deepEqual(changed, { ok: true });
  });

  it("the device stays known to the login throttle after a sign-out", async () => {
    const { client, signIn, network, connected } = await setUp();
    const bodies: unknown[] = [];
    network((input, init) => {
      if (String(input).endsWith("/v1/sessions?mode=json")) bodies.push(JSON.parse(String(init?.body)).device);
      return connected(input, init);
    });
    await signIn();
    await client.signOut();
    await signIn();
    assert.equal(bodies[0], undefined);
    assert.match(String(Object(bodies.at(-1)).token), /^device-/);
  });
});

describe("secrets", () => {
  it("in cookie mode nothing that a script can read signs anybody in", async () => {
    const { client, clock, jar, storage, signIn } = await setUp({ mode: "cookie" });
    await signIn();
    clock.advance(301_000);
    const access = await client.accessToken();
    const text = (await storage.read(`${ISSUER}/`)) ?? "";
    assert.ok(access.ok && !text.includes(access.token));
    assert.ok(!text.includes(jar.get("refresh") ?? "?"));
  });

  it("access tokens are never stored, and faults carry no token", async () => {
    const { client, clock, storage, signIn, network } = await setUp();
    await signIn();
    const access = await client.accessToken();
    const text = (await storage.read(`${ISSUER}/`)) ?? "";
    assert.ok(access.ok && !text.includes(access.token));
    network(down);
    clock.advance(301_000);
    const fault = await clock.run(client.accessToken()).catch((error: unknown) => error);
    assert.ok(fault instanceof ClientFault && !JSON.stringify(fault).includes("rt."));
  });

  it("tokens do not travel over http, except within the machine", () => {
    for (const server of ["http://login.example", "ftp://login.example", "http://127.0.0.1.evil.example"]) {
      assert.throws(() => createClient({ server }), hasCode("insecure_server"));
    }
    for (const server of ["http://localhost:4000", "http://127.0.0.1:4000", "http://[::1]:4000", "https://a.example"]) {
      createClient({ server }).close();
    }
    const allowedOrigins = ["http://api.example"];
    assert.throws(() => createClient({ server: ISSUER, allowedOrigins }), hasCode("insecure_server"));
  });
});

/**
 * The client against the real server, mounted in this process: the wire that both sides agreed on. Time is the client's
 * own (its clock is moved), the server's grace is 0, so that every repeated refresh has to prove itself.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type Client,
  type ClientOptions,
  createClient,
  type Fetch,
  memoryStorage,
  type SignedOut,
} from "@mapae/client";
import { createMapae, type Mapae, type MapaeOptions } from "mapae";
import { type TestClock, testClock } from "../../packages/client/src/clock.test-support.ts";

const ISSUER = "http://localhost:4000";
const PASSWORD = "tessellated-harbour-quince-42";

/** A browser's cookies as far as this needs them: names and values, per jar. */
function withCookies(mapae: Mapae, jar: Map<string, string>): Fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    if (request.credentials === "omit") return mapae.fetch(request);
    const headers = new Headers(request.headers);
    if (jar.size > 0) headers.set("cookie", [...jar].map(([name, value]) => `${name}=${value}`).join("; "));
    headers.set("origin", ISSUER);
    const response = await mapae.fetch(new Request(request, { headers }));
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === "") jar.delete(name);
      else jar.set(name, value);
    }
    return response;
  };
}

interface Device {
  readonly client: Client;
  readonly clock: TestClock;
  readonly endings: SignedOut[];
  readonly paths: string[];
  readonly jar: Map<string, string>;
  /** What may happen to a request on its way; the default passes it on. */
  network: (send: Fetch) => Fetch;
}

let users = 0;
const newUser = () => ({ identifier: `user${++users}@example.com`, password: PASSWORD });

async function serve(options: MapaeOptions): Promise<Mapae> {
  const mapae = createMapae({
    issuer: ISSUER,
    databaseUrl: "memory:",
    rateLimit: "off",
    refreshGrace: "0s",
    ...options,
  });
  await mapae.ready();
  return mapae;
}

function device(mapae: Mapae, options: Partial<ClientOptions> = {}): Device {
  const clock = testClock(Date.now());
  const jar = new Map<string, string>();
  const connected = withCookies(mapae, jar);
  const paths: string[] = [];
  const endings: SignedOut[] = [];
  const made: Omit<Device, "client"> = { clock, jar, paths, endings, network: (send) => send };
  const client = createClient({
    server: ISSUER,
    clock,
    onSignedOut: (ended) => endings.push(ended),
    fetch: (input, init) => {
      paths.push(`${init?.method ?? "GET"} ${new URL(String(input)).pathname}`);
      return made.network(connected)(input, init);
    },
    ...options,
  });
  return Object.assign(made, { client });
}

const refreshes = ({ paths }: Device) => paths.filter((path) => path === "POST /v1/sessions/refresh").length;
const spend = ({ clock }: Device) => clock.advance(301_000);
const losing: Device["network"] = (send) => async (input, init) => {
  await send(input, init);
  throw new TypeError("connection reset");
};

describe("the client and the server", () => {
  let mapae: Mapae;
  before(async () => {
    mapae = await serve({});
  });
  after(() => mapae.close());

  async function signedIn(
    kim = newUser(),
    options: Partial<ClientOptions> = {},
  ): Promise<Device & { session: string }> {
    const made = device(mapae, options);
    await made.client.signUp(kim);
    const result = await made.client.signIn({ ...kim, deviceName: "laptop" });
    assert.ok(result.ok);
    return Object.assign(made, { session: result.session.id });
  }

  it("sign up, sign in, me, devices, name, password, sign out", async () => {
    const kim = newUser();
    const here = await signedIn(kim);
    const { client, session } = here;
    const taken = await client.signUp(kim);
    assert.equal(!taken.ok && taken.code, "identifier_taken");
    const weak = await client.signUp({ ...newUser(), password: "password" });
    assert.equal(!weak.ok && weak.code, "weak_password");
    const malformed = await client.signUp({ ...newUser(), identifier: "" });
    assert.equal(!malformed.ok && malformed.code, "validation_failed");

    const me = await client.me();
    assert.ok(me.ok);
    assert.equal(me.user.identifier, kim.identifier);
    assert.equal(me.session.id, session);
    assert.equal((await client.updateMe({ name: "Kim" })).ok, true);
    assert.equal((await client.session())?.user.name, "Kim");

    const phone = device(mapae);
    const there = await phone.client.signIn({ ...kim, deviceName: "phone" });
    assert.ok(there.ok);
    const devices = await client.sessions();
    assert.ok(devices.ok);
    assert.deepEqual(new Set(devices.sessions.map((one) => one.id)), new Set([session, there.session.id]));

    const wrong = await client.changePassword({ currentPassword: "no", newPassword: "another-lighthouse-entirely-7" });
    assert.equal(!wrong.ok && wrong.code, "invalid_credentials");
    const changed = { currentPassword: PASSWORD, newPassword: "another-lighthouse-entirely-7" };
    assert.deepEqual(await client.changePassword(changed), { ok: true });
    assert.equal((await phone.client.me()).ok, false);
    assert.deepEqual(phone.endings, [{ session: there.session.id, code: "session_ended", reason: "password_changed" }]);
    assert.equal((await client.me()).ok, true);

    assert.deepEqual(await client.signOut(), { ok: true, server: "ended" });
    assert.deepEqual(here.endings, [{ session, code: "session_ended", reason: "logout" }]);
    const gone = await client.signIn(kim);
    assert.equal(!gone.ok && gone.code, "invalid_credentials");
    assert.equal(refreshes(here), 0);
  });

  it("200 parallel fetches with a spent token make one refresh", async () => {
    const here = await signedIn();
    spend(here);
    const responses = await Promise.all(Array.from({ length: 200 }, () => here.client.fetch(`${ISSUER}/v1/me`)));
    assert.deepEqual(new Set(responses.map((response) => response.status)), new Set([200]));
    assert.equal(refreshes(here), 1);
  });

  for (const mode of ["tokens", "cookie"] as const) {
    it(`a lost reply, long after the grace, costs nobody the session (${mode})`, async () => {
      const here = await signedIn(newUser(), { mode, storage: memoryStorage() });
      for (let round = 0; round < 3; round += 1) {
        spend(here);
        here.network = (send) => async (input, init) => {
          const cookies = new Map(here.jar);
          await send(input, init);
          for (const [name, value] of cookies) here.jar.set(name, value);
          throw new TypeError("connection reset");
        };
        await assert.rejects(here.clock.run(here.client.accessToken()), { code: "unavailable" });
        await new Promise((resolve) => setTimeout(resolve, 5));
        here.network = (send) => send;
        here.clock.advance(3_600_000);
        assert.equal((await here.clock.run(here.client.me())).ok, true);
      }
      assert.deepEqual(here.endings, []);
    });
  }

  it("a stolen refresh token that is replayed ends the session of thief and victim, and the victim learns why", async () => {
    const storage = memoryStorage();
    const here = await signedIn(newUser(), { storage });
    const stolen = JSON.parse((await storage.read(`${ISSUER}/`)) ?? "{}").held.refreshToken;
    for (let round = 0; round < 2; round += 1) {
      spend(here);
      assert.equal((await here.client.me()).ok, true);
    }
    const replay = await mapae.fetch(
      new Request(`${ISSUER}/v1/sessions/refresh`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": "the-key-of-a-thief" },
        body: JSON.stringify({ refresh_token: stolen }),
      }),
    );
    assert.equal(replay.status, 401);
    assert.equal((await replay.json()).code, "refresh_token_replayed");
    assert.equal((await here.client.fetch(`${ISSUER}/v1/me`).catch((error) => error.code)) as unknown, "signed_out");
    assert.deepEqual(here.endings, [{ session: here.session, code: "session_ended", reason: "replayed" }]);
  });

  it("in cookie mode no script sees a refresh or device token, and signing out takes the cookie away", async () => {
    const storage = memoryStorage();
    const here = await signedIn(newUser(), { mode: "cookie", storage });
    spend(here);
    assert.equal((await here.client.me()).ok, true);
    const kept = (await storage.read(`${ISSUER}/`)) ?? "";
    for (const value of here.jar.values()) assert.ok(!kept.includes(value));
    assert.ok([...here.jar.keys()].some((name) => name.includes("refresh")));
    assert.deepEqual(await here.client.signOut(), { ok: true, server: "ended" });
    assert.ok(![...here.jar.keys()].some((name) => name.includes("refresh")));
  });

  it("an audience that the user may not have is refused, and the session goes on", async () => {
    const here = await signedIn();
    for (const audience of [`${ISSUER}/admin`, "https://unknown.example"]) {
      const access = await here.client.accessToken({ audience });
      assert.equal(!access.ok && access.code, "audience_refused", audience);
    }
    assert.equal((await here.client.me()).ok, true);
    assert.deepEqual(here.endings, []);
  });

  it("everywhere signs out every device", async () => {
    const kim = newUser();
    const here = await signedIn(kim);
    const there = await signedIn(kim);
    assert.deepEqual(await here.client.signOut({ everywhere: true }), { ok: true, server: "ended" });
    assert.equal((await there.client.me()).ok, false);
    assert.deepEqual(there.endings, [{ session: there.session, code: "session_ended", reason: "logout" }]);
  });

  it("ending one device from another, and one that is not there", async () => {
    const kim = newUser();
    const here = await signedIn(kim);
    const there = await signedIn(kim);
    assert.deepEqual(await here.client.endSession(there.session), { ok: true });
    const missing = await here.client.endSession("nobody's");
    assert.equal(!missing.ok && missing.code, "not_found");
    assert.equal((await there.client.me()).ok, false);
  });

  it("a sign-out whose reply is lost has reached the server", async () => {
    const here = await signedIn();
    here.network = losing;
    assert.deepEqual(await here.clock.run(here.client.signOut()), { ok: true, server: "pending" });
    here.network = (send) => send;
    const again = await here.client.signIn(newUser());
    assert.equal(again.ok, false);
    assert.deepEqual(here.endings.length, 1);
  });
});

describe("the client and a server with a session limit", () => {
  it("evict: the device that was signed in first learns that it was evicted", async () => {
    const mapae = await serve({ sessionLimit: 1 });
    const kim = newUser();
    const [pc, phone] = [device(mapae), device(mapae)];
    await pc.client.signUp(kim);
    const first = await pc.client.signIn(kim);
    assert.ok(first.ok);
    assert.equal((await phone.client.signIn(kim)).ok, true);
    assert.equal((await pc.client.me()).ok, false);
    assert.deepEqual(pc.endings, [{ session: first.session.id, code: "session_ended", reason: "evicted" }]);
    await mapae.close();
  });

  it("ask: the list of devices comes back, and the chosen one is ended in the same request", async () => {
    const mapae = await serve({ sessionLimit: 1, sessionLimitAction: "ask" });
    const kim = newUser();
    const [pc, phone] = [device(mapae), device(mapae)];
    await pc.client.signUp(kim);
    const first = await pc.client.signIn({ ...kim, deviceName: "PC" });
    assert.ok(first.ok);
    const asked = await phone.client.signIn(kim);
    assert.ok(!asked.ok && asked.code === "session_limit");
    assert.deepEqual(
      asked.sessions.map((one) => one.id),
      [first.session.id],
    );
    assert.equal((await phone.client.signIn({ ...kim, endSession: first.session.id })).ok, true);
    assert.equal((await pc.client.me()).ok, false);
    await mapae.close();
  });
});

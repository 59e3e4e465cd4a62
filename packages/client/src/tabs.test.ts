import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { type Client, createClient } from "./client.ts";
import { deferred, testClock } from "./clock.test-support.ts";
import type { SignedOut } from "./document.ts";
import { API, type CookieJar, ISSUER, modelServer } from "./model-server.test-support.ts";
import { memoryStorage } from "./storage.ts";
import { joinTabs, type TabMessage } from "./tabs.ts";
import { systemClock } from "./world.ts";

const kim = { identifier: "kim@example.com", password: "correct horse battery" };

interface Tab {
  readonly client: Client;
  readonly endings: SignedOut[];
}

/** Tabs of one browser: real Web Locks and a real BroadcastChannel, one storage, one cookie jar. */
async function browser(count: number, mode: "tokens" | "cookie", accessSeconds: number) {
  const server = modelServer({ now: Date.now, accessSeconds });
  const jar: CookieJar = new Map();
  const storage = memoryStorage(`tabs-${randomUUID()}`);
  const open = (): Tab => {
    const endings: SignedOut[] = [];
    const client = createClient({
      server: ISSUER,
      mode,
      storage,
      allowedOrigins: [ISSUER, API],
      fetch: async (input, init) => {
        await systemClock.sleep(5);
        return server.connect(jar)(input, init);
      },
      onSignedOut: (ended) => endings.push(ended),
    });
    return { client, endings };
  };
  const tabs = Array.from({ length: count }, open);
  const [first] = tabs;
  assert.ok(first);
  await first.client.signUp(kim);
  const close = () => {
    for (const { client } of tabs) client.close();
  };
  return { server, tabs, first, open, close };
}

/** Until what tabs tell each other has arrived. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await condition()) return;
    await systemClock.sleep(10);
  }
  assert.fail("it never came to that");
}

for (const mode of ["tokens", "cookie"] as const) {
  describe(`five tabs (${mode})`, () => {
    it("make one refresh when they all need a token at once", async () => {
      const { server, tabs, first, close } = await browser(5, mode, 300);
      const signedIn = await first.client.signIn(kim);
      assert.ok(signedIn.ok);
      for (const token of server.access.values()) token.revoked = true;
      const responses = await Promise.all(
        tabs.flatMap(({ client }) => Array.from({ length: 20 }, () => client.fetch(`${API}/things`))),
      );
      assert.deepEqual(new Set(responses.map((response) => response.status)), new Set([200]));
      assert.equal(server.counts.rotations, 1);
      assert.equal(server.counts.refresh, 1);
      close();
    });

    it("a new tab takes its token from its siblings and asks the server nothing", async () => {
      const { server, first, open, close } = await browser(2, mode, 300);
      await first.client.signIn(kim);
      const { client } = open();
      assert.deepEqual(await client.accessToken(), await first.client.accessToken());
      assert.equal(server.counts.refresh, 0);
      client.close();
      close();
    });

    it("a token that was refused in one tab is not sent by another", async () => {
      const { server, tabs, first, close } = await browser(2, mode, 300);
      await first.client.signIn(kim);
      const second = tabs[1]?.client;
      assert.deepEqual(await second?.accessToken(), await first.client.accessToken());
      for (const token of server.access.values()) token.revoked = true;
      await first.client.fetch(`${API}/things`);
      await systemClock.sleep(50);
      const before = server.log.length;
      assert.equal((await second?.fetch(`${API}/things`))?.status, 200);
      assert.deepEqual(server.log.slice(before), ["GET /things"]);
      close();
    });

    it("a sign-in in one tab signs in all, a sign-out in one signs out all, each told once", async () => {
      const { tabs, first, close } = await browser(5, mode, 300);
      const signedIn = await first.client.signIn(kim);
      assert.ok(signedIn.ok);
      const everyone = await Promise.all(tabs.map(({ client }) => client.session()));
      assert.deepEqual(new Set(everyone.map((one) => one?.session.id)), new Set([signedIn.session.id]));
      await tabs[3]?.client.signOut();
      await until(() => tabs.every(({ endings }) => endings.length > 0));
      await systemClock.sleep(50);
      const ended = { session: signedIn.session.id, code: "session_ended", reason: "logout" };
      for (const { endings, client } of tabs) {
        assert.deepEqual(endings, [ended]);
        assert.deepEqual(await client.accessToken(), { ok: false, code: "signed_out", ended });
      }
      close();
    });

    it("all learn once why the server ended the session, whichever of them found out", async () => {
      const { server, tabs, first, close } = await browser(5, mode, 300);
      const signedIn = await first.client.signIn(kim);
      assert.ok(signedIn.ok);
      await Promise.all(tabs.map(({ client }) => client.accessToken()));
      server.end(signedIn.session.id, "evicted");
      for (const token of server.access.values()) token.revoked = true;
      await Promise.allSettled(tabs.slice(1, 3).map(({ client }) => client.fetch(`${API}/things`)));
      await until(() => tabs.every(({ endings }) => endings.length > 0));
      await Promise.allSettled(tabs.map(({ client }) => client.fetch(`${API}/things`)));
      const ended = { session: signedIn.session.id, code: "session_ended", reason: "evicted" };
      for (const { endings } of tabs) assert.deepEqual(endings, [ended]);
      assert.equal(server.counts.refresh, 1);
      close();
    });
  });
}

describe("what tabs tell each other", () => {
  const taking = async () => true;
  const token = { token: "t", session: "s", lifetimeMs: 1, remainingMs: 1, wall: 0 };

  it("is read without trust: what is no message is dropped", async () => {
    const name = randomUUID();
    const got: TabMessage[] = [];
    const tabs = joinTabs(name, "a", systemClock, async (message) => {
      got.push(message);
      return true;
    });
    const stranger = new BroadcastChannel(name);
    const wrong: unknown[] = [
      null,
      7,
      "changed",
      {},
      { type: "steal" },
      { type: "ask", id: "1" },
      { type: "token", audience: "", token: { ...token, remainingMs: Number.NaN }, answers: null },
      { type: "token", audience: "", token: null, answers: null },
      { type: "token", audience: "", token },
    ];
    for (const message of wrong) stranger.postMessage(message);
    stranger.postMessage({ type: "token", audience: "", token, answers: null });
    await until(() => got.length > 0);
    assert.deepEqual(got, [{ type: "token", audience: "", token, answers: null }]);
    stranger.close();
    tabs.close();
  });

  it("a question ends when all have answered, when one has a token, and when a sleeper does not answer", async () => {
    const name = randomUUID();
    const clock = testClock();
    // The channel alone does not keep a process alive, and this clock has no timers.
    const awake = setInterval(() => {}, 1000);
    const asker = joinTabs(name, "asker", clock, taking);
    const question = { id: "q", audience: "", session: "s" };
    await clock.run(asker.ask(question));
    const answers: TabMessage[] = [{ type: "none", id: "q" }];
    const sibling = joinTabs(name, "sibling", systemClock, async () => {
      for (const answer of answers) sibling.post(answer);
      return true;
    });
    // Web Locks take a moment to say that the sibling is there.
    await systemClock.sleep(20);
    await asker.ask(question);
    answers[0] = { type: "token", audience: "", token, answers: null };
    await asker.ask(question);
    answers.length = 0;
    const before = clock.now();
    await clock.run(asker.ask(question));
    assert.ok(clock.now() - before >= 250);
    clearInterval(awake);
    asker.close();
    sibling.close();
  });

  it("a lock that a suspended tab never gives back delays the others and does not stop them", async () => {
    const name = randomUUID();
    const clock = testClock();
    const stuck = deferred();
    const sleeper = joinTabs(name, "sleeper", systemClock, taking);
    const held = sleeper.exclusively(() => stuck.promise);
    const waiter = joinTabs(name, "waiter", clock, taking);
    assert.equal(await clock.run(waiter.exclusively(async () => "went on")), "went on");
    stuck.resolve();
    await held;
    sleeper.close();
    waiter.close();
  });

  it("work that fails under the lock fails once and frees the lock", async () => {
    const tabs = joinTabs(randomUUID(), "a", systemClock, taking);
    let runs = 0;
    const work = async () => {
      runs += 1;
      throw new Error("no");
    };
    await assert.rejects(tabs.exclusively(work), /no/);
    assert.equal(runs, 1);
    assert.equal(await tabs.exclusively(async () => 1), 1);
    tabs.close();
  });
});

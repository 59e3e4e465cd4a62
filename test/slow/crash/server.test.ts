/**
 * The whole server, killed under load: what it had answered over HTTP is there when it is back, and what it had refused
 * stays refused. (The store by itself is killed 200 times: sqlite.test.ts.)
 *
 *   start ── load ── SIGKILL at a random moment ── start on the same data ── ask for everything that was answered
 */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { type Running, startLoginServer, temporaryFolder } from "../../processes.ts";

const ROUNDS = 20;
const PEOPLE = 4;
const PASSWORD = "a long passphrase to survive";

/** What the server has acknowledged of one session. */
interface Held {
  identifier: string;
  session: string;
  access: string;
  /** The newest refresh token that an answer carried; the one under way when the server died may have used it. */
  refresh: string;
  ended: boolean;
  /** A request was under way when the server died: it may or may not have happened. */
  unsure: boolean;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

type Answer = { readonly status: number; readonly body: Record<string, unknown> };

async function ask(url: string, method: string, path: string, token: string | null, body?: object): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? {} : JSON.parse(text) };
}

function logIn(url: string, identifier: string): Promise<Answer> {
  return ask(url, "POST", "/v1/sessions", null, { identifier, password: PASSWORD });
}

/** One person's life until the server dies: signs up, logs in, refreshes, and now and then logs out and in again. */
async function live(url: string, identifier: string, people: Set<string>, sessions: Held[]): Promise<void> {
  const made = await ask(url, "POST", "/v1/users", null, { identifier, password: PASSWORD });
  assert.equal(made.status, 201);
  people.add(identifier);
  for (;;) {
    const { status, body } = await logIn(url, identifier);
    assert.equal(status, 201);
    const session = (body.session as { id: string }).id;
    const held: Held = {
      identifier,
      session,
      access: String(body.access_token),
      refresh: String(body.refresh_token),
      ended: false,
      unsure: false,
    };
    sessions.push(held);
    for (let refreshes = Math.floor(Math.random() * 8); refreshes > 0; refreshes -= 1) {
      held.unsure = true;
      const next = await ask(url, "POST", "/v1/sessions/refresh", null, { refresh_token: held.refresh });
      assert.equal(next.status, 200);
      held.refresh = String(next.body.refresh_token);
      held.access = String(next.body.access_token);
      held.unsure = false;
    }
    if (Math.random() < 0.5) continue;
    held.unsure = true;
    assert.equal((await ask(url, "DELETE", "/v1/sessions/current", held.access)).status, 204);
    held.ended = true;
    held.unsure = false;
  }
}

/** Everything that was answered, asked for again. */
async function check(url: string, sessions: readonly Held[]): Promise<void> {
  for (const held of sessions) {
    const me = await ask(url, "GET", "/v1/me", held.access);
    const next = await ask(url, "POST", "/v1/sessions/refresh", null, { refresh_token: held.refresh });
    if (held.ended) {
      assert.deepEqual([me.status, me.body.reason], [401, "logout"]);
      assert.deepEqual([next.status, next.body.reason], [401, "logout"]);
    } else if (held.unsure) {
      // It happened whole or not at all: the token still works, or the log-out under way did.
      assert.ok(next.status === 200 || (next.status === 401 && next.body.reason === "logout"), JSON.stringify(next));
    } else {
      assert.equal(me.status, 200);
      assert.equal(next.status, 200);
    }
  }
}

let running: Running | undefined;
after(() => running?.kill());

test(`a server killed ${ROUNDS} times under load has everything that it had answered`, async (context) => {
  const folder = temporaryFolder((task) => context.after(task));
  // One port for all starts: it stands in the issuer, and so in every token.
  const settings = { MAPAE_RATE_LIMIT: "off", MAPAE_REFRESH_GRACE: "1m", MAPAE_PORT: String(await freePort()) };
  let asked = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const people = new Set<string>();
    const sessions: Held[] = [];
    const server = await startLoginServer(folder, settings);
    running = server;
    const lives = Array.from({ length: PEOPLE }, (_, index) =>
      live(server.url, `p${round}-${index}`, people, sessions),
    );
    await Promise.race([setTimeout(150 + Math.random() * 700), Promise.all(lives)]);
    await server.kill();
    for (const { status, reason } of (await Promise.allSettled(lives)).filter((life) => life.status === "rejected")) {
      // A life ends because the server is gone, and for no other reason.
      assert.equal(status, "rejected");
      assert.ok(reason instanceof TypeError, String(reason));
    }
    const again = await startLoginServer(folder, settings);
    running = again;
    for (const identifier of people) assert.equal((await logIn(again.url, identifier)).status, 201);
    await check(again.url, sessions);
    asked += people.size + sessions.length;
    assert.equal(await again.stop(), 0);
  }
  context.diagnostic(`acknowledged and checked: ${asked} accounts and sessions`);
  assert.ok(asked > ROUNDS);
});

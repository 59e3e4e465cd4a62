/** docs/rate-limits.md is driven: each limit refuses after as many as the page says, and no one is locked out (ASVS 6.1.1). */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createMapae, type Mapae } from "mapae";
import { parseDuration } from "../../packages/server/src/prelude/duration.ts";
import { readDocument } from "./document.ts";

const PASSWORD = "5523 steps to the river";
const HERE = "192.0.2.1";

interface Printed {
  readonly atOnce: number;
  readonly everyMs: number;
}

/** What the page says of a limit. */
function printed(limit: string): Printed {
  const row = new RegExp(`^\\| \`${limit}\` \\| .* \\| (\\d+) \\| (\\w+) \\|$`, "m").exec(
    readDocument("docs/rate-limits.md").text,
  );
  const everyMs = parseDuration(row?.[2] ?? "");
  assert.ok(row !== null && everyMs !== undefined, `the page has no limit ${limit}`);
  return { atOnce: Number(row[1]), everyMs };
}

function serve(t: TestContext): Mapae {
  const mapae = createMapae({ databaseUrl: "memory:", loginFloor: "0ms", logLevel: "silent" });
  t.after(() => mapae.close());
  return mapae;
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly retryAfter: string | null;
}

async function post(mapae: Mapae, path: string, body: object, remoteAddress = HERE, token?: string): Promise<Answer> {
  const headers = {
    "content-type": "application/json",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const url = `http://localhost:4000${path}`;
  const answer = await mapae.fetch(new Request(url, { method: "POST", headers, body: JSON.stringify(body) }), {
    remoteAddress,
  });
  const text = await answer.text();
  return {
    status: answer.status,
    body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
    retryAfter: answer.headers.get("retry-after"),
  };
}

/** Sends attempts until one is limited: after as many as the page says, and those that came back meanwhile. */
async function exhaust(limit: string, attempt: (index: number) => Promise<Answer>): Promise<void> {
  const { atOnce, everyMs } = printed(limit);
  const started = performance.now();
  for (let index = 0; ; index += 1) {
    const most = atOnce + Math.ceil((performance.now() - started) / everyMs);
    assert.ok(index <= most, `${limit}: ${index} attempts were let through`);
    const { status, retryAfter } = await attempt(index);
    if (status !== 429) continue;
    assert.ok(Number(retryAfter) >= 1, "429 without Retry-After");
    assert.ok(index >= atOnce, `${limit}: limited after ${index}`);
    return;
  }
}

const addressOf = (index: number) => `198.51.${index >> 8}.${index & 255}`;
const guess = (mapae: Mapae, identifier: string, address: string) =>
  post(mapae, "/v1/sessions", { identifier, password: "a wrong one" }, address);

test("guesses at one account are let through as often as the page says, wherever they come from", async (t) => {
  const mapae = serve(t);
  await post(mapae, "/v1/users", { identifier: "kim", password: PASSWORD });
  for (const identifier of ["kim", "nobody"]) {
    await exhaust("login_failures_of_account", (index) => guess(mapae, identifier, addressOf(index)));
  }
});

test("whoever is guessed at logs in on a device that is known, and on it only guesses count", async (t) => {
  const mapae = serve(t);
  await post(mapae, "/v1/users", { identifier: "kim", password: PASSWORD });
  const { body } = await post(mapae, "/v1/sessions", { identifier: "kim", password: PASSWORD });
  const device = { token: String(body.device_token) };
  await exhaust("login_failures_of_account", (index) => guess(mapae, "kim", addressOf(index)));
  const stranger = await post(mapae, "/v1/sessions", { identifier: "kim", password: PASSWORD }, "203.0.113.9");
  assert.equal(stranger.status, 429);
  const known = await post(mapae, "/v1/sessions", { identifier: "kim", password: PASSWORD, device }, "203.0.113.9");
  assert.equal(known.status, 201);
  await exhaust("login_failures_of_device", (index) =>
    post(mapae, "/v1/sessions", { identifier: "kim", password: "a wrong one", device }, addressOf(index)),
  );
});

test("guesses from one address at any accounts are let through as often as the page says", async (t) => {
  const mapae = serve(t);
  await exhaust("login_failures_of_address", (index) => guess(mapae, `user-${index}`, HERE));
});

test("a subscriber's whole IPv6 network counts as one address", async (t) => {
  const mapae = serve(t);
  await exhaust("login_failures_of_address", (index) =>
    guess(mapae, `user-${index}`, `2001:db8:1:2::${index.toString(16)}`),
  );
  assert.equal((await guess(mapae, "somebody", "2001:db8:1:3::1")).status, 401);
});

test("wrong current passwords are let through as often as the page says", async (t) => {
  const mapae = serve(t);
  await post(mapae, "/v1/users", { identifier: "kim", password: PASSWORD });
  const { body } = await post(mapae, "/v1/sessions", { identifier: "kim", password: PASSWORD });
  const wish = { current_password: "a wrong one", new_password: "a horse of nine posts" };
  await exhaust("password_checks_of_account", (index) =>
    post(mapae, "/v1/me/password", wish, addressOf(index), String(body.access_token)),
  );
});

test("sign-ups from one address are let through as often as the page says, refused ones included", async (t) => {
  const mapae = serve(t);
  await exhaust("sign_ups_of_address", (index) =>
    post(mapae, "/v1/users", { identifier: `user-${index}`, password: "password1" }),
  );
});

test("refused refreshes from one address are let through about as often as the page says", async (t) => {
  const mapae = serve(t);
  await exhaust("refused_refreshes_of_address", () => post(mapae, "/v1/sessions/refresh", { refresh_token: "forged" }));
});

test("right passwords are never limited", async (t) => {
  const mapae = serve(t);
  await post(mapae, "/v1/users", { identifier: "kim", password: PASSWORD });
  for (let index = 0; index < printed("login_failures_of_account").atOnce + 5; index += 1) {
    assert.equal((await post(mapae, "/v1/sessions", { identifier: "kim", password: PASSWORD })).status, 201);
  }
});

/** What docs/valkey.md says: its configuration is one without warnings, and its table of outages is true over HTTP. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { needsRedis, startRedis, until } from "../components/redis.ts";
import { readDocument } from "../docs/document.ts";
import { startLoginServer, temporaryFolder } from "../processes.ts";

const PERSON = { identifier: "kim@example.com", password: "one horse, two batteries" };

test(
  "the configuration in the document is taken without a warning, and the store may die as it says",
  needsRedis,
  async (t) => {
    const block = readDocument("docs/valkey.md").blocks.find(({ does }) => does === "file=redis.conf");
    assert.ok(block !== undefined);
    const redis = await startRedis(t, { settings: block.text.trim().split("\n") });
    const folder = temporaryFolder((task) => t.after(task));
    const server = await startLoginServer(folder, { MAPAE_VALKEY_URL: redis.url });
    t.after(() => server.stop());
    await until("the greeting", async () => server.told().includes("what to try first"));
    assert.doesNotMatch(server.told(), /WARNING/);

    const ask = async (method: string, path: string, body: unknown = null, token = "") => {
      const headers: Record<string, string> = { ...(token && { authorization: `Bearer ${token}` }) };
      if (body !== null) headers["content-type"] = "application/json";
      const sent = await fetch(server.url + path, {
        method,
        headers,
        ...(body !== null && { body: JSON.stringify(body) }),
      });
      const text = await sent.text();
      const answered = text.startsWith("{") ? (JSON.parse(text) as Record<string, string>) : {};
      return { status: sent.status, retryAfter: sent.headers.get("retry-after"), body: answered };
    };
    const logIn = () => ask("POST", "/v1/sessions", PERSON);
    const refresh = (token: string | undefined) => ask("POST", "/v1/sessions/refresh", { refresh_token: token });
    assert.equal((await ask("POST", "/v1/users", PERSON)).status, 201);
    const [here, there] = [await logIn(), await logIn()];
    assert.deepEqual([here.status, there.status], [201, 201]);
    assert.ok(Number(await redis.ask("DBSIZE")) > 5);

    await redis.kill();
    for (const answer of [await refresh(there.body.refresh_token), await logIn()]) {
      assert.equal(answer.status, 503);
      assert.ok(Number(answer.retryAfter) >= 1);
    }
    assert.equal((await ask("GET", "/.well-known/jwks.json")).status, 200);
    assert.equal((await ask("GET", "/readyz")).status, 200);
    assert.equal((await ask("DELETE", "/v1/sessions/current", null, here.body.access_token)).status, 204);
    assert.equal((await ask("GET", "/v1/me", null, here.body.access_token)).status, 401);

    await redis.start();
    await until("the store", async () => (await logIn()).status === 201);
    const over = await refresh(here.body.refresh_token);
    assert.deepEqual([over.status, over.body.code, over.body.reason], [401, "session_ended", "logout"]);
    assert.equal((await refresh(there.body.refresh_token)).status, 200);
  },
);

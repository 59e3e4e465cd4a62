/** `mapae gate` behind the real nginx and the real HAProxy: what comes through, what does not, and what outages look like. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createTestIssuer, type TestIssuer } from "@mapae/verifier/testing";
import { IDENTITY } from "../../packages/server/src/gate/identity.ts";
import { temporaryFolder } from "../processes.ts";
import {
  type Api,
  ask,
  bearer,
  freePort,
  type Program,
  type ProxyName,
  programOf,
  type Reply,
  type Seen,
  seen,
  startApi,
  startGate,
  startProxy,
  untilReady,
} from "./stage.ts";

interface Scene {
  readonly issuer: TestIssuer;
  readonly api: Api;
  readonly url: string;
  readonly gatePort: number;
  readonly proxy: Program;
  gate: Program;
  startGate(): Promise<Program>;
}

async function stage(t: TestContext, name: ProxyName, program: string): Promise<Scene> {
  const folder = temporaryFolder((task) => t.after(task));
  const issuer = createTestIssuer();
  await issuer.listen();
  t.after(() => issuer.close());
  const api = await startApi(t);
  const gatePort = await freePort();
  const { credentials } = issuer.feedOptions;
  assert.ok(credentials);
  const secret = join(folder, "client.secret");
  writeFileSync(secret, `${credentials.clientSecret}\n`, { mode: 0o600 });
  const args = ["--issuer", issuer.issuer, "--audience", issuer.audience, "--on-stale", "reject"];
  const open = () =>
    startGate(t, gatePort, [...args, "--client-secret-file", secret], { MAPAE_GATE_CLIENT_ID: credentials.clientId });
  const gate = await open();
  await untilReady(gate, gatePort);
  const { url, program: proxy } = await startProxy(t, program, name, folder, { gate: gatePort, api: api.port });
  return { issuer, api, url, gatePort, proxy, gate, startGate: open };
}

/** What the API was told about the user, by any spelling of the name. */
function identity({ headers }: Seen): Record<string, string> {
  return Object.fromEntries(headers.filter(([name]) => /^x.mapae/.test(name)));
}

function problem(reply: Reply): Record<string, unknown> {
  assert.match(reply.headers["content-type"] ?? "", /^application\/problem\+json/);
  return JSON.parse(reply.text) as Record<string, unknown>;
}

async function denied(scene: Scene, path: string, headers: readonly string[], status: number, code: string) {
  const before = scene.api.requests;
  const reply = await ask(`${scene.url}${path}`, headers);
  assert.equal(reply.status, status, reply.text);
  assert.equal(problem(reply).code, code);
  assert.equal(problem(reply).status, status);
  assert.equal(scene.api.requests, before, "the request reached the API");
  return reply;
}

async function unavailable(scene: Scene, headers: readonly string[]): Promise<void> {
  for (const path of ["/", "/reports", "/payments"]) {
    const reply = await denied(scene, path, headers, 503, "unavailable");
    assert.equal(reply.headers["retry-after"], "2");
    assert.equal(reply.headers["www-authenticate"], undefined);
  }
}

for (const name of ["nginx", "haproxy"] as const) {
  const program = programOf(name);
  test(`mapae gate behind ${name}`, { skip: program === null ? `${name} is not installed` : false }, async (t) => {
    if (program === null) return;
    const scene = await stage(t, name, program);
    const { issuer, api, url } = scene;
    const good = issuer.token({ scope: "account orders:read", roles: ["manager", "ops, eu"] });

    await t.test("a good token reaches the API as headers that say whose it is, and stays outside itself", async () => {
      const reply = await ask(`${url}/orders?page=2`, bearer(good), "POST", "two of them");
      assert.equal(reply.status, 200, reply.text + scene.proxy.told());
      const { method, url: target, headers, body } = seen(reply);
      assert.deepEqual([method, target, body], ["POST", "/orders?page=2", "two of them"]);
      assert.deepEqual(identity(seen(reply)), {
        "x-mapae-subject": "test-user",
        "x-mapae-session": "test-session",
        "x-mapae-client": "test-client",
        "x-mapae-scope": "account orders:read",
        "x-mapae-roles": "manager,ops%2C%20eu",
      });
      assert.ok(!headers.some(([header]) => header === "authorization"));
    });

    await t.test("what the API itself answers is not taken for the gate's", async () => {
      assert.equal((await ask(`${url}/broken`, bearer(good))).status, 500);
    });

    await t.test(
      "no client says who it is: X-Mapae headers of its own never arrive, however they are spelt",
      async () => {
        const names = [...Object.keys(IDENTITY), "X-Mapae-Problem"];
        const spelt = names.flatMap((header) => [header, header.toLowerCase(), header.replaceAll("-", "_")]);
        const injected = spelt.flatMap((header) => [header, "root"]);
        const withToken = seen(
          await ask(`${url}/orders`, [...injected, ...bearer(issuer.token({ scope: "account" }))]),
        );
        assert.deepEqual(identity(withToken), {
          "x-mapae-subject": "test-user",
          "x-mapae-session": "test-session",
          "x-mapae-client": "test-client",
          "x-mapae-scope": "account",
        });
        assert.deepEqual(identity(seen(await ask(`${url}/news`, injected))), {});
        await denied(scene, "/orders", injected, 401, "missing_token");
      },
    );

    await t.test("a claim cannot end its header or begin another", async () => {
      const token = issuer.token({ scope: "account", sub: '김 유신\r\nX-Mapae-Roles: admin,"%0d' });
      const { headers } = seen(await ask(`${url}/orders`, bearer(token)));
      const subjects = headers.filter(([header]) => header === "x-mapae-subject").map(([, value]) => value);
      assert.equal(subjects.length, 1);
      assert.match(subjects[0] ?? "", /^[\x21-\x7e]+$/);
      assert.equal(decodeURIComponent(subjects[0] ?? ""), '김 유신\r\nX-Mapae-Roles: admin,"%0d');
      assert.ok(!headers.some(([header]) => header === "x-mapae-roles"));
    });

    await t.test("expired, of another audience, forged, unsigned: 401 that says no more than it must", async () => {
      for (const fault of [
        "token_expired",
        "invalid_audience",
        "invalid_signature",
        "unsupported_algorithm",
      ] as const) {
        const reply = await denied(scene, "/orders", bearer(issuer.tokenWith(fault)), 401, "invalid_token");
        const challenge = reply.headers["www-authenticate"] ?? "";
        assert.match(challenge, /^Bearer realm="https:\/\/api\.test", error="invalid_token"/);
        assert.equal(challenge.match(/Bearer/g)?.length, 1, "the challenge stands twice");
      }
    });

    await t.test("no token, another scheme, a malformed header, an empty one: 401", async () => {
      const missing = await denied(scene, "/orders", [], 401, "missing_token");
      assert.equal(missing.headers["www-authenticate"], 'Bearer realm="https://api.test"');
      await denied(scene, "/orders", ["Authorization", "Basic a2RX"], 401, "missing_token");
      await denied(scene, "/orders", ["Authorization", `Bearer ${good} x`], 401, "invalid_request");
    });

    await t.test("two Authorization headers are refused in either order, also where a token is optional", async () => {
      const other = bearer(issuer.tokenWith("invalid_signature"));
      for (const path of ["/orders", "/news"]) {
        for (const headers of [
          [...bearer(good), ...other],
          [...other, ...bearer(good)],
          [...bearer(good), ...bearer(good)],
          [...bearer(good), "Authorization", "Basic a2RX"],
          ["Authorization", "Basic a2RX", ...bearer(good)],
        ]) {
          const before = api.requests;
          const reply = await ask(`${url}${path}`, headers);
          assert.ok(reply.status === 401 || reply.status === 400, `${reply.status}`);
          assert.equal(api.requests, before, "the request reached the API");
        }
      }
    });

    await t.test("a token that is not enough: 403 with what is missing, 401 where only a log-in helps", async () => {
      const plain = issuer.token({ scope: "orders:read" });
      const scope = await denied(scene, "/orders", bearer(plain), 403, "insufficient_scope");
      assert.match(scope.headers["www-authenticate"] ?? "", /error="insufficient_scope".*scope="account"/);
      await denied(scene, "/reports", bearer(plain), 403, "insufficient_role");
      assert.equal((await ask(`${url}/reports`, bearer(good))).status, 200);
      const old = issuer.token({ auth_time: Math.floor(Date.now() / 1000) - 301 });
      const fresh = await denied(scene, "/payments", bearer(old), 401, "insufficient_user_authentication");
      assert.match(fresh.headers["www-authenticate"] ?? "", /max_age="300"/);
    });

    await t.test("where a token is optional, nobody passes as nobody, and a bad token does not pass", async () => {
      assert.deepEqual(identity(seen(await ask(`${url}/news`))), {});
      const known = seen(await ask(`${url}/news`, bearer(good)));
      assert.equal(identity(known)["x-mapae-subject"], "test-user");
      await denied(scene, "/news", bearer(issuer.tokenWith("token_expired")), 401, "invalid_token");
    });

    await t.test("a client cannot choose what is asked of it, nor ask the gate itself", async () => {
      const query = "?token=optional&scope=none";
      await denied(scene, `/orders${query}`, [], 401, "missing_token");
      const inside = await ask(`${url}/_gate/anyone${query}`);
      assert.ok(inside.status === 404 || inside.status === 401, `${inside.status}`);
      assert.notEqual((await ask(`${url}/verify${query}`)).status, 204);
    });

    await t.test("a session that ended is refused at once, and the client is told why", async () => {
      const evicted = issuer.token({ scope: "account", sid: "phone" });
      assert.equal((await ask(`${url}/orders`, bearer(evicted))).status, 200);
      await issuer.revoke("session", "phone", "evicted");
      const reply = await denied(scene, "/orders", bearer(evicted), 401, "token_revoked");
      assert.equal(problem(reply).reason, "evicted");
      assert.equal((await ask(`${url}/orders`, bearer(good))).status, 200);
    });

    await t.test("tokens of a key that was revoked are refused, those of the next one are not", async () => {
      const kid = issuer.jwks.keys[0]?.kid;
      assert.ok(typeof kid === "string");
      issuer.rotate({ drop: true });
      await issuer.revoke("key", kid);
      await denied(scene, "/orders", bearer(good), 401, "token_revoked");
      assert.equal((await ask(`${url}/orders`, bearer(issuer.token({ scope: "account" })))).status, 200);
    });

    const token = bearer(issuer.token({ scope: "account", roles: ["manager"], auth_time: Date.now() / 1000 }));
    await t.test("a gate that is away lets nothing through, and is no reason to log anybody out", async () => {
      assert.equal(await scene.gate.stop(), 0);
      await unavailable(scene, token);
      await unavailable(scene, []);
    });

    await t.test("a gate that cannot reach the issuer's keys knows neither yes nor no", async () => {
      issuer.outage(true);
      scene.gate = await scene.startGate();
      await unavailable(scene, token);
      assert.equal((await ask(`http://127.0.0.1:${scene.gatePort}/readyz`)).status, 503);
      assert.match(scene.gate.told(), /not ready, every token is answered 503/);
    });

    await t.test("as soon as it has them, it serves again", async () => {
      issuer.outage(false);
      await untilReady(scene.gate, scene.gatePort);
      assert.equal((await ask(`${url}/orders`, token)).status, 200);
    });

    await t.test("a gate that hangs is as one that is away", async () => {
      scene.gate.child.kill("SIGSTOP");
      await denied(scene, "/orders", token, 503, "unavailable");
      scene.gate.child.kill("SIGCONT");
    });

    assert.ok(!scene.gate.told().includes("eyJ"), "a token stands in what the gate says");
  });
}

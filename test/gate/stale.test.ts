/** A gate that is cut off from the issuer: each route does what it asked for, and no route calls it a bad token. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestIssuer } from "@mapae/verifier/testing";
import { ask, bearer, freePort, startGate, untilReady } from "./stage.ts";

const PATIENCE_MS = 30_000;

test("when the lease ends a route that rejects is 503, one that accepts goes on, and both return to the truth", async (t) => {
  const issuer = createTestIssuer();
  await issuer.listen();
  t.after(() => issuer.close());
  const { credentials } = issuer.feedOptions;
  assert.ok(credentials);
  const port = await freePort();
  const args = ["--issuer", issuer.issuer, "--audience", issuer.audience, "--client-id", credentials.clientId];
  const gate = await startGate(t, port, [...args, "--on-stale", "accept", "--accept-for", "1h"], {
    MAPAE_GATE_CLIENT_SECRET: credentials.clientSecret,
  });
  await untilReady(gate, port);
  const token = issuer.token({ sid: "phone" });
  const verify = async (query: string) => (await ask(`http://127.0.0.1:${port}/verify${query}`, bearer(token))).status;
  const until = async (query: string, status: number) => {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      const got = await verify(query);
      if (got === status) return;
      assert.ok(got === 204 || got === 503, `${got}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail(`${query} did not become ${status}\n${gate.told()}`);
  };

  assert.deepEqual([await verify(""), await verify("?on_stale=reject")], [204, 204]);
  issuer.outage(true);
  await until("?on_stale=reject", 503);
  assert.equal(await verify(""), 204);
  const page = (await ask(`http://127.0.0.1:${port}/metrics`)).text;
  assert.match(page, /^mapae_gate_revocation_trusted 0$/m);
  issuer.outage(false);
  await until("?on_stale=reject", 204);
  await issuer.revoke("session", "phone", "logout");
  // A gate that has just come back may poll for a while: then it is a matter of the lease, not of milliseconds.
  await until("", 401);
  assert.equal(await verify("?on_stale=reject"), 401);
});

/**
 * Two real Mapae servers, each a process with a database of its own: one transmits, the other receives, pushed and polled.
 * Whoever is logged out at the one is logged out at the other, also when either is killed in between.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { createVerifier } from "@mapae/verifier";
import { documents, mapae, type Ran } from "../cli/mapae.ts";
import { type Running, startLoginServer, temporaryFolder } from "../processes.ts";
import { type Json, object, PASSWORD, text } from "../stage.ts";

const SETTINGS = { MAPAE_RATE_LIMIT: "off", MAPAE_DANGEROUSLY_ALLOW_SSF_TO: "127.0.0.1,::1" };
const PATIENCE_MS = 30_000;
const KIM = { identifier: "kim@example.com", password: PASSWORD };

async function ask(server: Running, path: string, body: unknown): Promise<Json> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${server.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return object(await answer.json());
}

/** Why a token's session has ended; `null` while it lives. */
async function endOf(server: Running, token: string): Promise<unknown> {
  const answer = await fetch(`${server.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
  return answer.status === 200 ? null : object(await answer.json()).reason;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const late = AbortSignal.timeout(PATIENCE_MS);
  while (!(await holds())) {
    assert.ok(!late.aborted, what);
    await setTimeout(50);
  }
}

function ok(ran: Ran): Json {
  assert.equal(ran.code, 0, ran.stderr);
  return object(documents(ran)[0]);
}

for (const method of ["poll", "push"] as const) {
  test(`two servers, ${method}: ended there is ended here`, async (t) => {
    const [there, here] = [temporaryFolder((task) => t.after(task)), temporaryFolder((task) => t.after(task))];
    // The addresses stay what they are through restarts: they stand in every event.
    const ports = { there: await freePort(), here: await freePort() };
    const settings = {
      there: { ...SETTINGS, MAPAE_PORT: `${ports.there}` },
      here: { ...SETTINGS, MAPAE_PORT: `${ports.here}` },
    };
    let transmitter = await startLoginServer(there, settings.there);
    t.after(() => transmitter.kill());
    let receiver = await startLoginServer(here, settings.here);
    t.after(() => receiver.kill());
    for (const server of [transmitter, receiver]) await ask(server, "/v1/users", KIM);

    const client = ok(await mapae(there, ["clients", "create", "other-mapae", "--json"], { settings: settings.there }));
    const added = await mapae(
      here,
      [
        "ssf",
        "receivers",
        "add",
        transmitter.url,
        `--${method}`,
        "--client",
        "other-mapae",
        "--domain",
        "example.com",
        "--json",
      ],
      { settings: settings.here, stdin: `${text(client.client_secret)}\n` },
    );
    const id = text(object(ok(added).receiver).id);
    const stream = text(object(ok(added).receiver).stream_id);
    // Users of two servers have nothing in common but their address: an operator there gives it away.
    ok(
      await mapae(there, ["ssf", "streams", "set", stream, "--naming", "email", "--json"], {
        settings: settings.there,
      }),
    );

    // An API of the receiving server, which knows nothing of the other.
    const api = ok(await mapae(here, ["clients", "create", "orders", "--json"], { settings: settings.here }));
    const verifier = createVerifier({
      issuer: receiver.url,
      audience: receiver.url,
      credentials: { clientId: "orders", clientSecret: text(api.client_secret) },
      revocation: { onStale: "reject" },
    });
    t.after(() => verifier.close());
    await verifier.ready();
    /** What the API says of a token: `null` where it accepts it. */
    const verdict = (token: string): unknown => {
      const judged = verifier.verify(token);
      if (judged.ok) return null;
      return judged.code === "token_revoked" ? judged.reason : judged.code;
    };

    const logIn = async (): Promise<string> => text((await ask(receiver, "/v1/sessions", KIM)).access_token);
    const endThere = async () =>
      ok(
        await mapae(there, ["sessions", "revoke", "--user", KIM.identifier, "--yes", "--json"], {
          settings: settings.there,
        }),
      );

    const first = await logIn();
    assert.equal(await endOf(receiver, first), null);
    assert.equal(verdict(first), null);
    await endThere();
    await until("the API refuses it", async () => verdict(first) === "reported");
    await until("it is ended here", async () => (await endOf(receiver, first)) === "reported");

    // Ended there while this server is down: told when it is back.
    const second = await logIn();
    await receiver.kill();
    await endThere();
    receiver = await startLoginServer(here, settings.here);
    await until("it is ended here too", async () => (await endOf(receiver, second)) === "reported");
    await until("and at the API", async () => verdict(second) === "reported");
    const fresh = await logIn();
    await until("who logs in again is let in", async () => verdict(fresh) === null);

    // And the other way round: killed the moment it has acknowledged.
    const third = await logIn();
    await endThere();
    await transmitter.kill();
    transmitter = await startLoginServer(there, settings.there);
    await until("nothing was lost there", async () => (await endOf(receiver, third)) === "reported");

    ok(await mapae(here, ["ssf", "receivers", "verify", id, "--json"], { settings: settings.here }));
    const listed = async () =>
      ok(await mapae(here, ["ssf", "receivers", "list", "--json"], { settings: settings.here }));
    await until("the verification is back", async () => (await listed()).verified_at !== null);
    const { events, rejected, state } = await listed();
    assert.ok(Number(events) >= 3);
    assert.deepEqual([rejected, state], [0, "active"]);

    const paused = await mapae(here, ["ssf", "receivers", "set", id, "--pause"], { settings: settings.here });
    assert.match(paused.stdout, /is paused; names users of example\.com; disables no accounts/);
    const removed = await mapae(here, ["ssf", "receivers", "remove", id, "--yes", "--json"], {
      settings: settings.here,
    });
    assert.deepEqual(ok(removed), { removed: id, left: null });
    const streams = await mapae(there, ["ssf", "streams", "list", "--json"], { settings: settings.there });
    assert.deepEqual(documents(streams), []);
  });
}

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

/** `mapae relay` as a program: what it says, what it refuses, and how it ends. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { mapae, type Ran } from "../cli/mapae.ts";
import { environment, freePort, LOGIN_SERVER, start, temporaryFolder } from "../processes.ts";
import { plant, RELAY_LINE, type Tree, until } from "./stage.ts";

const tasks: (() => void | Promise<void>)[] = [];
after(async () => {
  for (const task of tasks.reverse()) await task();
});

let tree: Tree;
let folder: string;
before(async () => {
  tree = await plant((task) => void tasks.push(task));
  folder = temporaryFolder((task) => tasks.push(task));
});

const SECRET = "a-secret-that-is-nobodys";
const relay = (args: readonly string[], settings: Record<string, string> = {}): Promise<Ran> =>
  mapae(folder, ["relay", ...args], { settings });

describe("mapae relay", () => {
  test("says in one line what is missing, wrong or misspelt, without the secret, and ends with the code for that", async () => {
    const least = ["--issuer", "https://login.example.com", "--client-id", "relay"];
    const env = { MAPAE_RELAY_CLIENT_SECRET: SECRET };
    for (const [args, settings, says] of [
      [[], {}, /--issuer \(MAPAE_RELAY_ISSUER\) is needed/],
      [["--issuer", "https://login.example.com"], {}, /--client-id \(MAPAE_RELAY_CLIENT_ID\) is needed/],
      [least, {}, /needs --client-secret-file, or MAPAE_RELAY_CLIENT_SECRET/],
      [[...least, "--client-secret-file", "/nowhere"], {}, /\/nowhere cannot be read/],
      [least, { ...env, MAPAE_RELAY_LISTENS: "x" }, /MAPAE_RELAY_LISTENS is no setting of the relay/],
      [[...least, "--listen", "4200"], env, /--listen \(MAPAE_RELAY_LISTEN\) must be host:port/],
      [[...least, "--upstream", "http://relay.example.com"], env, /--upstream .* expected an https: address/],
      [least, { ...env, MAPAE_RELAY_METRICS_TOKEN: SECRET.slice(0, 9) }, /METRICS_TOKEN is not tokens of at least 16/],
    ] as const) {
      const ran = await relay(args, settings);
      assert.equal(ran.code, 2, ran.stderr);
      assert.match(ran.stderr, says);
      assert.ok(!`${ran.stderr}${ran.stdout}`.includes(SECRET.slice(0, 9)));
    }
  });

  test("says that its port is taken", async () => {
    const running = await tree.relay();
    const args = ["--issuer", tree.issuer, "--client-id", "relay", "--listen", new URL(running.url).host];
    const ran = await relay(args, { MAPAE_RELAY_CLIENT_SECRET: await tree.resourceServer("relay") });
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /Port \d+ on 127\.0\.0\.1 is in use/);
  });

  test("tells whom it follows, is ready then, measures, and says when its lease is gone", async () => {
    const running = await tree.relay();
    await until("it says so", () => /relays the revocations for .* by stream, from the issuer/.test(running.told()));
    assert.equal((await fetch(`${running.url}/readyz`)).status, 200);
    assert.equal((await fetch(`${running.url}/healthz`)).status, 200);
    const measured = await (await fetch(`${running.url}/metrics`)).text();
    assert.match(measured, /^mapae_relay_lease_left_seconds [01]\.\d+$/m);
    assert.match(measured, /^mapae_feed_connections 0$/m);
    assert.equal((await fetch(`${running.url}/v1/users`)).status, 404);
    await tree.operator("DELETE", "/v1/admin/clients/relay");
    await until("it says so", () =>
      /holds no lease from http:\S+ \(as relay\), and gives none: the server refused/.test(running.told()),
    );
    const unready = await fetch(`${running.url}/readyz`);
    assert.equal(unready.status, 503);
    assert.match(await unready.text(), /holds no lease/);
    assert.equal(await running.stop(), 0);
  });

  test("that follows itself says so and serves nobody", async () => {
    const port = await freePort();
    const secret = await tree.resourceServer("looped");
    const address = `127.0.0.1:${port}`;
    const args = ["relay", "--issuer", tree.issuer, "--upstream", `http://${address}`, "--listen", address];
    const env = environment({ MAPAE_RELAY_CLIENT_ID: "looped", MAPAE_RELAY_CLIENT_SECRET: secret });
    const running = await start([LOGIN_SERVER, ...args], env, folder, RELAY_LINE);
    await until("it says so", () => /holds no lease .*circle: this one follows itself/.test(running.told()));
    assert.equal((await fetch(`${running.url}/readyz`)).status, 503);
    assert.ok(!running.told().includes(secret));
    assert.equal(await running.stop(), 0);
  });
});

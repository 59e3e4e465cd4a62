/** `mapae revoke`: through a server whose verifiers hold leases, and without one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ORIGIN } from "@mapae/verifier/revocation";
import { z } from "zod";
import { startLoginServer, temporaryFolder } from "../processes.ts";
import { documents, mapae } from "./mapae.ts";

const LEASE = { MAPAE_REVOCATION_LEASE: "2s", MAPAE_LOGIN_FLOOR: "1ms" };
const confirmation = z.looseObject({
  confirmed: z.boolean(),
  acknowledged: z.number(),
  outstanding: z.array(z.looseObject({ client_id: z.string(), instance: z.string() })),
  position: z.object({ epoch: z.number(), seq: z.number() }),
});

test("beside a server: written, watched until it is confirmed, and named who did not acknowledge", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const server = await startLoginServer(folder, LEASE);
  t.after(() => server.stop());
  const one = async (args: readonly string[], code = 0) => {
    const ran = await mapae(folder, ["revoke", ...args, "--json"], { settings: LEASE });
    assert.equal(ran.code, code, ran.stderr);
    return confirmation.parse(documents(ran)[0]);
  };
  const free = await one(["session", "ses_unknown"]);
  assert.deepEqual([free.confirmed, free.acknowledged, free.outstanding], [true, 0, []]);

  const made = await mapae(folder, ["clients", "create", "orders", "--json"]);
  const secret = z.looseObject({ client_secret: z.string() }).parse(documents(made)[0]).client_secret;
  const authorization = `Basic ${btoa(`orders:${secret}`)}`;
  const poll = async () => {
    const { epoch, seq } = (await one(["session", "ses_unknown", "--no-wait"])).position;
    const url = `${server.url}/v1/revocations?after=${epoch}.${seq}&ping=1`;
    assert.equal((await fetch(url, { headers: { authorization } })).status, 200);
  };
  await poll();
  const waited = await one(["token", "some-jti", "--reason", "logout"]);
  assert.deepEqual([waited.confirmed, waited.outstanding.map(({ client_id }) => client_id)], [true, ["orders"]]);
  await poll();
  const late = await one(["token", "another-jti", "--timeout", "200ms"], 4);
  assert.equal(late.confirmed, false);

  const human = await mapae(folder, ["revoke", "token", "a-third-jti"]);
  assert.match(human.stdout, /^confirmed after .*: no verifier accepts it any more; 0 of \d acknowledged$/m);
  assert.match(human.stdout, /did not acknowledge +orders \(ins_/);
});

test("mistakes are told before anything is tried", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["planet", "x"], /there is no kind planet/],
    [["session"], /which session\? Give its id/],
    [["all", "x"], /`all` takes no id/],
    [["all"], /--yes/],
    [["key", "x"], /--yes/],
    [["session", "x", "--timeout", "soon"], /--timeout is no duration/],
    [["session", "x", "--reason", "because"], /reason/],
  ];
  for (const [args, says] of cases) {
    const ran = await mapae(folder, ["revoke", ...args]);
    assert.equal(ran.code, 2, args.join(" "));
    assert.match(ran.stderr, says);
  }
});

test("without a server it waits for the leases that the last one may have given", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const server = await startLoginServer(folder, LEASE);
  await server.stop();
  const begun = performance.now();
  const ran = await mapae(folder, ["revoke", "all", "--yes", "--json"], { settings: LEASE });
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(confirmation.parse(documents(ran)[0]).confirmed, true);
  assert(performance.now() - begun >= 2_000);
  assert.notEqual(confirmation.parse(documents(ran)[0]).position.epoch, ORIGIN.epoch);
});

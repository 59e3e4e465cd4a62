/** Sessions in a real Valkey or Redis that loses them: the log of revocations is elsewhere, and decides. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Verifier } from "@mapae/verifier";
import { needsRedis, type RedisServer, startRedis } from "../components/redis.ts";
import { temporaryFolder } from "../processes.ts";
import type { Answer } from "../stage.ts";
import { type Service, startService } from "./service.ts";

const cleaning: (() => unknown)[] = [];
let valkey: RedisServer;
let service: Service;
let verifier: Verifier;
before(async () => {
  if (needsRedis.skip) return;
  const cleanUp = { after: (task: () => unknown) => void cleaning.push(task) };
  // What it has on its disk is what SAVE put there.
  valkey = await startRedis(cleanUp, { settings: ["appendonly no", 'save ""'] });
  const folder = temporaryFolder((task) => cleaning.push(task));
  const secret = Buffer.alloc(32, 7).toString("base64url");
  service = await startService({ databaseUrl: `sqlite:${join(folder, "mapae.db")}`, secret, valkeyUrl: valkey.url });
  verifier = await service.verifier(await service.resourceServer("orders"));
  await service.signUp("kim");
});
after(async () => {
  await service?.close();
  for (const task of cleaning.reverse()) await task();
});

const codeOf = (token: string): string => {
  const verdict = verifier.verify(token);
  return verdict.ok ? "ok" : verdict.code;
};
const logOut = (token: string): Promise<Answer> => service.call("DELETE", "/v1/sessions/current?wait=all", { token });
const refresh = (refresh_token: string): Promise<Answer> =>
  service.call("POST", "/v1/sessions/refresh", { body: { refresh_token } });

test(
  "a flushed Valkey: what was revoked stays revoked, and whoever lost the session logs in again",
  needsRedis,
  async () => {
    const [dead, lost] = [await service.logIn("kim"), await service.logIn("kim")];
    assert.equal((await logOut(dead.access)).body.confirmed, true);
    await valkey.ask("FLUSHALL");
    assert.notEqual(codeOf(dead.access), "ok");
    for (const { refresh: token } of [dead, lost]) {
      const answer = await refresh(token);
      assert(answer.status >= 400 && answer.status < 500, answer.text);
    }
    const again = await service.logIn("kim");
    while (codeOf(again.access) !== "ok") await sleep(10);
    assert.equal(codeOf(dead.access), "token_revoked");
    assert.equal((await logOut(again.access)).body.confirmed, true);
    assert.notEqual(codeOf(again.access), "ok");
  },
);

test(
  "a Valkey that comes back without its last seconds: a session that was revoked meanwhile is not revived",
  needsRedis,
  async () => {
    const tokens = await service.logIn("kim");
    await valkey.ask("SAVE");
    assert.equal((await logOut(tokens.access)).body.confirmed, true);
    await valkey.kill();
    await valkey.start();
    assert(Number(await valkey.ask("DBSIZE")) > 0, "it has what SAVE wrote");
    for (let tries = 0; tries < 300; tries += 1) {
      const answer = await refresh(tokens.refresh);
      assert(answer.status >= 400, answer.text);
      if (answer.status < 500) break;
      await sleep(100);
    }
    assert.notEqual(codeOf(tokens.access), "ok");
    const again = await service.logIn("kim");
    while (codeOf(again.access) !== "ok") await sleep(10);
  },
);

/** A memory cap that must never evict silently, over real sockets: more is revoked than a verifier may hold. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Service, startService } from "./service.ts";

const ROOM = 3;

let service: Service;
before(async () => {
  service = await startService();
  await service.signUp("kim");
});
after(() => service.close());

test("a memory cap that must never evict silently: what is known is refused, and nothing is accepted beyond it", async () => {
  const small = await service.resourceServer("small");
  const revocation = { onStale: "reject", maxEntries: ROOM } as const;
  const verifier = await service.verifier(small, { revocation });
  const tokens = await Promise.all(Array.from({ length: 2 * ROOM }, () => service.logIn("kim")));
  const codeOf = (token: string) => {
    const verdict = verifier.verify(token);
    return verdict.ok ? "ok" : verdict.code;
  };
  for (const [index, { access }] of tokens.entries()) {
    const answer = await service.call("DELETE", "/v1/sessions/current?wait=all", { token: access });
    assert.equal(answer.body.confirmed, true);
    // What it has no room for it must not acknowledge.
    if (index < ROOM) while (codeOf(access) !== "token_revoked") await sleep(10);
    else assert.deepEqual([answer.body.acknowledged, codeOf(access) === "ok"], [0, false]);
  }
  while (verifier.status()?.trust === "live") await sleep(10);
  for (const { access } of tokens.slice(0, ROOM)) assert.equal(codeOf(access), "token_revoked");
  assert.equal(codeOf((await service.logIn("kim")).access), "revocation_unknown");
  assert.match(verifier.status()?.trouble ?? "", /full/);
  assert.equal(verifier.status()?.entries, ROOM);
  verifier.close();
});

/** Troubles of what is written in the log, and of who writes it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { mapae } from "../../cli/mapae.ts";
import { claimsOf, object, text } from "../../stage.ts";
import { later } from "./child.ts";
import { clock } from "./oracle.ts";
import { PASSWORD, type Stage } from "./stage.ts";

const ATTEMPTS = 5;

export function log(of: () => Stage): void {
  test("16 concurrent revokers, some of whom do not wait for their answer", async () => {
    const stage = of();
    const names = await Promise.all(Array.from({ length: 16 }, () => stage.mint("many")));
    await Promise.all(names.map((name, index) => stage.revoke(name, index % 2 === 0 ? "all" : "none")));
    await stage.settle();
  });

  test("revoke during a refresh: what the refresh gave is dead too", async () => {
    const stage = of();
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const answer = await stage.request("POST", "/v1/sessions", { identifier: "kim", password: PASSWORD });
      const name = await stage.adopt("refreshed", text(answer.access_token));
      const refresh = { refresh_token: answer.refresh_token };
      const [fresh] = await Promise.all([
        stage.request("POST", "/v1/sessions/refresh", refresh).catch(() => null),
        later(attempt).then(() => stage.revoke(name, "all")),
      ]);
      if (fresh === null) continue;
      const { revokeBegan, revokeDone, confirmedAt } = stage.truth(name);
      await stage.adopt("refresh", text(fresh.access_token), { revokeBegan, revokeDone, confirmedAt });
    }
    await stage.settle();
  });

  test("logging in again in the same millisecond as `user` is revoked", async () => {
    const stage = of();
    const names = [await stage.mint("before"), ...stage.living()];
    const { sub } = claimsOf(stage.truth(names[0] ?? "").token);
    await stage.take({ kind: "user", id: sub }, names, "all");
    await stage.mint("again");
    await stage.settle();
  });

  test("overlapping kinds", async () => {
    const stage = of();
    const name = await stage.mint("overlap");
    const { sub, sid, jti, gid } = claimsOf(stage.truth(name).token);
    const wide = [name, ...stage.living()];
    await Promise.all([
      stage.take({ kind: "token", id: jti }, [name]),
      stage.take({ kind: "grant", id: gid }, [name], "all"),
      stage.take({ kind: "session", id: sid }, [name]),
      stage.take({ kind: "user", id: sub }, wide, "all"),
    ]);
    await stage.take({ kind: "all", confirm: "everyone" }, wide, "all");
    await stage.mint("after");
    await stage.settle();
  });

  test("expired feed credentials mid-stream: a deleted resource server trusts its copy no longer than N", async () => {
    const stage = of();
    const gone = (["streams", "polls", "introspects"] as const).map((kind) => stage.of(kind).at(-1));
    for (const verifier of gone) {
      assert(verifier !== undefined);
      await stage.operator("DELETE", `/v1/admin/clients/${verifier.clientId}`, null);
    }
    await stage.revokeDuring("cut");
    for (const verifier of gone) {
      assert(verifier !== undefined);
      assert.equal((await verifier.look()).live, false);
      await stage.dismiss(verifier);
    }
    await stage.settle();
  });

  test("a retired key against a cached key set: its tokens are dead, and the next key's are good", async () => {
    const stage = of();
    const name = await stage.mint("key");
    const header = Buffer.from(stage.truth(name).token.split(".")[0] ?? "", "base64url").toString();
    const kid = text(object(JSON.parse(header)).kid);
    const names = [...stage.oracle.truths.keys()];
    for (const each of names) stage.truth(each).keyGone = true;
    await stage.take({ kind: "key", id: kid, confirm: kid }, names, "all");
    await stage.mint("next-key");
    await stage.settle();
  });

  test("restore from a backup: what lived before it is dead everywhere, and a new log-in is good", async () => {
    const stage = of();
    const backup = join(stage.folder, "backup.db");
    const made = await mapae(stage.folder, ["backup", backup], { settings: stage.settings });
    assert.equal(made.code, 0, made.stderr);
    const name = await stage.mint("tail");
    await stage.revoke(name, "all");
    await stage.endServer("SIGKILL");
    const truths = [...stage.oracle.truths.values()];
    const began = clock();
    for (const truth of truths) {
      truth.keyGone = true;
      truth.revokeBegan = Math.min(truth.revokeBegan, began);
    }
    const restored = await mapae(stage.folder, ["restore", backup, "--yes"], { settings: stage.settings });
    assert.equal(restored.code, 0, restored.stderr);
    await stage.startServer();
    const done = clock();
    for (const truth of truths) truth.revokeDone = Math.min(truth.revokeDone, done);
    await stage.mint("restored");
    await stage.settle();
  });
}

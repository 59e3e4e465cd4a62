import assert from "node:assert/strict";
import { test } from "node:test";
import { SYSTEM } from "../audit/event.ts";
import { keyIdOf } from "../passwords/pepper.ts";
import { createLogger } from "../prelude/log.ts";
import { openServer } from "../server/server.ts";
import { readConfig } from "../settings/config.ts";
import { rotatePepper } from "./pepper.ts";

test("a rotated pepper moves every hash, and everyone still logs in", async () => {
  const read = readConfig({ databaseUrl: "memory:", logLevel: "silent" });
  assert.ok(read.ok);
  const server = await openServer({
    config: read.config,
    issuer: "http://localhost:4000",
    logger: createLogger("silent"),
  });
  const { operations } = server;
  const people = ["kim@example.com", "lee@example.com"];
  for (const identifier of people) {
    const made = await operations.signUp({ identifier, password: "a long passphrase", name: null, roles: [] }, SYSTEM);
    assert.ok(made.ok);
  }
  const services = { ...operations, users: operations.storage.users, audit: operations.storage.audit };
  const rotated = await rotatePepper(services, SYSTEM);
  assert.equal(rotated.moved, 2);
  for (const identifier of people) {
    const user = await operations.storage.users.findByIdentifier(identifier);
    assert.ok(user?.password);
    assert.equal(keyIdOf(user.password), rotated.key);
    assert.deepEqual(await operations.passwords.verify("a long passphrase", user.password, user.id), {
      ok: true,
      match: true,
    });
  }
  const [event] = (await operations.storage.audit.list({ name: "pepper.rotated" }, { limit: 1, after: null })).items;
  assert.deepEqual(event?.detail, { key: rotated.key, moved: 2 });
  await server.close();
});

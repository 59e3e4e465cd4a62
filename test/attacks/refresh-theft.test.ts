/** A refresh token in a thief's hands, and refresh tokens that nobody issued. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Storage } from "../../packages/server/src/storage/storage.ts";
import { type Answer, claimsOf, object, openStage, type Stage, type Tokens, text } from "../stage.ts";

const GRACE = 10_000;
let stage: Stage;
let storeCalls = 0;

/** Counts every operation of the store that a request could cause. */
function counted(storage: Storage): Storage {
  const count = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get(target, name, receiver) {
        const member: unknown = Reflect.get(target, name, receiver);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          storeCalls += 1;
          return member.apply(target, args);
        };
      },
    });
  return {
    ...storage,
    users: count(storage.users),
    sessions: count(storage.sessions),
    grants: count(storage.grants),
    clients: count(storage.clients),
    audit: count(storage.audit),
    keys: count(storage.keys),
    vault: count(storage.vault),
  };
}

before(async () => {
  stage = await openStage({ over: counted });
  await stage.signUp("victim");
});
after(() => stage.close());

const victim = (): Promise<Tokens> => stage.logIn("victim");
const next = (answer: Answer): string => text(answer.body.refresh_token);
const code = ({ status, body }: Answer) => [status, body.code];
const REPLAYED = [401, "refresh_token_replayed"];

test("a thief inside the grace gets what the victim got, and no more", async () => {
  const { refresh } = await victim();
  const [honest, thief] = [await stage.refresh(refresh), await stage.refresh(refresh)];
  assert.equal(next(thief), next(honest));
});

test("a thief who was given the same successor is noticed when the two diverge by two: both are out", async () => {
  const { refresh } = await victim();
  const shared = next(await stage.refresh(refresh));
  assert.equal(next(await stage.refresh(refresh)), shared, "the thief, inside the grace");
  const ahead = next(await stage.refresh(shared));
  const further = next(await stage.refresh(ahead));
  assert.deepEqual(code(await stage.refresh(shared)), REPLAYED, "the one who stayed behind");
  assert.equal((await stage.refresh(further)).body.reason, "replayed", "and the other with him");
});

test("a thief after the window, without proof, ends the session of thief and victim", async () => {
  const { refresh, access } = await victim();
  const kept = next(await stage.refresh(refresh));
  stage.advance(GRACE + 1);
  assert.deepEqual(code(await stage.refresh(refresh)), REPLAYED);
  assert.equal((await stage.refresh(kept)).body.reason, "replayed");
  assert.equal((await stage.call("GET", "/v1/me", { token: access })).body.reason, "replayed");
});

test("a thief who used the token first is found out by the victim's own refresh", async () => {
  const { refresh } = await victim();
  const stolen = next(await stage.refresh(refresh, { from: "203.0.113.66" }));
  stage.advance(GRACE + 1);
  assert.deepEqual(code(await stage.refresh(refresh)), REPLAYED);
  assert.equal((await stage.refresh(stolen)).body.reason, "replayed");
});

test("the audit tells of a replay: whose, from where, which generation", async () => {
  const { refresh, session, user } = await victim();
  await stage.refresh(refresh);
  stage.advance(GRACE + 1);
  await stage.refresh(refresh, { from: "203.0.113.99" });
  const { items } = await stage.storage.audit.list({ name: "refresh.replayed" }, { limit: 1, after: null });
  const [event] = items;
  assert.deepEqual(
    [event?.user, event?.session, event?.cause.address, event?.detail],
    [user, session, "203.0.113.99", { generation: 1 }],
  );
});

test("a victim whose reply was lost comes back after an hour with the same Idempotency-Key, and is let in", async () => {
  const { refresh } = await victim();
  const headers = { "idempotency-key": "kept-before-it-was-sent" };
  const lost = next(await stage.refresh(refresh, { headers }));
  stage.advance(3_600_000);
  assert.equal(next(await stage.refresh(refresh, { headers })), lost);
});

test("another Idempotency-Key proves nothing, nor does one where the lost request had none", async () => {
  const { refresh } = await victim();
  await stage.refresh(refresh, { headers: { "idempotency-key": "the-victims-own-key" } });
  stage.advance(GRACE + 1);
  assert.deepEqual(code(await stage.refresh(refresh, { headers: { "idempotency-key": "a-thiefs-guess" } })), REPLAYED);
  const bare = await victim();
  await stage.refresh(bare.refresh);
  stage.advance(GRACE + 1);
  assert.deepEqual(
    code(await stage.refresh(bare.refresh, { headers: { "idempotency-key": "invented-later" } })),
    REPLAYED,
  );
});

test("the device's own token proves the device, and another device's does not", async () => {
  const mine = await victim();
  const lost = next(await stage.refresh(mine.refresh));
  stage.advance(GRACE + 1);
  assert.equal(next(await stage.refresh(mine.refresh, {}, { device_token: mine.device })), lost);
  const other = await victim();
  assert.deepEqual(code(await stage.refresh(mine.refresh, {}, { device_token: other.device })), REPLAYED);
});

test("forged refresh tokens cost no store access", async () => {
  const { refresh } = await victim();
  const bytes = Buffer.from(refresh, "base64url");
  const forgeries = Array.from({ length: bytes.length }, (_, at) => {
    const forged = Buffer.from(bytes);
    forged.writeUInt8(forged.readUInt8(at) ^ 0x40, at);
    return forged.toString("base64url");
  });
  storeCalls = 0;
  for (const forged of [...forgeries, "x", refresh.slice(1), `${refresh}A`]) {
    assert.deepEqual(code(await stage.refresh(forged)), [401, "invalid_refresh_token"]);
  }
  assert.equal(storeCalls, 0);
  assert.equal((await stage.refresh(refresh)).status, 200);
});

test("a refresh token is none in another client's hands, and its owner goes on", async () => {
  const { operations } = stage.server;
  const cause = { actor: { kind: "operator" }, address: null, requestId: null } as const;
  const other = {
    id: "other-app",
    kind: "first_party",
    name: "Other",
    scope: null,
    audience: null,
    jwks: null,
  } as const;
  assert.ok((await operations.clientAction.create(other, cause)).ok);
  const { refresh } = await victim();
  assert.deepEqual(code(await stage.refresh(refresh, {}, { client_id: "other-app" })), [401, "invalid_refresh_token"]);
  assert.deepEqual(code(await stage.refresh(refresh, {}, { client_id: "no-such-app" })), [
    401,
    "invalid_refresh_token",
  ]);
  assert.equal((await stage.refresh(refresh)).status, 200);
});

test("an audience that nobody registered is refused before anything moves", async () => {
  const { refresh } = await victim();
  for (const audience of ["https://evil.example", "https://login.example/", "https://LOGIN.example"]) {
    assert.equal((await stage.refresh(refresh, {}, { audience })).status, 422);
  }
  stage.advance(GRACE + 1);
  assert.equal((await stage.refresh(refresh)).status, 200);
});

test("no refresh widens what the grant may do, or lengthens the session", async () => {
  const tokens = await victim();
  const widened = await stage.refresh(tokens.refresh, {}, { scope: "account admin" });
  assert.equal(widened.status, 422);
  let { refresh } = tokens;
  for (let week = 0; week < 12; week += 1) {
    stage.advance(7 * 86_400_000);
    refresh = next(await stage.refresh(refresh));
  }
  stage.advance(6 * 86_400_000);
  const last = await stage.refresh(refresh);
  assert.deepEqual([last.status, last.body.reason], [401, "expired"]);
});

test("the last access token of a session does not outlive it", async () => {
  const tokens = await victim();
  let { refresh } = tokens;
  for (let week = 0; week < 12; week += 1) {
    stage.advance(7 * 86_400_000);
    refresh = next(await stage.refresh(refresh));
  }
  stage.advance(6 * 86_400_000 - 60_000);
  const { body } = await stage.refresh(refresh);
  const ends = Date.parse(text(object(body.session).expires_at));
  const { exp } = claimsOf(text(body.access_token));
  assert.ok(Number(exp) * 1000 <= ends && Number(body.expires_in) <= 60);
});

test("an idle session has ended, whoever holds its token", async () => {
  const { refresh } = await victim();
  stage.advance(14 * 86_400_000);
  assert.equal((await stage.refresh(refresh)).body.reason, "expired");
});

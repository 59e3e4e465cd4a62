/** Who may take back what, and what is answered to those who may not: `POST /v1/revocations` and the waits of other routes. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Answer, claimsOf, list, object, openStage, type Stage, type Tokens } from "../stage.ts";

let stage: Stage;
let admin: string;
let kim: Tokens;
let lee: Tokens;
before(async () => {
  stage = await openStage();
  admin = await stage.admin();
  await stage.signUp("kim");
  await stage.signUp("lee");
  kim = await stage.logIn("kim");
  lee = await stage.logIn("lee");
});
after(() => stage.close());

const revoke = (token: string, body: unknown): Promise<Answer> =>
  stage.call("POST", "/v1/revocations", { token, body });
const isLoggedIn = async ({ access }: Tokens) => (await stage.call("GET", "/v1/me", { token: access })).status === 200;
const head = () => stage.storage.revocation.head();

describe("a user", () => {
  test("takes back the token in hand, and nothing else dies", async () => {
    const { access, refresh } = await stage.logIn("kim");
    const answer = await revoke(access, { kind: "token", id: claimsOf(access).jti, wait: "all" });
    assert.deepEqual([answer.status, answer.body.confirmed], [201, true]);
    assert.equal((await stage.call("GET", "/v1/me", { token: access })).status, 401);
    assert.equal((await stage.refresh(refresh)).status, 200);
    assert(await isLoggedIn(kim));
  });

  test("takes back a session and a grant of one's own", async () => {
    for (const kind of ["session", "grant"] as const) {
      const other = await stage.logIn("kim");
      const id = kind === "session" ? other.session : claimsOf(other.access).gid;
      const answer = await revoke(kim.access, { kind, id });
      assert.equal(answer.status, 201, answer.text);
      assert.equal(await isLoggedIn(other), false);
      assert.equal((await stage.refresh(other.refresh)).body.code, "session_ended");
    }
    assert(await isLoggedIn(kim));
  });

  test("is answered alike for what is somebody else's, unknown, and over already; and none of it has an effect", async () => {
    const over = await stage.logIn("kim");
    await revoke(kim.access, { kind: "session", id: over.session });
    const before_ = head();
    const answers: Answer[] = [];
    for (const wish of [
      { kind: "session", id: lee.session },
      { kind: "session", id: "ses_unknown" },
      { kind: "session", id: over.session },
      { kind: "grant", id: claimsOf(lee.access).gid },
      { kind: "grant", id: "grt_unknown" },
      { kind: "token", id: claimsOf(lee.access).jti },
      { kind: "token", id: "unknown" },
    ]) {
      answers.push(await revoke(kim.access, wish));
    }
    for (const { status, body } of answers) {
      assert.equal(status, 201);
      assert.deepEqual(
        { ...body, waited_ms: 0, everywhere_at: 0 },
        { ...answers[0]?.body, waited_ms: 0, everywhere_at: 0 },
      );
    }
    assert.deepEqual(head(), before_);
    assert(await isLoggedIn(lee));
  });

  test("may not take back a user, a client, a key or everything, and may not give a reason", async () => {
    for (const wish of [
      { kind: "user", id: kim.user },
      { kind: "client", id: "mapae", confirm: "mapae" },
      { kind: "key", id: "kid", confirm: "kid" },
      { kind: "all", confirm: "everyone" },
    ]) {
      const answer = await revoke(kim.access, wish);
      assert.deepEqual([answer.status, answer.body.code], [403, "forbidden"], wish.kind);
    }
    const other = await stage.logIn("kim");
    await revoke(kim.access, { kind: "session", id: other.session, reason: "user_disabled" });
    assert.equal((await stage.refresh(other.refresh)).body.reason, "logout");
  });

  test("is limited, so that nobody fills the log", async () => {
    let last: Answer | undefined;
    for (let tries = 0; tries < 80; tries += 1) last = await revoke(lee.access, { kind: "token", id: `${tries}` });
    assert.deepEqual([last?.status, last?.body.code], [429, "rate_limited"]);
    assert.equal((await stage.call("DELETE", "/v1/sessions/current", { token: lee.access })).status, 204);
    lee = await stage.logIn("lee");
  });

  test("learns of verifiers by the name of their resource servers, an administrator by process", async () => {
    const as = await stage.resourceServer("orders");
    const { epoch, seq } = head();
    assert.equal((await stage.call("GET", `/v1/revocations?after=${epoch}.${seq}&ping=1`, { as })).status, 200);
    const wish = { kind: "token", id: claimsOf(kim.access).jti };
    const mine = await revoke(kim.access, wish);
    assert.deepEqual(mine.body.outstanding, [{ client_id: "orders" }]);
    assert.equal(mine.body.confirmed, false);
    const theirs = await revoke(admin, wish);
    assert.match(String(list(theirs.body.outstanding)[0]?.instance), /^ins_/);
    kim = await stage.logIn("kim");
    stage.advance(60_000);
  });
});

describe("an administrator", () => {
  test("must confirm what is wide, with the id again or `everyone`", async () => {
    for (const [kind, id, wrong] of [
      ["client", "mapae", "mapa"],
      ["key", "some kid", undefined],
      ["all", undefined, "all"],
    ] as const) {
      const body = { kind, ...(id === undefined ? {} : { id }), ...(wrong === undefined ? {} : { confirm: wrong }) };
      const answer = await revoke(admin, body);
      assert.deepEqual([answer.status, answer.body.code], [422, "validation_failed"], kind);
      assert.equal(list(answer.body.faults)[0]?.pointer, "/confirm");
    }
  });

  test("is told what is wrong with a wish: no id, an id for all, an unknown kind or reason, a timeout out of bounds", async () => {
    for (const [body, pointer] of [
      [{ kind: "session" }, "/id"],
      [{ kind: "all", id: "x", confirm: "everyone" }, "/id"],
      [{ kind: "planet", id: "x" }, "/kind"],
      [{ kind: "session", id: "x", reason: "because" }, "/reason"],
      [{ kind: "session", id: "x", wait: "some" }, "/wait"],
      [{ kind: "session", id: "x", timeout_ms: -1 }, "/timeout_ms"],
      [{ kind: "session", id: "x", also: "y" }, "/also"],
    ] as const) {
      const answer = await revoke(admin, body);
      assert.equal(answer.status, 422, JSON.stringify(body));
      assert.equal(list(answer.body.faults)[0]?.pointer, pointer);
    }
  });

  test("is answered alike for what does not exist", async () => {
    for (const kind of ["session", "grant", "user"]) {
      const before_ = head();
      assert.equal((await revoke(admin, { kind, id: "unknown" })).status, 201);
      assert.deepEqual(head(), before_);
    }
    for (const kind of ["client", "key"]) {
      const before_ = head();
      assert.equal((await revoke(admin, { kind, id: "unknown", confirm: "unknown" })).status, 201);
      assert.deepEqual(head(), before_);
    }
  });

  test("gives the reason that the user is told", async () => {
    const tokens = await stage.logIn("kim");
    await revoke(admin, { kind: "session", id: tokens.session, reason: "evicted" });
    assert.equal((await stage.refresh(tokens.refresh)).body.reason, "evicted");
  });

  test("looks on while a revocation comes through, and is told when it has", async () => {
    const as = await stage.resourceServer("files");
    const start = head();
    await stage.call("GET", `/v1/revocations?after=${start.epoch}.${start.seq}&ping=1`, { as });
    const { position } = (await revoke(admin, { kind: "token", id: "looked on" })).body;
    const { epoch, seq } = object(position);
    const path = `/v1/admin/revocations/${epoch}.${seq}`;
    const waiting = await stage.call("GET", path, { token: admin });
    assert.deepEqual([waiting.body.settled, waiting.body.confirmed], [false, false]);
    stage.advance(6_000);
    await new Promise(setImmediate);
    const done = await stage.call("GET", path, { token: admin });
    assert.deepEqual([done.body.settled, done.body.confirmed], [true, true]);
    for (const other of ["1.1", "x", `${epoch}.${Number(seq) + 1}`]) {
      assert.equal((await stage.call("GET", `/v1/admin/revocations/${other}`, { token: admin })).status, 404);
    }
  });

  test("what everyone did stands in the audit, with who asked", async () => {
    const { body } = await stage.call("GET", "/v1/admin/audit?name=revocation.requested&limit=200", { token: admin });
    const kinds = new Set(list(body.events).map(({ actor, detail }) => `${object(actor).kind} ${object(detail).kind}`));
    assert(kinds.has("administrator token"));
    assert(kinds.has("user token"));
  });
});

test("nobody without a token, and no resource server, takes anything back by its id", async () => {
  assert.equal((await stage.call("POST", "/v1/revocations", { body: { kind: "token", id: "x" } })).status, 401);
  const as = await stage.resourceServer("nosy");
  assert.equal((await stage.call("POST", "/v1/revocations", { as, body: { kind: "token", id: "x" } })).status, 401);
});

test("an administrator's ordinary token is a user's", async () => {
  const { access } = await stage.logIn("administrator");
  const answer = await revoke(access, { kind: "user", id: kim.user });
  assert.deepEqual([answer.status, answer.body.code], [403, "forbidden"]);
});

/** Every refusal that clients may rely on, provoked: its code, its status, and what comes with it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PROBLEMS } from "../../packages/server/src/http/problem.ts";
import { Unavailable } from "../../packages/server/src/prelude/fault.ts";
import type { Storage } from "../../packages/server/src/storage/storage.ts";
import { type Answer, list, openStage, PASSWORD, type Stage, type Tokens } from "../stage.ts";

let stage: Stage;
let kim: Tokens;
let admin: string;
/** What fails next in the store, and as what. */
let fault: Error | null = null;

/** A store whose reads and writes fail while there is a fault. */
function failing(storage: Storage): Storage {
  const guard = <Port extends object>(port: Port): Port =>
    new Proxy(port, {
      get(target, name, receiver) {
        const member: unknown = Reflect.get(target, name, receiver);
        if (typeof member !== "function" || name === "head" || name === "onCommit") return member;
        return (...args: unknown[]) => (fault === null ? member.apply(target, args) : Promise.reject(fault));
      },
    });
  return {
    ...storage,
    users: guard(storage.users),
    sessions: guard(storage.sessions),
    grants: guard(storage.grants),
    clients: guard(storage.clients),
    check: () => (fault === null ? storage.check() : Promise.reject(fault)),
  };
}

before(async () => {
  stage = await openStage({ over: failing });
  await stage.signUp("kim");
  kim = await stage.logIn("kim");
  admin = await stage.admin();
});
after(() => stage.close());

const seen = new Set<unknown>();

function assertProblem(answer: Answer, code: keyof typeof PROBLEMS, retry = false): Answer {
  const { status } = PROBLEMS[code];
  assert.deepEqual([answer.status, answer.body.code, answer.body.status], [status, code, status], answer.text);
  assert.equal(answer.headers.get("content-type"), "application/problem+json");
  assert.equal(answer.headers.get("cache-control"), "no-store");
  for (const member of ["type", "title", "detail"]) assert.equal(typeof answer.body[member], "string");
  if (retry) assert.match(answer.headers.get("retry-after") ?? "", /^[1-9]\d*$/);
  seen.add(code);
  return answer;
}

const signUp = (body: unknown, from?: string) =>
  stage.call("POST", "/v1/users", from === undefined ? { body } : { body, from });
const logIn = (identifier: string, password: string, from = "192.0.2.1") =>
  stage.call("POST", "/v1/sessions", { body: { identifier, password }, from });
const refresh = (token: string) => stage.refresh(token);

test("malformed_json: what is no JSON, and an empty body", async () => {
  for (const raw of ["{", "", "nonsense", "{'a':1}", "\ufeff{}"]) {
    const headers = { "content-type": "application/json" };
    assertProblem(await stage.call("POST", "/v1/users", { raw, headers }), "malformed_json");
  }
});

test("unsupported_media_type: anything but JSON", async () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"]) {
    const answer = await stage.call("POST", "/v1/users", { raw: "{}", headers: { "content-type": type } });
    assertProblem(answer, "unsupported_media_type");
  }
});

test("payload_too_large: more than 64 KiB", async () => {
  assertProblem(await signUp({ identifier: "x".repeat(70_000), password: "y" }), "payload_too_large");
});

test("validation_failed: with a pointer for every fault", async () => {
  const answer = assertProblem(await signUp({ identifier: 7, extra: 1 }), "validation_failed");
  assert.deepEqual(
    list(answer.body.faults)
      .map(({ pointer }) => pointer)
      .sort(),
    ["/extra", "/identifier", "/password"],
  );
  const identifier = assertProblem(await signUp({ identifier: "a/b", password: PASSWORD }), "validation_failed");
  assert.equal(list(identifier.body.faults)[0]?.pointer, "/identifier");
});

test("malformed_request: an Idempotency-Key that is none", async () => {
  for (const key of ["short", "x".repeat(300), "has spaces in it"]) {
    const headers = { "idempotency-key": key };
    const body = { refresh_token: kim.refresh };
    assertProblem(await stage.call("POST", "/v1/sessions/refresh", { body, headers }), "malformed_request");
  }
});

test("weak_password: with the reason", async () => {
  const reasons: readonly (readonly [string, string])[] = [
    ["1234567", "too_short"],
    ["x".repeat(10_000), "too_long"],
    ["password123", "common"],
    ["with\0a NUL character", "invalid_characters"],
    ["lee.the.first!", "contains_identifier"],
  ];
  for (const [password, reason] of reasons) {
    const answer = assertProblem(await signUp({ identifier: "lee.the.first", password }), "weak_password");
    assert.equal(answer.body.reason, reason);
  }
});

test("identifier_taken: in any spelling of the name", async () => {
  for (const identifier of ["kim", "KIM", " kim ", "ｋｉｍ"]) {
    assertProblem(await signUp({ identifier, password: PASSWORD }), "identifier_taken");
  }
});

test("invalid_credentials: a wrong password, and a wrong current password", async () => {
  assertProblem(await logIn("kim", "not the password"), "invalid_credentials");
  const body = { current_password: "not the password", new_password: "another horse, three batteries" };
  assertProblem(await stage.call("POST", "/v1/me/password", { token: kim.access, body }), "invalid_credentials");
});

test("missing_token and invalid_token: with the challenge of RFC 6750", async () => {
  const none = assertProblem(await stage.call("GET", "/v1/me"), "missing_token");
  assert.equal(none.headers.get("www-authenticate"), 'Bearer realm="mapae"');
  const bad = assertProblem(await stage.call("GET", "/v1/me", { token: "nonsense" }), "invalid_token");
  assert.equal(bad.headers.get("www-authenticate"), 'Bearer realm="mapae", error="invalid_token"');
});

test("forbidden: closed sign-up, and a user without the role", async () => {
  const closed = await openStage({ settings: { signup: "closed" } });
  const body = { identifier: "kim", password: PASSWORD };
  assertProblem(await closed.call("POST", "/v1/users", { body }), "forbidden");
  await closed.close();
  const audience = "https://login.example/admin";
  assertProblem(await stage.refresh(kim.refresh, {}, { audience }), "forbidden");
});

test("not_found: an address, a user, a session of somebody else", async () => {
  assertProblem(await stage.call("GET", "/nothing/here"), "not_found");
  assertProblem(await stage.call("GET", "/v1/admin/users/usr_x", { token: admin }), "not_found");
  const other = await stage.logIn("administrator");
  assertProblem(await stage.call("DELETE", `/v1/sessions/${other.session}`, { token: kim.access }), "not_found");
  assert.equal((await stage.call("GET", "/v1/me", { token: other.access })).status, 200);
});

test("method_not_allowed: with what is allowed", async () => {
  const answer = assertProblem(await stage.call("PUT", "/v1/me"), "method_not_allowed");
  assert.equal(answer.headers.get("allow"), "GET, PATCH, HEAD, OPTIONS");
});

test("conflict and client_id_taken", async () => {
  assertProblem(await stage.call("DELETE", "/v1/admin/clients/mapae", { token: admin }), "conflict");
  const body = { id: "mapae", kind: "first_party", name: "Another" };
  assertProblem(await stage.call("POST", "/v1/admin/clients", { token: admin, body }), "client_id_taken");
});

test("session_limit: with the sessions, where the action is to refuse or to ask", async () => {
  const limited = await openStage({ settings: { sessionLimit: "1", sessionLimitAction: "ask" } });
  await limited.signUp("kim");
  const first = await limited.logIn("kim");
  const body = { identifier: "kim", password: PASSWORD };
  const answer = assertProblem(await limited.call("POST", "/v1/sessions", { body }), "session_limit");
  assert.deepEqual(
    list(answer.body.sessions).map(({ id }) => id),
    [first.session],
  );
  const second = await limited.logIn("kim", { body: { end_session: first.session } });
  assert.equal((await limited.refresh(first.refresh)).body.reason, "evicted");
  assert.equal((await limited.refresh(second.refresh)).status, 200);
  await limited.close();
});

test("invalid_refresh_token: what this server never made, and none at all", async () => {
  for (const token of ["x", kim.access, `${kim.refresh.slice(0, -1)}${kim.refresh.endsWith("A") ? "B" : "A"}`]) {
    assertProblem(await refresh(token), "invalid_refresh_token");
  }
  assertProblem(await stage.call("POST", "/v1/sessions/refresh", { body: {} }), "invalid_refresh_token");
});

test("refresh_token_replayed and session_ended: a definite no is 401", async () => {
  const { refresh: token } = await stage.logIn("kim");
  await refresh(token);
  stage.advance(11_000);
  assertProblem(await refresh(token), "refresh_token_replayed");
  assert.equal(assertProblem(await refresh(token), "session_ended").body.reason, "replayed");
});

test("rate_limited: too many failures, with when to come back", async () => {
  for (let failure = 0; failure < 10; failure += 1) await logIn("nobody", "wrong password", "198.51.100.1");
  assertProblem(await logIn("nobody", "wrong password", "198.51.100.2"), "rate_limited", true);
});

test("overloaded: more log-ins than can be hashed in time", async () => {
  const busy = await openStage({ settings: { rateLimit: "off", hashConcurrency: "1", loginFloor: "0" } });
  const body = { identifier: "nobody", password: "wrong password" };
  const storm = Array.from({ length: 130 }, () => busy.call("POST", "/v1/sessions", { body }));
  const answers = await Promise.all(storm);
  const refused = answers.filter(({ status }) => status === 503);
  assert.ok(refused[0]);
  for (const answer of refused) assertProblem(answer, "overloaded", true);
  assert.ok(answers.every(({ status }) => status === 401 || status === 503));
  await busy.close();
});

test("unavailable: the store is away; nothing is said of why, and the session lives on", async () => {
  const { refresh: token } = await stage.logIn("kim");
  fault = new Unavailable("the disk at /var/lib/hidden is full", { retryAfter: 7 });
  for (const answer of [await refresh(token), await logIn("kim", PASSWORD), await stage.call("GET", "/readyz")]) {
    assertProblem(answer, "unavailable", true);
    assert.doesNotMatch(answer.text, /hidden/);
  }
  assert.equal((await refresh(token)).headers.get("retry-after"), "7");
  fault = null;
  assert.equal((await refresh(token)).status, 200);
});

test("unavailable: a server that stops says so to load balancers, and answers on", async () => {
  const stopping = await openStage();
  stopping.server.drain();
  assertProblem(await stopping.call("GET", "/readyz"), "unavailable", true);
  assert.equal((await stopping.call("GET", "/healthz")).status, 200);
  await stopping.close();
});

test("internal_error: a fault of ours says nothing but the id that finds it in the log", async () => {
  fault = new Error("a secret detail");
  const answer = assertProblem(await logIn("kim", PASSWORD), "internal_error");
  fault = null;
  assert.doesNotMatch(answer.text, /secret detail/);
  assert.equal(answer.body.request_id, answer.headers.get("x-request-id"));
  assert.ok(stage.log().includes(String(answer.body.request_id)));
});

test("invalid_client: no resource server, or not its secret, and nothing tells the two apart", async () => {
  const orders = await stage.resourceServer("orders");
  for (const as of [
    { ...orders, secret: "another" },
    { id: "nobody", secret: orders.secret },
    { id: "mapae", secret: "" },
  ]) {
    const answer = assertProblem(await stage.call("GET", "/v1/revocations/snapshot", { as }), "invalid_client");
    assert.match(answer.headers.get("www-authenticate") ?? "", /^Basic /);
  }
  assertProblem(await stage.call("GET", "/v1/revocations/snapshot", { token: kim.access }), "invalid_client");
});

test("not_acceptable, not_implemented: a status list has one form, and tells nothing of the past", async () => {
  const accept = "application/statuslist+cwt";
  assertProblem(await stage.call("GET", "/status-lists/1", { headers: { accept } }), "not_acceptable");
  assertProblem(await stage.call("GET", "/status-lists/1?time=1686925000"), "not_implemented");
});

test("upgrade_required: the stream speaks WebSocket", async () => {
  const answer = assertProblem(await stage.call("GET", "/v1/revocations/stream"), "upgrade_required");
  assert.equal(answer.headers.get("upgrade"), "websocket");
});

test("every code in the table was provoked here", () => {
  assert.deepEqual([...seen].sort(), Object.keys(PROBLEMS).sort());
});

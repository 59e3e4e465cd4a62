/**
 * The matrix of bad input, walked over every route of the document: whatever is sent, the answer is a 4xx problem with
 * a stable code, nothing changes, and nothing of what was sent comes back or reaches the log.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { encodeCursor } from "../../packages/server/src/prelude/page.ts";
import {
  type Answer,
  type Ask,
  type Json,
  list,
  marked,
  object,
  openStage,
  type ResourceServer,
  type Stage,
} from "../stage.ts";

interface Operation {
  readonly method: string;
  /** With its parameters filled in. */
  readonly path: string;
  readonly pattern: string;
  readonly token?: string;
  readonly as?: ResourceServer;
  /** JSON Schema of the body's members; `null` where it takes none. */
  readonly members: Json | null;
  readonly required: readonly unknown[];
  readonly query: readonly Json[];
}

const SECRET = marked("sent");
let stage: Stage;
let operations: readonly Operation[];
let before_: unknown;

before(async () => {
  stage = await openStage({ settings: { rateLimit: "off", loginFloor: "0" } });
  const admin = await stage.admin();
  await stage.signUp("kim");
  const { access } = await stage.logIn("kim");
  const api = await stage.resourceServer("orders");
  const document = (await stage.call("GET", "/openapi.json")).body;
  operations = Object.entries(object(document.paths)).flatMap(([pattern, item]) =>
    Object.entries(object(item)).map(([method, value]): Operation => {
      const operation = object(value);
      // The forms of the OAuth endpoints and pushed events are another matter: test/feed/oauth.test.ts, test/ssf/.
      const takesJson = object(object(operation.requestBody).content)["application/json"] !== undefined;
      const forVerifiers = list(operation.security).some((scheme) => "resource_server" in scheme);
      const schema = object(object(object(object(operation.requestBody).content)["application/json"]).schema);
      const token = pattern.startsWith("/v1/admin") ? admin : access;
      return {
        method: method.toUpperCase(),
        pattern,
        path: pattern.replace(/\{\w+\}/g, `id-${SECRET}`),
        ...(forVerifiers ? { as: api } : list(operation.security).length > 0 ? { token } : {}),
        members: takesJson ? object(schema.properties) : null,
        required: Array.isArray(schema.required) ? schema.required : [],
        query: list(operation.parameters).filter((parameter) => parameter.in === "query"),
      };
    }),
  );
  before_ = await everything();
});
after(async () => {
  assert.equal(stage.log().includes(SECRET), false, "nothing of what was sent reached the log");
  await stage.close();
});

/**
 * All that a request could change and an administrator can see, but for last uses; and event streams, since any object at
 * all is a good wish for one.
 */
async function everything(): Promise<unknown> {
  const page = { limit: 200, after: null };
  const { users, sessions, clients, keys, webhooks } = stage.storage;
  return [
    await users.list({}, page),
    (await sessions.list({}, page)).items.map(({ id, ended }) => [id, ended]),
    await clients.list(page),
    await webhooks.list(),
    (await keys.all()).keys.map(({ kid, state }) => [kid, state]),
  ];
}

const withBody = () => operations.filter(({ members }) => members !== null);

/** Whom the operation asks for. */
function whoOf({ token, as }: Operation): Ask {
  return { ...(token === undefined ? {} : { token }), ...(as === undefined ? {} : { as }) };
}

async function send(operation: Operation, ask: Ask): Promise<Answer> {
  return stage.call(operation.method, operation.path, { ...whoOf(operation), ...ask });
}

function assertRefused(answer: Answer, operation: Operation, ...codes: readonly string[]): void {
  const where = `${operation.method} ${operation.pattern}: ${answer.status} ${answer.text}`;
  assert.ok(answer.status >= 400 && answer.status < 500, where);
  assert.equal(answer.text.includes(SECRET), false, where);
  if (operation.pattern.startsWith("/ssf/events/") && answer.status !== 404) {
    // RFC 8935 §2.3 has another form.
    assert.equal(answer.headers.get("content-type"), "application/json", where);
    assert.ok(["invalid_request", "authentication_failed"].includes(String(answer.body.err)), where);
    return;
  }
  assert.equal(answer.headers.get("content-type"), "application/problem+json", where);
  if (codes.length > 0) assert.ok(codes.includes(String(answer.body.code)), where);
}

const JSON_TYPE = { "content-type": "application/json" };
const deep = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

const RAW: readonly (readonly [string, () => BodyInit | null, Readonly<Record<string, string>>, string])[] = [
  ["an empty body", () => "", JSON_TYPE, "malformed_json"],
  ["no body", () => null, JSON_TYPE, "malformed_json"],
  ["half an object", () => `{"identifier":"${SECRET}`, JSON_TYPE, "malformed_json"],
  ["bytes that are no UTF-8", () => Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), JSON_TYPE, "malformed_json"],
  ["UTF-16", () => Buffer.from("{}", "utf16le"), JSON_TYPE, "malformed_json"],
  ["an overlong encoding", () => Buffer.from([0x22, 0xc0, 0xaf, 0x22]), JSON_TYPE, "malformed_json"],
  ["a byte order mark", () => "\ufeff{}", JSON_TYPE, "malformed_json"],
  ["NUL bytes", () => "\0\0\0\0", JSON_TYPE, "malformed_json"],
  ["a thousand nested arrays", () => deep(1000), JSON_TYPE, "malformed_json"],
  ["thirty thousand nested arrays", () => deep(30_000), JSON_TYPE, "malformed_json"],
  ["NaN", () => "NaN", JSON_TYPE, "malformed_json"],
  ["a comment", () => "/**/{}", JSON_TYPE, "malformed_json"],
  ["two documents", () => "{}{}", JSON_TYPE, "malformed_json"],
  ["more than 64 KiB", () => JSON.stringify({ x: SECRET.repeat(3000) }), JSON_TYPE, "payload_too_large"],
  ["no content type", () => new Uint8Array([0x7b, 0x7d]), {}, "unsupported_media_type"],
  ["a form", () => "a=b", { "content-type": "application/x-www-form-urlencoded" }, "unsupported_media_type"],
  ["text", () => "{}", { "content-type": "text/plain" }, "unsupported_media_type"],
  ["a type that begins like JSON", () => "{}", { "content-type": "application/jsonx" }, "unsupported_media_type"],
];
for (const [what, raw, headers, code] of RAW) {
  test(`${what} in place of the body`, async () => {
    for (const operation of withBody()) {
      const body = raw();
      assertRefused(await send(operation, { ...(body === null ? {} : { raw: body }), headers }), operation, code);
    }
  });
}

test("a body in chunks without a length is cut off at 64 KiB", async () => {
  for (const operation of withBody()) {
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        sent += 16_384;
        controller.enqueue(Buffer.alloc(16_384, " "));
        if (sent > 10_000_000) controller.close();
      },
    });
    assertRefused(await send(operation, { raw: endless, headers: JSON_TYPE }), operation, "payload_too_large");
    assert.ok(sent < 200_000, "it was not read to its end");
  }
});

const NO_OBJECTS: readonly unknown[] = [null, true, 7, SECRET, [], [{}], [SECRET]];
test("JSON that is no object", async () => {
  for (const operation of withBody()) {
    for (const body of NO_OBJECTS) assertRefused(await send(operation, { body }), operation, "validation_failed");
  }
});

const WRONG: readonly unknown[] = [7, true, [], {}, [SECRET], { [SECRET.slice(0, 4)]: SECRET }, -1e308];
test("every member with values of every wrong type", async () => {
  for (const operation of withBody()) {
    for (const [name, schema] of Object.entries(operation.members ?? {})) {
      for (const value of WRONG) {
        const { type } = object(schema);
        if ((type === "boolean" && value === true) || (type === "array" && Array.isArray(value))) continue;
        if (type === "integer" && value === 7) continue;
        if (type === "object" || object(schema).properties !== undefined) continue;
        const answer = await send(operation, { body: { [name]: value } });
        assertRefused(answer, operation, "validation_failed");
        const pointers = list(answer.body.faults).map(({ pointer }) => String(pointer));
        assert.ok(
          pointers.some((pointer) => pointer === `/${name}` || pointer.startsWith(`/${name}/`)),
          `${operation.pattern} ${name}`,
        );
      }
    }
  }
});

test("members that are missing, one by one and all", async () => {
  for (const operation of withBody()) {
    for (const name of operation.required) {
      const answer = await send(operation, { body: {} });
      assertRefused(answer, operation, "validation_failed");
      assert.ok(list(answer.body.faults).some(({ pointer }) => pointer === `/${name}`));
    }
  }
});

test("members that nobody knows, and names that are traps", async () => {
  // Where a standard has the members, its next version may have more: see the test after this one.
  for (const operation of withBody().filter(({ pattern }) => !pattern.startsWith("/ssf/"))) {
    for (const name of ["extra", "__proto__", "constructor", "prototype", "toString", "hasOwnProperty", ""]) {
      const raw = `{${JSON.stringify(name)}:${JSON.stringify({ admin: SECRET })}}`;
      assertRefused(await send(operation, { raw, headers: JSON_TYPE }), operation, "validation_failed");
    }
  }
  assert.equal(Object.hasOwn(Object.prototype, "admin"), false);
});

test("members that a standard may have one day are passed over, and traps among them spring nothing", async () => {
  for (const operation of withBody().filter(
    ({ pattern, required }) => pattern.startsWith("/ssf/") && required.length > 0,
  )) {
    const raw = `{"extra":1,"__proto__":{"stream_id":"x","admin":"${SECRET}"},"constructor":7,"":null}`;
    const answer = await send(operation, { raw, headers: JSON_TYPE });
    assertRefused(answer, operation, "validation_failed");
    assert.ok(list(answer.body.faults).every(({ pointer }) => operation.required.includes(String(pointer).slice(1))));
  }
  assert.equal(Object.hasOwn(Object.prototype, "admin"), false);
});

test("texts that no member takes: NUL, half of a surrogate pair, ten thousand characters", async () => {
  const texts = ["a\0b", "a\ud800b", `${SECRET}${"x".repeat(10_000)}`];
  for (const operation of withBody()) {
    for (const name of Object.keys(operation.members ?? {})) {
      for (const value of texts) {
        const others = Object.fromEntries(operation.required.map((other) => [String(other), "valid-enough"]));
        const answer = await send(operation, { body: { ...others, [name]: value } });
        assertRefused(answer, operation);
      }
    }
  }
});

test("a password of ten thousand characters is refused at sign-up with its reason, and logs nobody in", async () => {
  const password = `${SECRET}${"x".repeat(10_000)}`;
  const made = await stage.call("POST", "/v1/users", { body: { identifier: "long", password } });
  assert.deepEqual([made.status, made.body.code, made.body.reason], [422, "weak_password", "too_long"]);
  const tried = await stage.call("POST", "/v1/sessions", { body: { identifier: "kim", password } });
  assert.deepEqual([tried.status, tried.body.code], [401, "invalid_credentials"]);
});

const CURSORS = ["nonsense", "e30", "AAAA", Buffer.from('["x","y"]').toString("base64url"), "%00", "", "x".repeat(500)];
test("cursors that are none of ours", async () => {
  const paged = operations.filter(({ query }) => query.some(({ name }) => name === "after"));
  assert.ok(paged.length >= 4);
  for (const operation of paged) {
    for (const cursor of CURSORS) {
      const answer = await stage.call("GET", `${operation.path}?after=${cursor}`, whoOf(operation));
      assertRefused(answer, operation, "validation_failed");
      assert.equal(list(answer.body.faults)[0]?.pointer, "/after");
    }
  }
});

test("the cursor of another list is a place in this one, or refused", async () => {
  const token = operations.find(({ pattern }) => pattern.startsWith("/v1/admin"))?.token ?? "";
  for (const cursor of [
    encodeCursor(1, "usr_x"),
    encodeCursor(1, 7),
    encodeCursor(-1, "x"),
    encodeCursor(2 ** 52, "9e99"),
  ]) {
    for (const path of ["users", "sessions", "clients", "audit"]) {
      const answer = await stage.call("GET", `/v1/admin/${path}?after=${cursor}`, { token });
      assert.ok(answer.status === 200 || answer.status === 422, `${path}: ${answer.text}`);
    }
  }
});

test("query members that are unknown, given twice, or of a wrong type", async () => {
  for (const operation of operations.filter(({ query }) => query.length > 0)) {
    const [first] = operation.query;
    const name = String(first?.name);
    const body = operation.members === null ? {} : { body: {} };
    for (const query of ["unknown=1", `${name}=1&${name}=1`, "__proto__=1", "constructor=1", `${name}=%00`, "=1"]) {
      const answer = await stage.call(operation.method, `${operation.path}?${query}`, { ...whoOf(operation), ...body });
      assertRefused(answer, operation, "validation_failed");
    }
  }
});

test("limits that are no numbers from 1 to 200", async () => {
  const token = operations.find(({ pattern }) => pattern === "/v1/admin/users")?.token ?? "";
  for (const limit of ["0", "201", "-1", "1.5", "x", "1e9", "Infinity", ""]) {
    const answer = await stage.call("GET", `/v1/admin/users?limit=${limit}`, { token });
    assert.deepEqual([answer.status, answer.body.code], [422, "validation_failed"], limit);
  }
});

const SEGMENTS = [
  "%00",
  "%zz",
  "%",
  "%ff%fe",
  "%c0%af",
  "..%2f..%2fetc",
  "%F0%9F%90%8E",
  "a".repeat(5000),
  "%2525",
  "*",
  ":id",
  "{id}",
];
test("percent-encoding that is none, and every other nonsense, in the place of an id", async () => {
  for (const operation of operations.filter(({ pattern }) => pattern.includes("{"))) {
    for (const segment of SEGMENTS) {
      const path = operation.pattern.replace(/\{\w+\}/g, segment);
      const members = operation.pattern.endsWith("revoke") ? { confirm: "x" } : {};
      const body = operation.members === null ? {} : { body: members };
      const answer = await stage.call(operation.method, path, { ...whoOf(operation), ...body });
      assertRefused(answer, operation, "not_found", "validation_failed");
    }
  }
});

test("a wrong method answers 405 with what is allowed, whoever asks; no token is looked at", async () => {
  for (const pattern of new Set(operations.map((operation) => operation.pattern))) {
    const known = operations.filter((operation) => operation.pattern === pattern).map(({ method }) => method);
    const path = pattern.replace(/\{\w+\}/g, "x");
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "constructor"]) {
      if (known.includes(method)) continue;
      // DELETE /v1/sessions/refresh names a session of that id: the narrower row stands first.
      const answer = await stage.call(method, path);
      if (answer.body.code === "missing_token") continue;
      assert.equal(answer.status, 405, `${method} ${pattern}`);
      const allow = (answer.headers.get("allow") ?? "").split(", ");
      for (const method of known) assert.ok(allow.includes(method), `${pattern} allows ${method}`);
    }
  }
});

test("HEAD answers what GET does, without the body", async () => {
  for (const operation of operations.filter(({ method, pattern }) => method === "GET" && !pattern.includes("{"))) {
    const ask = { ...whoOf(operation), from: "127.0.0.1" };
    const [get, head] = [await stage.call("GET", operation.path, ask), await stage.call("HEAD", operation.path, ask)];
    assert.equal(head.status, get.status, operation.path);
    assert.equal(head.headers.get("content-type"), get.headers.get("content-type"));
    assert.equal(head.text, "", operation.path);
  }
  const post = await stage.call("HEAD", "/v1/users");
  assert.equal(post.status, 405);
});

test("OPTIONS says what is allowed, and tells a stranger's page nothing", async () => {
  for (const pattern of new Set(operations.map((operation) => operation.pattern))) {
    const headers = { origin: "https://evil.example", "access-control-request-method": "POST" };
    const answer = await stage.call("OPTIONS", pattern.replace(/\{\w+\}/g, "x"), { headers });
    assert.equal(answer.status, 204);
    assert.match(answer.headers.get("allow") ?? "", /OPTIONS/);
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
  }
});

test("any JSON at all, at every route that takes a body", async () => {
  const text = fc.string({ unit: "binary", maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.jsonValue({ maxDepth: 3 }),
      fc.dictionary(text, fc.jsonValue()),
      async (at, value, more) => {
        const bodies = withBody().filter(({ pattern }) => !/rotate$|^\/v1\/me$/.test(pattern));
        const operation = bodies[at % bodies.length];
        assert.ok(operation);
        const names = Object.keys(operation.members ?? {});
        const member = names[at % Math.max(1, names.length)] ?? "x";
        for (const body of [value, more, { [member]: value }, { ...more, [member]: value }]) {
          const answer = await send(operation, { body });
          assert.ok(answer.status < 500, `${operation.pattern}: ${answer.text}`);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test("any path and method at all", async () => {
  const path = fc.string({ unit: "grapheme", maxLength: 30 }).map((text) => `/${encodeURI(text.toWellFormed())}`);
  const near = fc.tuple(fc.nat(), path).map(([at, tail]) => `${operations[at % operations.length]?.path}${tail}`);
  const method = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "M-SEARCH");
  await fc.assert(
    fc.asyncProperty(method, fc.oneof(path, near), async (verb, where) => {
      const answer = await stage.call(verb, where, { from: "127.0.0.1" });
      assert.ok(answer.status < 500, `${verb} ${where}: ${answer.text}`);
    }),
    { numRuns: 300 },
  );
});

test("after all that, nothing has changed", async () => {
  assert.deepEqual(await everything(), before_);
});

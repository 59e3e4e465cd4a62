import assert from "node:assert/strict";
import { test } from "node:test";
import type { Incoming } from "./incoming.ts";
import { createOriginPolicy } from "./origin.ts";
import { json } from "./reply.ts";

const ISSUER = "https://login.example.com/auth";
const APP = "https://app.example.com";

function request(headers: Record<string, string>): Incoming {
  const held = new Headers(headers);
  return { method: "POST", path: "/", query: new URLSearchParams(), headers: held, read: async () => null };
}

const closed = createOriginPolicy(ISSUER, []);
const open = createOriginPolicy(ISSUER, [APP]);

const CALLS: readonly (readonly [string, Record<string, string>, boolean, boolean])[] = [
  ["a program that sends neither header", {}, true, true],
  ["a page of this server", { origin: "https://login.example.com", "sec-fetch-site": "same-origin" }, true, true],
  ["a page of this server in an old browser", { origin: "https://login.example.com" }, true, true],
  ["a page of an allowed origin", { origin: APP, "sec-fetch-site": "same-site" }, false, true],
  ["a page of another site", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }, false, false],
  ["a page of a sibling domain", { origin: "https://blog.example.com", "sec-fetch-site": "same-site" }, false, false],
  ["a page of another port", { origin: "https://login.example.com:8443" }, false, false],
  ["a page over plain http", { origin: "http://login.example.com" }, false, false],
  ["a sandboxed page", { origin: "null", "sec-fetch-site": "cross-site" }, false, false],
  ["an origin that begins like ours", { origin: "https://login.example.com.evil.example" }, false, false],
  ["an allowed origin in other letters", { origin: "https://APP.example.com" }, false, false],
  ["a cross-site request that hides its origin", { "sec-fetch-site": "cross-site" }, false, false],
  ["a same-site request that hides its origin", { "sec-fetch-site": "same-site" }, false, false],
  ["a person who opened the address", { "sec-fetch-site": "none" }, true, true],
  ["two origins in one header", { origin: `${APP}, https://evil.example` }, false, false],
];
for (const [who, headers, whenClosed, whenOpen] of CALLS) {
  test(`${who} may ${whenOpen ? "" : "not "}change state`, () => {
    assert.equal(closed.allows(request(headers)), whenClosed);
    assert.equal(open.allows(request(headers)), whenOpen);
  });
}

test("a preflight of an allowed origin is told what it may send, with its own name and never a star", () => {
  const { headers, status } = open.preflight(request({ origin: APP }));
  assert.equal(status, 204);
  assert.equal(headers["access-control-allow-origin"], APP);
  assert.equal(headers["access-control-allow-credentials"], "true");
  assert.match(headers["access-control-allow-headers"] ?? "", /Idempotency-Key/);
});

test("a preflight of another origin is told nothing", () => {
  for (const policy of [open, closed]) {
    const { headers } = policy.preflight(request({ origin: "https://evil.example" }));
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith("access-control")),
      [],
    );
  }
});

test("an answer names the origin once, and always says that it depends on it", () => {
  const marked = json(200, {});
  open.mark(request({ origin: APP }), marked);
  assert.equal(marked.headers["access-control-allow-origin"], APP);
  assert.equal(marked.headers.vary, "Origin");
  const other = json(200, {}, { vary: "Accept-Language" });
  open.mark(request({ origin: "https://evil.example" }), other);
  assert.equal(other.headers["access-control-allow-origin"], undefined);
  assert.equal(other.headers.vary, "Accept-Language, Origin");
});

test("what is open to all pages stays open to all, without credentials", () => {
  const keys = json(200, {}, { "access-control-allow-origin": "*" });
  open.mark(request({ origin: APP }), keys);
  assert.equal(keys.headers["access-control-allow-origin"], "*");
  assert.equal(keys.headers["access-control-allow-credentials"], undefined);
});

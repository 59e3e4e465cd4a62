import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { haproxyConfig } from "./haproxy.ts";
import { nginxConfig } from "./nginx.ts";
import { planLb } from "./plan.ts";

const given = { servers: ["127.0.0.1:4001", "two=[::1]:4002"], listen: ":8080", certificate: null, sticky: false };

test("servers are named in order where they have no name of their own", () => {
  const planned = planLb(given);
  assert.ok(planned.ok);
  assert.deepEqual(planned.plan.servers, [
    { name: "mapae1", host: "127.0.0.1", port: 4001 },
    { name: "two", host: "[::1]", port: 4002 },
  ]);
  assert.deepEqual(planned.plan.listen, { host: "*", port: 8080 });
});

for (const [what, change] of [
  ["no server", { servers: [] }],
  ["a server without a port", { servers: ["localhost"] }],
  ["a port that there is not", { servers: ["localhost:65536"] }],
  ["every address as a server", { servers: ["*:4000"] }],
  ["a name twice", { servers: ["a=h1:1", "a=h2:1"] }],
  ["a place twice", { servers: ["a=h1:1", "b=h1:1"] }],
  ["a name that is no word", { servers: ["a b=h1:1"] }],
  ["a line break in a server", { servers: ["h1:1\n  server evil:2"] }],
  ["no place to listen", { listen: "8080" }],
  ["a certificate with a space", { certificate: "/etc/ssl/my cert.pem" }],
] as const) {
  test(`${what} is refused in one line`, () => {
    const planned = planLb({ ...given, ...change });
    assert.ok(!planned.ok);
    assert.doesNotMatch(planned.message, /\n.*\n/);
  });
}

test("only sticky names a server in a cookie", () => {
  for (const sticky of [true, false]) {
    const planned = planLb({ ...given, sticky });
    assert.ok(planned.ok);
    assert.equal(/cookie mapae_server insert/.test(haproxyConfig(planned.plan)), sticky);
    assert.equal(/add_header Set-Cookie/.test(nginxConfig(planned.plan)), sticky);
  }
});

test("what is taken holds nothing that a configuration would read as more than a word", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (server, listen, certificate) => {
      const planned = planLb({ servers: [server], listen, certificate, sticky: true });
      if (!planned.ok) return;
      const { servers, listen: at, certificate: pem } = planned.plan;
      for (const word of [...servers.flatMap(({ name, host }) => [name, host]), at.host, pem ?? ""]) {
        assert.doesNotMatch(word, /[\s;{}#"'\\$]/);
      }
    }),
  );
});

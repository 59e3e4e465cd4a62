import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { StartRefused } from "../../prelude/fault.ts";
import { Secret } from "../../prelude/secret.ts";
import { readValkeyAddress } from "./address.ts";

const read = (url: string, password: Secret | null = null) => {
  const { credentials, at, ...rest } = readValkeyAddress(url, password);
  return { ...rest, at, user: credentials.user, password: credentials.password?.reveal() ?? null };
};
const NONE = { user: null, password: null, ca: null, tls: false, database: 0 };

test("a server is named by host and port, with or without TLS, by either name", () => {
  for (const kind of ["redis", "valkey"]) {
    const plain = { ...NONE, says: `${kind}://cache`, at: { server: { host: "cache", port: 6379 } } };
    assert.deepEqual(read(`${kind}://cache`), plain);
    const tls = `${kind}s://[::1]:6380/3`;
    const at = { server: { host: "::1", port: 6380 } };
    assert.deepEqual(read(tls), { ...NONE, tls: true, database: 3, says: tls, at });
  }
});

test("Sentinels are several, with the name of their group", () => {
  const { at, says, database } = read("redis+sentinel://a,b:26380,10.0.0.3/sessions/2");
  assert.ok("sentinels" in at);
  const hosts = [
    { host: "a", port: 26_379 },
    { host: "b", port: 26_380 },
    { host: "10.0.0.3", port: 26_379 },
  ];
  assert.deepEqual([at.sentinels, at.group, database], [hosts, "sessions", 2]);
  assert.equal(says, "redis+sentinel://a,b:26380,10.0.0.3/sessions/2");
  const short = read("valkeys+sentinel://a?sentinel_user=s&sentinel_password=p%40");
  assert.ok("sentinels" in short.at && short.tls);
  assert.deepEqual([short.at.group, short.at.credentials.user], ["mymaster", "s"]);
  assert.equal(short.at.credentials.password?.reveal(), "p@");
});

test("credentials are percent-encoded, apart or in the address, and shown nowhere", () => {
  const secret = "p:@/ 김";
  const inside = readValkeyAddress(`redis://mapae:${encodeURIComponent(secret)}@cache`, null);
  assert.equal(inside.credentials.password?.reveal(), secret);
  assert.equal(inside.credentials.user, "mapae");
  const apart = readValkeyAddress("redis://mapae@cache", new Secret(secret));
  assert.equal(apart.credentials.password?.reveal(), secret);
  assert.equal(readValkeyAddress(`redis://:${encodeURIComponent(secret)}@cache`, null).credentials.user, null);
  for (const address of [inside, apart]) assert.doesNotMatch(JSON.stringify(address), /p:|김|%EA/);
  assert.throws(() => readValkeyAddress("redis://:x@cache", new Secret(secret)), /MAPAE_VALKEY_PASSWORD/);
});

test("certificates of one's own are a file", () => {
  assert.equal(read("rediss://cache?ca=/etc/ca.pem").ca, "/etc/ca.pem");
  assert.equal(read("rediss+sentinel://a/g?ca=/etc/ca.pem").ca, "/etc/ca.pem");
});

for (const url of [
  "",
  "cache:6379",
  "http://cache",
  "redis://",
  "redis://cache:0",
  "redis://cache:70000",
  "redis://cache/x",
  "redis://cache/1/2",
  "redis://cache?db=1",
  "redis://a,b",
  "redis://ca che",
  "redis://%zz:x@cache",
  "redis+sentinel://a/gr%2Foup",
  "redis+sentinel://a/g/1/2",
  "redis+sentinel://a,,b",
  "redis+sentinel://a?group=x",
  "redis://cache#fragment",
]) {
  test(`what is no address is refused in one line: ${JSON.stringify(url)}`, () => {
    assert.throws(
      () => readValkeyAddress(url, null),
      (error) => error instanceof StartRefused && /^MAPAE_VALKEY_URL [^\n]+\.$/.test(error.message),
    );
  });
}

test("no text makes it fail in another way, or show a password", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (left, right) => {
      for (const url of [left, `redis://${left}`, `redis+sentinel://${left}@${right}`, `redis://u:s3cr3t@${left}`]) {
        try {
          assert.doesNotMatch(readValkeyAddress(url, null).says, /s3cr3t/);
        } catch (error) {
          assert.ok(error instanceof StartRefused);
          assert.doesNotMatch(error.message, /s3cr3t/);
        }
      }
    }),
  );
});

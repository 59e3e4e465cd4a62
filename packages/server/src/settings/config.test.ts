import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { type Config, readConfig, readEnvironment, SETTINGS } from "./config.ts";
import { isWebOrigin, type Setting } from "./setting.ts";

const folder = mkdtempSync(join(tmpdir(), "mapae-config-"));
after(() => rmSync(folder, { recursive: true }));

function config(env: Record<string, string>): Config {
  const read = readEnvironment(env);
  assert.ok(read.ok, read.ok ? "" : read.faults.join(" "));
  return read.config;
}

function faults(env: Record<string, string>): readonly string[] {
  const read = readEnvironment(env);
  return read.ok ? [] : read.faults;
}

const rows: readonly (readonly [string, Setting<unknown>])[] = Object.entries(SETTINGS);
const SECRET = "s".repeat(40);

test("an empty environment is a whole configuration", () => {
  const { port, signingAlg, accessTtl, refreshIdle, sessionTtl, refreshGrace, rateLimit, signup, issuer } = config({});
  assert.deepEqual(
    { port, signingAlg, accessTtl, refreshIdle, sessionTtl, refreshGrace, rateLimit, signup, issuer },
    {
      port: 4000,
      signingAlg: "ES256",
      accessTtl: 300_000,
      refreshIdle: 14 * 86_400_000,
      sessionTtl: 90 * 86_400_000,
      refreshGrace: 10_000,
      rateLimit: "on",
      signup: "open",
      issuer: null,
    },
  );
});

for (const [name, row] of rows) {
  test(`${row.env} accepts its own default and says what it is`, () => {
    if (row.default !== null) assert.ok(row.read(row.default).ok);
    assert.match(row.env, /^MAPAE_[A-Z_]+$/);
    assert.match(row.sentence, /\.$/);
    assert.ok(name !== "" && row.form !== "");
  });
}

test("a variable that is no setting stops the server, and the nearest one is named", () => {
  assert.deepEqual(faults({ MAPAE_SIGNUPS: "closed" }), [
    "MAPAE_SIGNUPS is no setting of this server. Did you mean MAPAE_SIGNUP?",
  ]);
  assert.deepEqual(faults({ MAPAE_SOMETHING_ELSE_ENTIRELY: "1" }), [
    "MAPAE_SOMETHING_ELSE_ENTIRELY is no setting of this server.",
  ]);
  assert.deepEqual(faults({ PATH: "/bin", MAPAX_PORT: "x" }), []);
});

test("every fault is told, not just the first", () => {
  assert.equal(faults({ MAPAE_PORT: "-1", MAPAE_ACCESS_TTL: "1w", MAPAE_TYPO: "x" }).length, 3);
});

test("an empty variable counts as not set", () => assert.equal(config({ MAPAE_PORT: "" }).port, 4000));

const BAD: readonly (readonly [string, string])[] = [
  ["MAPAE_PORT", "65536"],
  ["MAPAE_PORT", "4e3"],
  ["MAPAE_PORT", " 4000"],
  ["MAPAE_ACCESS_TTL", "4s"],
  ["MAPAE_ACCESS_TTL", "2d"],
  ["MAPAE_ACCESS_TTL", "five minutes"],
  ["MAPAE_SESSION_LIMIT", "-1"],
  ["MAPAE_SESSION_LIMIT_ACTION", "Evict"],
  ["MAPAE_SIGNING_ALG", "none"],
  ["MAPAE_SIGNING_ALG", "es256"],
  ["MAPAE_SIGNING_ALG", "toString"],
  ["MAPAE_RATE_LIMIT", "false"],
  ["MAPAE_ISSUER", "http://login.example.com"],
  ["MAPAE_ISSUER", "https://login.example.com/"],
  ["MAPAE_ISSUER", "https://login.example.com?x=1"],
  ["MAPAE_ISSUER", "https://login.example.com/#x"],
  ["MAPAE_ISSUER", "https://kim:pass@login.example.com"],
  ["MAPAE_ISSUER", "https://Login.example.com"],
  ["MAPAE_ISSUER", "https://login.example.com:443"],
  ["MAPAE_ISSUER", "https://login.example.com/a/../b"],
  ["MAPAE_ISSUER", "https://login.example.com/:tenant"],
  ["MAPAE_ISSUER", "https://login.example.com/*"],
  ["MAPAE_ISSUER", "login.example.com"],
  ["MAPAE_ISSUER", "ftp://login.example.com"],
  ["MAPAE_ISSUER", "http://127.0.0.1.example.com"],
  ["MAPAE_TRUSTED_PROXIES", "10.0.0.0/33"],
  ["MAPAE_TRUSTED_PROXIES", "999.1.1.1"],
  ["MAPAE_TRUSTED_PROXIES", "10.0.0.1/8/8"],
  ["MAPAE_TRUSTED_PROXIES", "proxy.example.com"],
  ["MAPAE_TRUSTED_PROXIES", "10.0.0.1,,x"],
  ["MAPAE_CORS_ORIGINS", "*"],
  ["MAPAE_CORS_ORIGINS", "https://app.example.com/"],
  ["MAPAE_CORS_ORIGINS", "https://app.example.com:443"],
  ["MAPAE_CORS_ORIGINS", "https://*.example.com"],
  ["MAPAE_CORS_ORIGINS", "null"],
  ["MAPAE_SECRET", "short"],
  ["MAPAE_SECRET", `${SECRET},short`],
  ["MAPAE_SECRET", ","],
  ["MAPAE_METRICS_TOKEN", "short"],
  ["MAPAE_PASSWORD_MIN_LENGTH", "7"],
];
for (const [variable, value] of BAD) {
  test(`${variable}=${value} is refused`, () => assert.equal(faults({ [variable]: value }).length, 1));
}

const GOOD: readonly (readonly [string, string])[] = [
  ["MAPAE_ISSUER", "https://login.example.com"],
  ["MAPAE_ISSUER", "https://login.example.com/auth/v2"],
  ["MAPAE_ISSUER", "https://login.example.com:8443"],
  ["MAPAE_ISSUER", "http://127.0.0.1:4000"],
  ["MAPAE_ISSUER", "http://[::1]:4000"],
  ["MAPAE_ISSUER", "http://mapae.localhost"],
  ["MAPAE_TRUSTED_PROXIES", "10.0.0.0/8, ::1,fd00::/8,192.168.1.1"],
  ["MAPAE_CORS_ORIGINS", "https://app.example.com,http://localhost:3000"],
  ["MAPAE_ACCESS_TTL", "90"],
  ["MAPAE_REFRESH_GRACE", "0s"],
];
for (const [variable, value] of GOOD) {
  test(`${variable}=${value} is accepted`, () => assert.deepEqual(faults({ [variable]: value }), []));
}

test("a secret is never repeated in a fault", () => {
  for (const [, row] of rows.filter(([, { secret }]) => secret)) {
    assert.doesNotMatch(faults({ [row.env]: "hunter2" }).join(), /hunter2/);
  }
});

test("every secret can stand in a file, and no other setting can", () => {
  const file = join(folder, "secret");
  writeFileSync(file, `${SECRET}\n${"t".repeat(40)}\n`);
  assert.deepEqual(
    config({ MAPAE_SECRET_FILE: file }).secret?.map((secret) => secret.reveal()),
    [SECRET, "t".repeat(40)],
  );
  for (const [, row] of rows) {
    const told = faults({ [`${row.env}_FILE`]: file }).filter((fault) => fault.includes("no setting"));
    assert.equal(told.length, row.secret ? 0 : 1);
  }
});

test("a secret given both as a value and as a file is refused, in either order", () => {
  const file = join(folder, "both");
  writeFileSync(file, SECRET);
  assert.equal(faults({ MAPAE_SECRET: SECRET, MAPAE_SECRET_FILE: file }).length, 1);
  assert.equal(faults({ MAPAE_SECRET_FILE: file, MAPAE_SECRET: SECRET }).length, 1);
});

test("a secret file that is missing or empty is refused", () => {
  assert.equal(faults({ MAPAE_SECRET_FILE: join(folder, "nowhere") }).length, 1);
  const empty = join(folder, "empty");
  writeFileSync(empty, "\n");
  assert.equal(faults({ MAPAE_SECRET_FILE: empty }).length, 1);
});

const shared = (bytes: number) => Buffer.alloc(bytes, "not on any list").toString("base64url");

test("a shared secret goes with HS algorithms, needs their length, and has one spelling", () => {
  assert.deepEqual(faults({ MAPAE_SIGNING_ALG: "HS256", MAPAE_SHARED_SECRET: shared(32) }), []);
  assert.equal(faults({ MAPAE_SIGNING_ALG: "HS256" }).length, 1);
  assert.equal(faults({ MAPAE_SHARED_SECRET: shared(32) }).length, 1);
  assert.equal(faults({ MAPAE_SIGNING_ALG: "HS512", MAPAE_SHARED_SECRET: shared(63) }).length, 1);
  assert.equal(faults({ MAPAE_SIGNING_ALG: "HS384", MAPAE_SHARED_SECRET: `${shared(48)},${shared(32)}` }).length, 1);
  assert.equal(faults({ MAPAE_SIGNING_ALG: "HS256", MAPAE_SHARED_SECRET: `${shared(33)}A` }).length, 1);
  assert.equal(faults({ MAPAE_SIGNING_ALG: "HS256", MAPAE_SHARED_SECRET: "x".repeat(45) }).length, 1);
});

test("settings that contradict each other are refused", () => {
  assert.equal(faults({ MAPAE_REFRESH_IDLE: "2d", MAPAE_SESSION_TTL: "1d" }).length, 1);
  assert.equal(faults({ MAPAE_ACCESS_TTL: "1h", MAPAE_SESSION_TTL: "10m", MAPAE_REFRESH_IDLE: "5m" }).length, 1);
  const issuer = "https://login.example.com";
  assert.equal(faults({ MAPAE_ISSUER: issuer, MAPAE_AUDIENCE: `${issuer}/admin` }).length, 1);
});

test("reading never throws, whatever the values", () => {
  const names = fc.constantFrom(...Object.values(SETTINGS).map(({ env }) => env));
  fc.assert(
    fc.property(fc.dictionary(names, fc.string()), (env) => {
      assert.equal(typeof readEnvironment(env).ok, "boolean");
    }),
  );
});

test("the short names of createMapae read the same table", () => {
  const read = readConfig({ accessTtl: "1m" });
  assert.equal(read.ok && read.config.accessTtl, 60_000);
  const refused = readConfig({ port: "x" });
  assert.deepEqual(refused.ok ? [] : refused.faults, ['port is "x": expected a whole number from 0 to 65535.']);
});

test("an origin is what a browser sends, and nothing near it", () => {
  for (const origin of ["https://a.example", "http://localhost:3000", "https://xn--bcher-kva.example"]) {
    assert.ok(isWebOrigin(origin));
  }
  for (const near of ["https://A.example", "https://a.example/", "file://", "null", "", "https://bücher.example"]) {
    assert.equal(isWebOrigin(near), false);
  }
});

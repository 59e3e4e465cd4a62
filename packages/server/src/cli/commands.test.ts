import assert from "node:assert/strict";
import { test } from "node:test";
import { COMMANDS, GROUPS } from "./commands.ts";
import type { Given } from "./given.ts";
import { parserOf, UsageFault } from "./parser.ts";

test("every row of the table has its code, a sentence, a group, and a name of its own", async () => {
  for (const row of COMMANDS) {
    assert.equal(typeof (await row.load()), "function", row.name);
    assert.match(row.says, /^[a-z].+[^.]$/, row.name);
    const words = row.name.split(" ");
    for (let count = 1; count < words.length; count += 1) {
      assert.ok(Object.hasOwn(GROUPS, words.slice(0, count).join(" ")), row.name);
    }
  }
  assert.equal(new Set(COMMANDS.map(({ name }) => name)).size, COMMANDS.length);
});

test("every command is reached by its name, with its options, and --json and --data wherever they stand", async () => {
  for (const row of COMMANDS) {
    let reached: [string, Given] | undefined;
    const parser = parserOf(async ({ name }, given) => {
      reached = [name, given];
      return 7;
    });
    const args = (row.args ?? []).filter((argument) => argument.startsWith("<")).map(() => "value");
    const data = row.apart === true ? [] : ["--data", "folder"];
    assert.equal(await parser.parse([...row.name.split(" "), ...args, ...data, "--json"]), 7);
    assert.equal(reached?.[0], row.name);
    assert.equal(reached?.[1].flag("json"), true);
    assert.equal(reached?.[1].text("data"), data[1]);
  }
  let before: Given | undefined;
  const parser = parserOf(async (_row, given) => {
    before = given;
    return 0;
  });
  await parser.parse(["--json", "--data", "folder", "users", "list"]);
  assert.deepEqual([before?.flag("json"), before?.text("data")], [true, "folder"]);
});

test("an option that may stand several times keeps every value", async () => {
  let roles: readonly string[] = [];
  const parser = parserOf(async (_row, given) => {
    roles = given.texts("role");
    return 0;
  });
  await parser.parse(["users", "create", "kim", "--role", "admin", "--role", "editor"]);
  assert.deepEqual(roles, ["admin", "editor"]);
});

test("no message about the command line repeats a value that was typed", async () => {
  const wrong = [
    ["users", "create", "kim", "hunter2"],
    ["users", "create", "kim", "--pass=hunter2"],
    ["users", "create", "kim", "--password=hunter2"],
    ["token", "sign", "--token=hunter2"],
  ];
  for (const args of wrong) {
    await assert.rejects(parserOf(async () => 0).parse(args), (error) => {
      assert.ok(error instanceof UsageFault);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  }
});

test("a key id that begins with a hyphen is a key id, wherever the options stand", async () => {
  const kid = "-GvrGDQjzEjsxamMt-mnnfK8EFh9r5FysHbnna3h57s";
  for (const args of [
    ["keys", "revoke", kid, "--yes"],
    ["keys", "revoke", "--yes", kid],
    ["--json", "keys", "revoke", "--yes", "--", kid],
  ]) {
    let given: Given | undefined;
    await parserOf(async (_row, told) => {
      given = told;
      return 0;
    }).parse(args);
    assert.deepEqual([given?.arg("kid"), given?.flag("yes")], [kid, true]);
  }
});

/** What is typed wrong, what must not be typed at all, and what programs read. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { COMMANDS } from "../../packages/server/src/cli/commands.ts";
import { EXIT_CODES } from "../../packages/server/src/cli/exit.ts";
import { temporaryFolder } from "../processes.ts";
import { documents, mapae } from "./mapae.ts";

const TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJcdTAwMWJbMm1raW0iLCJodHRwczovL2V4YW1wbGUuY29tL3giOjF9.";

test("a typo is answered with one line, the command that was meant, and exit code 2", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["usres", "list"], /^mapae: unknown command 'usres'\. Did you mean users\?\n$/],
    [["users", "lst"], /^mapae: unknown command 'lst'\. Did you mean list\?\n$/],
    [["users", "list", "--jsno"], /^mapae: unknown option '--jsno'\. Did you mean --json\?\n$/],
    [["users", "show"], /^mapae: missing required argument 'user'\. See mapae --help\.\n$/],
    [["users", "list", "--state", "gone"], /^mapae: option '--state <state>' argument 'gone' is invalid/],
    [["sessions", "revoke"], /^mapae: name one of: a session, --user <user>, or --all\n$/],
  ];
  for (const [args, line] of cases) {
    const ran = await mapae(folder, args);
    assert.equal(ran.code, EXIT_CODES.usage.code, args.join(" "));
    assert.match(ran.stderr, line);
    assert.equal(ran.stdout, "");
  }
  const setting = await mapae(folder, ["users", "list"], { settings: { MAPAE_PROT: "1" } });
  assert.equal(setting.code, EXIT_CODES.usage.code);
  assert.match(setting.stderr, /^mapae: MAPAE_PROT is no setting of this server\. Did you mean MAPAE_PORT\?\n$/);
});

test("no command takes a password, a secret or a token as the value of an argument or option", async (t) => {
  for (const { name, args = [], options = [] } of COMMANDS) {
    for (const text of [...args, ...options.map(({ flags }) => flags)]) {
      if (text === "[token]") continue; // refused with a sentence, below
      assert.doesNotMatch(text, /(password|secret|token)(?!-file|-stdin)[^ ]*( <|>|\])/i, `${name} ${text}`);
    }
  }
  const folder = temporaryFolder((task) => t.after(task));
  const given = await mapae(folder, ["users", "create", "kim@example.com", "--password=hunter2hunter2"]);
  assert.equal(given.code, EXIT_CODES.usage.code);
  assert.match(given.stderr, /^mapae: a password in an argument can be read by every user of the machine/);
  assert.ok(!given.stderr.includes("hunter2"));
  const positional = await mapae(folder, ["users", "create", "kim@example.com", "hunter2hunter2"]);
  assert.equal(positional.code, EXIT_CODES.usage.code);
  assert.ok(!positional.stderr.includes("hunter2"));
  const unasked = await mapae(folder, ["users", "create", "kim@example.com"]);
  assert.equal(unasked.code, EXIT_CODES.usage.code);
  assert.match(unasked.stderr, /--password-stdin/);
  const token = await mapae(folder, ["token", "inspect", TOKEN]);
  assert.equal(token.code, EXIT_CODES.usage.code);
  assert.match(token.stderr, /^mapae: a token is a secret, and other users can read arguments \(ps\): pipe it/);
  assert.ok(!token.stderr.includes(TOKEN));
});

test("a hostile token is explained without letting it touch the terminal", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const ran = await mapae(folder, ["token", "inspect"], { stdin: TOKEN });
  assert.equal(ran.code, 0, ran.stderr);
  assert.ok(!ran.stdout.includes("\x1b"), "no escape character comes through, and no colour without a terminal");
  assert.match(ran.stdout, /algorithm is "none"/);
  assert.match(ran.stdout, /no signature/);
  assert.match(ran.stdout, /never expires/);
  assert.match(ran.stdout, /https:\/\/example\.com\/x +1 +private/);
  assert.equal(documents(await mapae(folder, ["token", "inspect", "--json"], { stdin: TOKEN })).length, 1);
  const none = await mapae(folder, ["token", "inspect"], { stdin: "not a token" });
  assert.equal(none.code, EXIT_CODES.failed.code);
  assert.match(none.stderr, /^mapae: this is no JWT/);
});

test("a token is verified with a shared secret, and an unreachable issuer is no verdict", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const file = join(folder, "secret");
  writeFileSync(file, `${Buffer.alloc(32, 7).toString("base64url")}\n`);
  const ran = await mapae(folder, ["token", "verify", "--secret-file", file, "--alg", "HS256", "--json"], {
    stdin: TOKEN,
  });
  assert.equal(ran.code, EXIT_CODES.failed.code);
  assert.deepEqual(documents(ran).length, 1);
  const away = await mapae(folder, ["token", "verify", "--issuer", "http://127.0.0.1:1"], {
    stdin: TOKEN.replace("ub25l", "ub25m"),
  });
  assert.notEqual(away.code, EXIT_CODES.ok.code);
});

test("help prints the settings and the exit codes from the tables of the code", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const codes = await mapae(folder, ["help", "exit-codes"]);
  for (const { code, says } of Object.values(EXIT_CODES)) {
    assert.match(codes.stdout, new RegExp(`^${code} +`, "m"));
    assert.ok(codes.stdout.includes(says));
  }
  const serve = await mapae(folder, ["serve", "--help"]);
  assert.equal(serve.code, 0);
  assert.match(serve.stdout, /MAPAE_ACCESS_TTL {2}\(default: 5m\)/);
  const settings = documents(await mapae(folder, ["settings", "--json"]));
  assert.ok(settings.length > 20);
});

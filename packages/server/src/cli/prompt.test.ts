import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { CommandFailed } from "./exit.ts";
import { ask, confirm, type Keyboard, newPassword, readSecret } from "./prompt.ts";

/** A terminal that remembers its mode and what it showed. */
function terminal(isTTY = true) {
  const modes: boolean[] = [];
  const stderr = new PassThrough();
  let shown = "";
  stderr.on("data", (chunk: Buffer) => {
    shown += chunk.toString();
  });
  const stdin = Object.assign(new PassThrough(), { isTTY, setRawMode: (raw: boolean) => modes.push(raw) });
  const keyboard: Keyboard = { stdin, stderr };
  return { keyboard, modes, shown: () => shown, type: (text: string) => stdin.write(text) };
}

function failed(exit: string): (error: unknown) => boolean {
  return (error) => error instanceof CommandFailed && error.exit === exit;
}

test("a password is not shown while it is typed, and the terminal gets its mode back", async () => {
  const { keyboard, modes, shown, type } = terminal();
  const asked = ask(keyboard, "Password: ", true);
  type("a secret\r");
  assert.equal(await asked, "a secret");
  assert.equal(shown(), "Password: \n");
  assert.deepEqual([modes[0], modes.at(-1)], [true, false]);
});

test("Ctrl-C at a prompt puts the terminal back and ends with the code of an interrupt", async () => {
  const { keyboard, modes, type } = terminal();
  const asked = ask(keyboard, "Password: ", true);
  type("half a sec\x03");
  await assert.rejects(asked, failed("interrupted"));
  assert.equal(modes.at(-1), false);
});

test("the end of the input at a prompt is an interrupt too", async () => {
  const { keyboard, modes, type } = terminal();
  const asked = ask(keyboard, "Password: ", true);
  type("\x04");
  await assert.rejects(asked, failed("interrupted"));
  assert.equal(modes.at(-1), false);
});

test("a new password is asked for twice, and two that differ change nothing", async () => {
  const { keyboard, type } = terminal();
  const asked = newPassword(keyboard, false);
  type("one thing\r");
  setImmediate(() => type("another\r"));
  await assert.rejects(asked, failed("failed"));
});

test("without a terminal a password is piped or refused, never waited for", async () => {
  const { keyboard } = terminal(false);
  await assert.rejects(newPassword(keyboard, false), failed("usage"));
});

test("a piped secret loses the line end that echo leaves, and nothing else", async () => {
  const { keyboard } = terminal(false);
  (keyboard.stdin as PassThrough).end(" spaces count \r\n");
  assert.equal(await readSecret(keyboard, "a password"), " spaces count ");
});

test("something final happens after its name was typed, and after nothing else", async () => {
  const right = terminal();
  const confirmed = confirm(right.keyboard, false, "This ends it.", "kim@example.com");
  right.type("kim@example.com\r");
  await confirmed;
  assert.match(right.shown(), /This ends it\./);
  const wrong = terminal();
  const refused = confirm(wrong.keyboard, false, "This ends it.", "kim@example.com");
  wrong.type("yes\r");
  await assert.rejects(refused, failed("failed"));
  await assert.rejects(confirm(terminal(false).keyboard, false, "This ends it.", "kim"), failed("usage"));
  await confirm(terminal(false).keyboard, true, "This ends it.", "kim");
});

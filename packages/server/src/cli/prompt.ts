/**
 * Asking at the terminal. Questions go to stderr, so that stdout stays the result's. A password is not echoed, and the
 * terminal is put back into its mode however the question ends: an answer, Ctrl-C, Ctrl-D or a signal.
 */
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { CommandFailed } from "./exit.ts";

/** What is asked of the terminal; a test gives its own. */
export interface Keyboard {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly stderr: NodeJS.WritableStream;
}

/** At most this much of a piped secret is read: longer ones are a mistake. */
const SECRET_BYTES = 64 * 1024;

export function isTerminal({ stdin }: Keyboard): boolean {
  return stdin.isTTY === true;
}

/** One line from the terminal. @param hidden what is typed is not shown */
export function ask(keyboard: Keyboard, question: string, hidden: boolean): Promise<string> {
  const { stdin, stderr } = keyboard;
  stderr.write(question);
  return new Promise((resolve, reject) => {
    // In terminal mode readline echoes to its output: what is hidden is echoed to nowhere.
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    const lines = createInterface({ input: stdin, output: hidden ? nowhere : stderr, terminal: true, historySize: 0 });
    const stopped = (): void => end(() => reject(new CommandFailed("interrupted", "interrupted; nothing was changed")));
    const end = (then: () => void): void => {
      for (const signal of ["SIGTERM", "SIGHUP"] as const) process.off(signal, stopped);
      lines.removeAllListeners("close");
      lines.close();
      if (hidden) stderr.write("\n");
      then();
    };
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.once(signal, stopped);
    lines.once("line", (line) => end(() => resolve(line)));
    lines.once("SIGINT", stopped);
    lines.once("close", stopped);
  });
}

/**
 * A new password: asked for twice, or the whole of stdin where that was wished.
 * @param word what it is called
 */
export async function newPassword(keyboard: Keyboard, fromStdin: boolean, word = "Password"): Promise<string> {
  const name = word.toLowerCase();
  if (fromStdin) return readSecret(keyboard, `a ${name}`);
  if (!isTerminal(keyboard)) {
    throw new CommandFailed("usage", `there is no terminal to ask for the ${name}: pipe it, with --${name}-stdin`);
  }
  const first = await ask(keyboard, `${word}: `, true);
  if (first === "") throw new CommandFailed("failed", `no ${name} was given; nothing was changed`);
  if ((await ask(keyboard, `${word} again: `, true)) !== first) {
    throw new CommandFailed("failed", `the two ${name}s differ; nothing was changed`);
  }
  return first;
}

/** All of stdin, without the line end that `echo` leaves. */
export async function readSecret({ stdin }: Keyboard, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > SECRET_BYTES) throw new CommandFailed("failed", `stdin holds more than ${what}`);
    chunks.push(bytes);
  }
  const text = Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
  if (text === "") throw new CommandFailed("usage", `stdin is empty: it should hold ${what}`);
  return text;
}

/**
 * Before something wide or final: what is named has to be typed again. Where nobody can be asked, only `--yes` will do.
 * @param told what is about to happen, as a sentence
 */
export async function confirm(keyboard: Keyboard, yes: boolean, told: string, word: string): Promise<void> {
  if (yes) return;
  if (!isTerminal(keyboard)) {
    throw new CommandFailed("usage", `${told} There is no terminal to confirm it at: say so with --yes.`);
  }
  keyboard.stderr.write(`${told}\n`);
  const typed = await ask(keyboard, `To go on, type ${word}: `, false);
  if (typed.trim() !== word) throw new CommandFailed("failed", "not confirmed; nothing was changed");
}

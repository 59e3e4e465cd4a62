/**
 * A party's keys from where the command line says they are: a file, or for public ones an address ("the key on the blog").
 * A passphrase comes from a file, a variable of the environment, or the terminal; never from an argument (decision 0031).
 */
import { readFileSync, statSync } from "node:fs";
import type { DecryptionKey } from "@mapae/verifier/jwe";
import {
  bindPrivateKeys,
  bindPublicKeys,
  fetchKeyText,
  type Jwk,
  KEY_TEXT_MAX,
  KeysRefused,
  type Named,
  type PrivateKeys,
  type PublicKeys,
  publicHalves,
  readKeyText,
} from "@mapae/verifier/seal";
import type { Context } from "../context.ts";
import { CommandFailed } from "../exit.ts";
import { ask, isTerminal } from "../prompt.ts";

/** An option that a command cannot do without. */
export function place({ given }: Context, name: "from" | "to" | "out", of: string): string {
  const value = given.text(name);
  if (value === undefined) throw new CommandFailed("usage", `say ${of}: --${name}`);
  return value;
}

/** Keys that their owner has published. */
export async function publishedKeys(context: Context, at: string): Promise<PublicKeys> {
  const text = /^https?:/i.test(at) ? await fetched(context, at) : contentOf(at);
  return refused(at, async () => bindPublicKeys(await readKeyText(text)));
}

/** One's own keys; asks for a passphrase where they need one and none was given. */
export async function ownKeys(context: Context, at: string): Promise<PrivateKeys> {
  return refused(at, async () => bindPrivateKeys(await ownJwks(context, at)));
}

/** What `--key` opens encrypted tokens with: nothing where it was not given. */
export async function openingKeys(context: Context): Promise<readonly DecryptionKey[]> {
  const at = context.given.text("key");
  return at === undefined ? [] : (await ownKeys(context, at)).opening.map(({ key }) => key);
}

/** One's own keys as a verifier takes them, seen to be good for opening. */
export async function decryptionKeys(context: Context, at: string): Promise<{ readonly keys: readonly Jwk[] }> {
  const keys = await refused(at, async () => {
    const jwks = await ownJwks(context, at);
    firstOf((await bindPrivateKeys(jwks)).opening, at, "encryption");
    return jwks;
  });
  return { keys };
}

/** The published half of keys, of which either half may be given: where nothing private is done with them. */
export async function eitherHalf(context: Context, at: string): Promise<PublicKeys> {
  if (/^https?:/i.test(at)) return publishedKeys(context, at);
  return refused(at, async () => bindPublicKeys(publicHalves(await ownJwks(context, at))));
}

/** The first that can do what is asked. */
export function firstOf<Key>(keys: readonly Named<Key>[], at: string, what: string): Named<Key> {
  const [first] = keys;
  if (first === undefined) throw new CommandFailed("usage", `${at}: it has no key for ${what}`);
  return first;
}

async function ownJwks(context: Context, at: string) {
  const text = contentOf(at);
  const passphrase = givenPassphrase(context);
  try {
    return await readKeyText(text, passphrase);
  } catch (error) {
    if (!(error instanceof KeysRefused) || error.code !== "passphrase_needed") throw error;
    return readKeyText(text, await askedPassphrase(context, at));
  }
}

/** The passphrase that the options point to, if they do. */
export function givenPassphrase({ given, env }: Context): string | undefined {
  const file = given.text("passphraseFile");
  const name = given.text("passphraseEnv");
  if (file !== undefined && name !== undefined) {
    throw new CommandFailed("usage", "--passphrase-file and --passphrase-env exclude each other");
  }
  if (file !== undefined) return contentOf(file).replace(/\r?\n$/, "");
  if (name === undefined) return undefined;
  const value = env[name];
  if (value === undefined || value === "") throw new CommandFailed("usage", `the variable ${name} is not set`);
  return value;
}

async function askedPassphrase({ keyboard }: Context, at: string): Promise<string> {
  if (isTerminal(keyboard)) return ask(keyboard, `Passphrase of ${at}: `, true);
  throw new CommandFailed(
    "usage",
    `${at} is protected by a passphrase, and there is no terminal to ask for it: --passphrase-file or --passphrase-env`,
  );
}

async function refused<Keys>(at: string, work: () => Promise<Keys>): Promise<Keys> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KeysRefused) throw new CommandFailed("usage", `${at}: ${error.message}`);
    throw error;
  }
}

function contentOf(file: string): string {
  try {
    if (statSync(file).size > KEY_TEXT_MAX) throw new CommandFailed("usage", `${file} is too large for a file of keys`);
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof CommandFailed) throw error;
    throw new CommandFailed("failed", `the file ${file} cannot be read`);
  }
}

async function fetched({ given }: Context, url: string): Promise<string> {
  const answer = await fetchKeyText(url, { dangerouslyAllowHttp: given.flag("dangerouslyAllowHttp") });
  if (answer.ok) return answer.text;
  throw new CommandFailed("failed", `${url}: ${answer.reason}`);
}

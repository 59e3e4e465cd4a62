/**
 * The offline lists of common and breached passwords (ASVS 6.2.4, 6.2.12), and those that an operator adds. They are
 * read when the first password is set, not at start, and never ask the network.
 *
 *   assets/passwords/common.grs     the most used ones; also refused with a short tail ("superman2024!")
 *   assets/passwords/breached.grs   seen in breaches, less common
 *   the operator's files            one password a line, or its SHA-1 in hex as breach lists publish them
 *
 * How the two shipped files are made, and from what: `scripts/make-password-lists.ts`, assets/passwords/README.md.
 */
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { StartRefused } from "../prelude/fault.ts";
import { fold } from "./fold.ts";
import { type RiceSet, readRiceSet } from "./rice-set.ts";

export type Listed = "common" | "breached";

export interface PasswordLists {
  /** Which list knows the password, if any. The first call reads the files. */
  find(password: string): Promise<Listed | undefined>;
}

interface Loaded {
  readonly common: RiceSet;
  readonly breached: RiceSet;
  readonly own: OwnList;
}

/** Digits and marks that people put behind a common password to please a rule: a tail of up to five is seen through. */
const TAILS = [1, 2, 3, 4, 5].map((length) => new RegExp(`[^\\p{L}]{${length}}$`, "u"));

/**
 * @param files paths of the operator's lists: UTF-8, one entry a line (a password, or 40 hex digits of SHA-1 with an
 * optional `:count`). They are held in memory, some 30 bytes an entry. Throws `StartRefused` where one cannot be read.
 */
export async function openPasswordLists(files: readonly string[] = []): Promise<PasswordLists> {
  for (const file of files) {
    await access(file, constants.R_OK).catch(() => {
      throw new StartRefused(`The password list ${file} cannot be read.`);
    });
  }
  let loading: Promise<Loaded> | undefined;
  const load = (): Promise<Loaded> => {
    loading ??= loadAll(files).catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
  return { find: async (password) => lookUp(await load(), password) };
}

function lookUp(lists: Loaded, password: string): Listed | undefined {
  const folded = fold(password);
  if (lists.common.has(folded)) return "common";
  if (TAILS.some((tail) => tail.test(folded) && lists.common.has(folded.replace(tail, "")))) return "common";
  if (lists.breached.has(folded) || lists.own.has(password, folded)) return "breached";
  return undefined;
}

async function loadAll(files: readonly string[]): Promise<Loaded> {
  const [common, breached, own] = await Promise.all([shipped("common"), shipped("breached"), readOwn(files)]);
  return { common, breached, own };
}

/** `assets/` lies as deep under the sources as under the build. */
async function shipped(name: Listed): Promise<RiceSet> {
  return readRiceSet(await readFile(new URL(`../../assets/passwords/${name}.grs`, import.meta.url)));
}

interface OwnList {
  has(password: string, folded: string): boolean;
}

const SHA1_LINE = /^([0-9a-f]{40})(?::\d+)?$/i;

async function readOwn(files: readonly string[]): Promise<OwnList> {
  const folded = new Set<number>();
  const exact = new Set<number>();
  for (const file of files) {
    for await (const line of createInterface({
      input: createReadStream(file, "utf8"),
      crlfDelay: Number.POSITIVE_INFINITY,
    })) {
      const digest = SHA1_LINE.exec(line)?.[1];
      if (digest !== undefined) exact.add(Number.parseInt(digest.slice(0, 12), 16));
      else if (line !== "") folded.add(shortSha1(fold(line)));
    }
  }
  return { has: (password, spelling) => folded.has(shortSha1(spelling)) || exact.has(shortSha1(password)) };
}

/** 48 bits: among ten million entries a stranger collides once in 28 million. SHA-1 because published lists use it. */
function shortSha1(text: string): number {
  return createHash("sha1").update(text, "utf8").digest().readUIntBE(0, 6);
}

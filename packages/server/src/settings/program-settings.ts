/**
 * The settings of a program that stands apart from the login server (`mapae gate`, `mapae relay`): a row is an option and an
 * environment variable at once, and prints the help. It reads variables of its own prefix and nothing else, and a name that
 * is in no row stops it. What stands on the command line wins.
 */
import { readFileSync } from "node:fs";
import { Secret } from "../prelude/secret.ts";
import type { Setting } from "./setting.ts";

export interface ProgramRow<T> extends Setting<T> {
  /** As it is typed; `null`: in the environment only, because arguments can be read by every user of the machine. */
  readonly flags: string | null;
  /** The option may stand several times; the variable separates by this. */
  readonly several?: "," | " ";
}

export type ProgramTable<Name extends string> = Readonly<Record<Name, ProgramRow<unknown>>>;

export function row<T>(flags: string | null, setting: Setting<T>, several?: "," | " "): ProgramRow<T> {
  return { ...setting, flags, ...(several === undefined ? {} : { several }) };
}

/** The rows as options, for the table of commands. */
export function optionsOf(table: ProgramTable<string>): readonly { flags: string; says: string; many?: boolean }[] {
  return Object.values(table).flatMap(({ flags, sentence, env, several, default: preset }) => {
    if (flags === null) return [];
    const note = preset === null ? env : `${env}; default: ${preset}`;
    return [{ flags, says: `${sentence} (${note})`, ...(several === undefined ? {} : { many: true }) }];
  });
}

/** What the command line has; as `cli/given.ts` gives it. */
export interface Flags {
  text(name: string): string | undefined;
  texts(name: string): readonly string[];
}

/** What was read; `faults` grows with whatever is found wrong later on. */
export interface ProgramValues<Name extends string> {
  readonly faults: string[];
  textOf(name: Name): string | null;
  /** Of a number or a duration, in milliseconds. */
  numberOf(name: Name): number;
  itemsOf(name: Name): readonly string[];
  secretsOf(name: Name): readonly Secret[];
  /** A text that has to be there. */
  need(name: Name): string;
  /** How a row is called in a sentence: `--issuer (MAPAE_GATE_ISSUER)`. */
  label(name: Name): string;
}

/** Reads every row. @param program as in `mapae gate`; its variables begin with `MAPAE_GATE_` */
export function readProgram<Name extends string>(
  program: string,
  table: ProgramTable<Name>,
  flags: Flags,
  env: Readonly<Record<string, string | undefined>>,
): ProgramValues<Name> {
  const names = Object.keys(table) as Name[];
  const known = new Set<string>(names.map((name) => table[name].env));
  const faults = Object.keys(env)
    .filter((variable) => variable.startsWith(`MAPAE_${program.toUpperCase()}_`) && !known.has(variable))
    .map((variable) => `${variable} is no setting of the ${program}. See mapae ${program} --help.`);
  const label = (name: Name): string => {
    const { flags: typed, env: variable } = table[name];
    return typed === null ? variable : `${typed.split(" ")[0]} (${variable})`;
  };

  const values = new Map<Name, unknown>();
  for (const name of names) {
    const { default: preset, read, secret } = table[name];
    const written = given(name, table[name], flags, env) ?? preset;
    if (written === null) continue;
    const outcome = read(written);
    if (outcome.ok) values.set(name, outcome.value);
    else
      faults.push(`${label(name)} is ${secret ? "not" : `${JSON.stringify(written)}: expected`} ${outcome.expected}.`);
  }
  const textOf = (name: Name): string | null => {
    const value = values.get(name);
    return typeof value === "string" ? value : null;
  };
  return {
    faults,
    label,
    textOf,
    numberOf: (name) => Number(values.get(name)),
    itemsOf: (name) => {
      const parts = (textOf(name) ?? "").split(table[name].several ?? ",");
      return parts.flatMap((item) => (item.trim() === "" ? [] : [item.trim()]));
    },
    secretsOf: (name) => {
      const value = values.get(name);
      return Array.isArray(value) ? value.filter((item) => item instanceof Secret) : [];
    },
    need: (name) => {
      const value = textOf(name);
      if (value === null) faults.push(`${label(name)} is needed.`);
      return value ?? "";
    },
  };
}

/** The option's name as the parser hands it over: `--jwks-uri <url>` is `jwksUri`, which is the row's name. */
function given(
  name: string,
  { flags: typedAs, env: variable, several }: ProgramRow<unknown>,
  flags: Flags,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const many = flags.texts(name);
  const typed =
    typedAs === null ? undefined : (flags.text(name) ?? (many.length === 0 ? undefined : many.join(several)));
  if (typed !== undefined) return typed;
  const value = env[variable];
  return value === "" ? undefined : value;
}

/** The rows of a resource server's credentials. */
type CredentialName = "clientId" | "clientSecretFile" | "clientSecret";

export interface ProgramCredentials {
  readonly clientId: string;
  readonly clientSecret: Secret;
}

/** Whom to follow revocations as: whoever names the client needs its secret, from one place. `null`: nobody is named. */
export function readCredentials({
  textOf,
  label,
  faults,
}: Pick<ProgramValues<CredentialName>, "textOf" | "label" | "faults">): ProgramCredentials | null {
  const clientId = textOf("clientId");
  const file = textOf("clientSecretFile");
  const direct = textOf("clientSecret");
  if (clientId === null) {
    if (file !== null || direct !== null) faults.push("There is a client secret, but no --client-id.");
    return null;
  }
  if ((file === null) === (direct === null)) {
    faults.push(`--client-id needs --client-secret-file, or ${label("clientSecret")}, and not both.`);
    return null;
  }
  if (direct !== null) return { clientId, clientSecret: new Secret(direct) };
  try {
    return { clientId, clientSecret: new Secret(readFileSync(file ?? "", "utf8").trim()) };
  } catch {
    faults.push(`The file ${file} cannot be read.`);
    return null;
  }
}

/** `host:port` or `[::1]:port`. */
export function addressOf(value: string): { readonly host: string; readonly port: number } | null {
  const [, six, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(value) ?? [];
  const host = six ?? plain;
  return host !== undefined && Number(port) <= 65_535 ? { host, port: Number(port) } : null;
}

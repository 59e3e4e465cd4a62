/** From the table of commands to a parser (commander), its help, and one clear line for every mistake. */
import { CommanderError, Option, Command as Parser } from "commander";
import { VERSION } from "../prelude/version.ts";
import { settingsTable } from "./commands/settings.ts";
import { COMMANDS, type CommandRow, DATA_OPTION, EVERYWHERE, GROUPS, type OptionRow } from "./commands.ts";
import { EXIT_CODES } from "./exit.ts";
import { Given } from "./given.ts";
import { pad } from "./text.ts";

/** The command line itself is wrong; the message says how, and what may have been meant. */
export class UsageFault extends Error {
  override readonly name = "UsageFault";
}

export type Run = (row: CommandRow, given: Given) => Promise<number>;

const TOPICS: Readonly<Record<string, () => string>> = {
  "exit-codes": exitCodeTable,
  settings: () => settingsTable(process.stdout.columns ?? 100),
};

export function parserOf(run: Run): { parse(args: readonly string[]): Promise<number> } {
  let code = EXIT_CODES.ok.code as number;
  const program = configured(new Parser("mapae"))
    .description("Mapae: accounts, sessions, and tokens that die at once.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this, or the help of a command")
    .helpCommand(false)
    .addHelpText("after", "\nmapae help <command>, mapae help settings, mapae help exit-codes");
  addOption(program, DATA_OPTION);
  for (const row of EVERYWHERE) addOption(program, row);

  const groups = new Map<string, Parser>();
  for (const row of COMMANDS) {
    const words = row.name.split(" ");
    const last = words.pop() ?? "";
    let parent = program;
    for (const [depth, word] of words.entries()) {
      const name = words.slice(0, depth + 1).join(" ");
      const group = groups.get(name) ?? addGroup(parent, word, GROUPS[name] ?? "");
      groups.set(name, group);
      parent = group;
    }
    const parser = addCommand(parent, last, row, async (given) => {
      code = await run(row, given);
    });
    // A command may be a group as well: `seal` and `seal keygen`.
    groups.set(row.name, parser.helpCommand(false));
  }
  configured(program.command("help [topic...]"))
    .description("print the help of a command, or a topic: settings, exit-codes")
    .action((words: readonly string[]) => {
      process.stdout.write(helpOn(program, words));
    });

  return {
    parse: async (args) => {
      try {
        await program.parseAsync(kidsLast(args), { from: "user" });
        return code;
      } catch (error) {
        if (!(error instanceof CommanderError)) throw error;
        if (error.code === "commander.helpDisplayed" || error.code === "commander.version") return EXIT_CODES.ok.code;
        if (error.code === "commander.help") return EXIT_CODES.usage.code; // a group without a command: the help was printed
        throw new UsageFault(sentence(error.message));
      }
    },
  };
}

/** An RFC 7638 thumbprint (SHA-256 in base64url). */
const KID = /^-[\w-]{42}$/;

/** One key id in 64 begins with a hyphen, and is no option: behind `--` nothing is one. */
function kidsLast(args: readonly string[]): string[] {
  const named = args.includes("keys") || args.includes("revoke");
  const kids = named && !args.includes("--") ? args.filter((text) => KID.test(text)) : [];
  return kids.length === 0 ? [...args] : [...args.filter((text) => !kids.includes(text)), "--", ...kids];
}

function configured(parser: Parser): Parser {
  return parser
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .showHelpAfterError(false);
}

function addGroup(parent: Parser, word: string, says: string): Parser {
  return configured(parent.command(word)).description(says).helpCommand(false);
}

function addOption(parser: Parser, { flags, says, many, choices }: OptionRow): void {
  const option = new Option(flags, says);
  if (choices !== undefined) option.choices([...choices]);
  if (many === true) option.argParser((value, before: readonly string[] | undefined) => [...(before ?? []), value]);
  parser.addOption(option);
}

function addCommand(parent: Parser, name: string, row: CommandRow, act: (given: Given) => Promise<void>): Parser {
  const parser = configured(parent.command([name, ...(row.args ?? [])].join(" "))).description(row.says);
  const common = row.apart === true ? EVERYWHERE : [DATA_OPTION, ...EVERYWHERE];
  for (const option of [...(row.options ?? []), ...common]) addOption(parser, option);
  if (row.notes !== undefined) parser.addHelpText("after", `\n${row.notes}`);
  if (row.name === "serve") {
    parser.addHelpText(
      "after",
      () => `
Settings, from the environment:

${settingsTable(process.stdout.columns ?? 100)}`,
    );
  }
  parser.action(async () => {
    const names = parser.registeredArguments.map((argument) => argument.name());
    const values = Object.fromEntries(names.map((argument, index) => [argument, parser.processedArgs[index]]));
    await act(new Given(values, parser.optsWithGlobals()));
  });
  return parser;
}

/** commander's two lines as one sentence, without the values that somebody typed: one may be a password. */
function sentence(message: string): string {
  const secret = /unknown option '--(password|secret|token)\b(?!-)/.exec(message)?.[1];
  if (secret !== undefined) {
    return `a ${secret} in an argument can be read by every user of the machine (ps): it is asked for, or read from stdin.`;
  }
  const [fault = "", hint] = message.replace(/^error: /, "").split("\n");
  const told = fault
    .replace(/'(--?[^'=]+)=[^']*'/, "'$1'")
    .replace(/( but got \d+): .*$/, "$1")
    .replace(/\.?$/, ".");
  const meant = /Did you mean (.+)\?/.exec(hint ?? "")?.[1];
  return meant === undefined ? `${told} See mapae --help.` : `${told} Did you mean ${meant}?`;
}

function helpOn(program: Parser, words: readonly string[]): string {
  const topic = TOPICS[words[0] ?? ""];
  if (topic !== undefined && words.length === 1) return `${topic()}\n`;
  let parser = program;
  for (const word of words) {
    const next = parser.commands.find((command) => command.name() === word);
    if (next === undefined)
      throw new UsageFault(`there is no help on ${JSON.stringify(words.join(" "))}. See mapae --help.`);
    parser = next;
  }
  return parser.helpInformation();
}

function exitCodeTable(): string {
  return Object.values(EXIT_CODES)
    .map(({ code, says }) => `${pad(String(code), 3)}  ${says}`)
    .join("\n");
}

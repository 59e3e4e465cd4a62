/** `mapae settings`: the table of settings, from the rows that read them. Also below `mapae serve --help`. */
import { SETTINGS } from "../../settings/config.ts";
import type { Command } from "../context.ts";
import { exitCode } from "../exit.ts";
import { widthOf } from "../text.ts";

interface SettingRow {
  readonly name: string;
  readonly default: string | null;
  readonly form: string;
  readonly says: string;
  /** Also readable from the file that `<name>_FILE` names. */
  readonly secret: boolean;
}

function rows(): readonly SettingRow[] {
  return Object.values(SETTINGS).map(({ env, default: preset, form, sentence, secret }) => ({
    name: env,
    default: preset,
    form,
    says: sentence,
    secret,
  }));
}

/** @param width columns of the terminal */
export function settingsTable(width: number): string {
  return rows()
    .map((row) => {
      const preset = row.default === null || row.default === "" ? "" : `  (default: ${row.default})`;
      const file = row.secret ? ` Or ${row.name}_FILE: a file that holds it.` : "";
      const lines = wrap(`${row.says}${file}`, Math.max(40, width) - 4);
      return [
        `${row.name}${preset}`,
        ...lines,
        ...wrap(`One of: ${row.form}`.replace(/^One of: (?!.* \| )/, "Form: "), width - 4),
      ]
        .map((line, index) => (index === 0 ? line : `    ${line}`))
        .join("\n");
    })
    .join("\n");
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

export const settings: Command = async ({ output, keyboard }) => {
  if (output.json) {
    async function* all(): AsyncGenerator<readonly SettingRow[]> {
      yield rows();
    }
    await output.list(all(), [], "");
  } else {
    const { columns } = keyboard.stderr as { readonly columns?: number };
    output.result(null, settingsTable(columns ?? 100));
  }
  return exitCode("ok");
};

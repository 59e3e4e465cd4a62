/**
 * `npm run docs`: writes the tables of the documentation from the tables of the code, so that each is written once.
 *
 *   <!-- table: settings -->  …  <!-- /table -->      what stands between is replaced
 *
 * A test (test/docs/tables.test.ts) renders them again and fails where a document is behind the code.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answerDenial, type Denial, REFUSALS, type RefusalCode, UNDECIDED, type UndecidedCode } from "@mapae/verifier";
import { createMapae } from "mapae";
import { AUDIT_EVENTS } from "../packages/server/src/audit/event.ts";
import { COMMANDS, DATA_OPTION, EVERYWHERE } from "../packages/server/src/cli/commands.ts";
import { EXIT_CODES } from "../packages/server/src/cli/exit.ts";
import { PROBLEMS } from "../packages/server/src/http/problem.ts";
import { formatDuration } from "../packages/server/src/prelude/duration.ts";
import {
  CARRIED,
  PROMISES,
  type Promises,
  ROUTED,
  STRATEGIES,
  STRATEGY_NAMES,
} from "../packages/server/src/sessions/strategy.ts";
import { SETTINGS } from "../packages/server/src/settings/config.ts";
import type { Setting } from "../packages/server/src/settings/setting.ts";
import { LIMITS } from "../packages/server/src/throttle/limits.ts";
import { FAULTS } from "../test/simulation/faults.ts";

const ROOT = join(import.meta.dirname, "..");
const MARKED = /(<!-- table: (\w+) -->\n)[\s\S]*?(<!-- \/table -->)/g;

/** The documents that have tables. */
export const DOCUMENTS = [
  "docs/api.md",
  "docs/cli.md",
  "docs/decisions/0062-simulation.md",
  "docs/decisions/README.md",
  "docs/operations.md",
  "docs/rate-limits.md",
  "docs/settings.md",
  "docs/strategies.md",
  "docs/verifying.md",
];

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const code = (text: string) => `\`${text}\``;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows.map((row) => row.map(cell))];
  return lines.map((line) => `| ${line.join(" | ")} |`).join("\n");
}

function settings(): string {
  const rows: readonly Setting<unknown>[] = Object.values(SETTINGS);
  return table(
    ["setting", "default", "form", "what it does"],
    rows.map((row) => [
      row.secret ? `${code(row.env)}, or ${code(`${row.env}_FILE`)}` : code(row.env),
      row.default === null ? "(see right)" : row.default === "" ? "(none)" : code(row.default),
      row.form,
      row.sentence,
    ]),
  );
}

function limits(): string {
  return table(
    ["limit", "counts", "by", "at once", "one more every"],
    Object.entries(LIMITS).map(([name, { counts, by, capacity, refillMs }]) => [
      code(name),
      counts,
      by,
      String(capacity),
      formatDuration(refillMs),
    ]),
  );
}

function problems(): string {
  return table(
    ["code", "status", "what it says"],
    Object.entries(PROBLEMS).map(([name, { status, detail }]) => [code(name), String(status), detail]),
  );
}

/** A denial of every code that a token can be refused, or left undecided, by. */
function* denials(): Generator<Denial & { readonly message: string }> {
  for (const [code, message] of Object.entries(REFUSALS) as [RefusalCode, string][]) {
    if (code === "token_revoked") yield { ok: false, code, message, reason: "unknown", revocation: null };
    else yield { ok: false, code, message };
  }
  for (const [code, message] of Object.entries(UNDECIDED) as [UndecidedCode, string][]) {
    yield { ok: false, code, message };
  }
}

function refusals(): string {
  return table(
    ["code", "status over HTTP", "meaning"],
    [...denials()].map((denial) => [code(denial.code), String(answerDenial(denial, "").status), denial.message]),
  );
}

function events(): string {
  return table(
    ["event", "what happened"],
    Object.entries(AUDIT_EVENTS).map(([name, says]) => [code(name), says]),
  );
}

function exits(): string {
  return table(
    ["exit code", "meaning"],
    Object.values(EXIT_CODES).map(({ code, says }) => [String(code), says]),
  );
}

function commands(): string {
  const option = (flags: string, says: string) => `- ${code(flags)}: ${says}`;
  const sections = COMMANDS.map(({ name, args = [], says, options = [], notes }) => {
    const usage = code(["mapae", name, ...args].join(" "));
    const list = options.map(({ flags, says, choices }) =>
      option(flags, choices === undefined ? says : `${says} (${choices.join(" | ")})`),
    );
    const paragraphs = [
      `### ${name}`,
      `${usage}: ${says}.`,
      list.join("\n"),
      notes?.replaceAll("\n", " ").replaceAll("<", "&lt;") ?? "",
    ];
    return paragraphs.filter((paragraph) => paragraph !== "").join("\n\n");
  });
  const everywhere = [...EVERYWHERE, DATA_OPTION].map(({ flags, says }) => option(flags, says));
  return [`Every command takes:\n\n${everywhere.join("\n")}`, ...sections].join("\n\n");
}

interface Operation {
  readonly summary: string;
  readonly security: readonly Readonly<Record<string, unknown>>[];
}

async function routes(): Promise<string> {
  const mapae = createMapae({ databaseUrl: "memory:", logLevel: "silent" });
  try {
    const answer = await mapae.fetch(new Request("http://localhost:4000/openapi.json"));
    const { paths } = (await answer.json()) as { paths: Record<string, Record<string, Operation>> };
    const rows = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { summary, security }]) => {
        const token = path.startsWith("/v1/admin/") ? "a token of the admin audience" : "an access token";
        const server = security.some((scheme) => "resource_server" in scheme);
        const caller = server ? "a resource server, by its id and secret" : token;
        const metrics = path === "/metrics" ? "loopback, or `MAPAE_METRICS_TOKEN`" : "anyone";
        return [code(`${method.toUpperCase()} ${path}`), security.length > 0 ? caller : metrics, summary];
      }),
    );
    return table(["route", "who may call", "what it does"], rows);
  } finally {
    await mapae.close();
  }
}

function decisions(): string {
  const folder = join(ROOT, "docs/decisions");
  const records = readdirSync(folder).filter((name) => /^\d{4}-.*\.md$/.test(name));
  return records
    .sort()
    .map((name) => `- [${/^# (.*)$/m.exec(readFileSync(join(folder, name), "utf8"))?.[1] ?? name}](${name})`)
    .join("\n");
}

function strategies(): string {
  return table(
    ["", ...STRATEGY_NAMES.map(code)],
    [
      ["log-ins live in", ...STRATEGY_NAMES.map((name) => STRATEGIES[name].sessionsIn)],
      ["the app carries", ...STRATEGY_NAMES.map((name) => CARRIED[STRATEGIES[name].carries])],
      ["a browser is sent to", ...STRATEGY_NAMES.map((name) => ROUTED[STRATEGIES[name].routing])],
      ["needs", ...STRATEGY_NAMES.map((name) => STRATEGIES[name].needs)],
      ...(Object.keys(PROMISES) as (keyof Promises)[]).map((promise) => [
        PROMISES[promise],
        ...STRATEGY_NAMES.map((name) => STRATEGIES[name].promises[promise]),
      ]),
    ],
  );
}

function faults(): string {
  return table(
    ["planted fault", "in", "first seed that caught it"],
    FAULTS.map(({ name, file, seed }) => [name, code(file), String(seed)]),
  );
}

const TABLES: Readonly<Record<string, () => string | Promise<string>>> = {
  commands,
  decisions,
  events,
  exits,
  faults,
  limits,
  problems,
  refusals,
  routes,
  settings,
  strategies,
};

/** The document with its tables as the code has them now. Throws for a table that is not known. */
export async function withTables(text: string): Promise<string> {
  const rendered = new Map<string, string>();
  for (const [, , name = ""] of text.matchAll(MARKED)) {
    const render = Object.hasOwn(TABLES, name) ? TABLES[name] : undefined;
    if (render === undefined) throw new Error(`there is no table ${name}`);
    rendered.set(name, await render());
  }
  return text.replace(MARKED, (_, head: string, name: string, tail: string) => `${head}${rendered.get(name)}\n${tail}`);
}

if (import.meta.main) {
  for (const path of DOCUMENTS) {
    const file = join(ROOT, path);
    const before = readFileSync(file, "utf8");
    const after = await withTables(before);
    if (after === before) continue;
    writeFileSync(file, after);
    console.error(`${path}: written`);
  }
}

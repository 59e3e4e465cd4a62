/**
 * Plays a scene: a login server of its own in a folder of its own, and one shell through which its commands go.
 *
 *   blocks ──► one script, a mark after every block ──► bash ──► what each block printed ──► compared
 *
 * Documents speak of the ports that a reader will see (4000, 4001, and 4200 of a relay); the shell is given the real ones.
 * 4001 is the example's API, or else whatever the document starts there.
 */
import { spawnSync } from "node:child_process";
import { symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Postgres, startPostgres } from "../components/postgres.ts";
import {
  environment,
  FLAGS,
  freePort,
  LOGIN_SERVER,
  ROOT,
  type Running,
  startLoginServer,
  startOrdersApi,
} from "../processes.ts";
import type { Block, Scene } from "./document.ts";
import { jsonDifference, textDifference } from "./match.ts";

const TIMEOUT_MS = 60_000;
/** After each block: a record separator (U+001E) and the block's line. */
const MARK = "\u001e";

/**
 * `npm run mapae -- …` without npm's own second of start-up: the same program with the same arguments, and without `-s`
 * the lines that npm puts before it on stdout.
 */
const PRELUDE = `set -euo pipefail
npm() {
  local silent=
  if [ "\${2-}" = -s ]; then silent=1; set -- "$1" "\${@:3}"; fi
  if [ "\${1-} \${2-} \${3-}" != "run mapae --" ]; then echo "a document may not run: npm $*" >&2; return 1; fi
  shift 3
  [ -n "$silent" ] || printf '\\n> mapae-repository mapae\\n> node scripts/launch.mjs mapae %s\\n\\n' "$*"
  # In the background this shell is the program, so that a signal to it is one to that.
  if [ "$BASHPID" != "$$" ]; then exec node "${LOGIN_SERVER}" "$@"; fi
  node "${LOGIN_SERVER}" "$@"
}
# What a document started and left running ends with it.
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
# The service manager, as far as documents use it: the scene's login server, on its port, with what the shell exports.
systemctl() {
  case "$*" in
    "stop mapae") kill "$LOGIN_PID"; while [ -e data/mapae.sock ]; do sleep 0.05; done ;;
    "start mapae")
      MAPAE_PORT="$LOGIN_PORT" node "${LOGIN_SERVER}" serve > service.log 2>&1 & LOGIN_PID=$!
      until grep -qs "ready at" service.log; do kill -0 "$LOGIN_PID"; sleep 0.05; done ;;
    *) echo "a document may not do: systemctl $*" >&2; return 1 ;;
  esac
}
`;

/** What documents call the database of a scene with PostgreSQL. */
const DATABASE = "postgres://mapae@db.internal/mapae";

/** Every name by what stands for it, in one pass: what was put in is not looked at again, and no port is the head of another. */
export function replaced(text: string, pairs: readonly (readonly [name: string, by: string])[]): string {
  const names = pairs.map(([name]) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  const by = new Map(pairs);
  return text.replace(new RegExp(`(?:${names})(?!\\d)`, "g"), (name) => by.get(name) ?? name);
}

const outputOf = (blocks: readonly Block[], run: number) =>
  blocks.slice(run + 1).find(({ does }) => does === "run" || does === "output");

function difference(output: Block, printed: string): string | null {
  if (output.language !== "json") return textDifference(output.text, printed);
  try {
    return jsonDifference(JSON.parse(output.text), JSON.parse(printed));
  } catch {
    return `is no JSON, or the document's is none: ${printed}`;
  }
}

/** Runs the script; what each block printed, by the block's line. */
function shell(script: string, folder: string, env: Record<string, string>): Map<number, string> {
  const options = { cwd: folder, env, encoding: "utf8", timeout: TIMEOUT_MS } as const;
  const done = spawnSync("bash", ["-c", `exec 2>&1\n${PRELUDE}${script}`], options);
  const printed = new Map<number, string>();
  let rest = done.stdout;
  for (;;) {
    const found = new RegExp(`${MARK}(\\d+)\n`).exec(rest);
    if (found === null) break;
    printed.set(Number(found[1]), rest.slice(0, found.index));
    rest = rest.slice(found.index + found[0].length);
  }
  if (done.status !== 0) throw new Error(`a command failed (${done.status ?? done.signal}) after:\n${rest}`);
  return printed;
}

/** @returns the differences, one text each, with the lines where they stand */
export async function play(scene: Scene, folder: string): Promise<readonly string[]> {
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"), "dir");
  const login = await startLoginServer(folder, scene.settings);
  let api: Running | undefined;
  let postgres: Postgres | null = null;
  try {
    if (scene.api) api = await startOrdersApi(folder, { ISSUER: login.url });
    const [relayPort, otherPort] = [await freePort(), await freePort()];
    if (scene.postgres) postgres = await startPostgres({ settings: { fsync: "off" } });
    const database = postgres === null ? null : new URL(await postgres.database());
    const password = decodeURIComponent(database?.password ?? "");
    if (database !== null) database.password = "";
    const ports = [
      ["localhost:4000", new URL(login.url).host],
      ["localhost:4001", api === undefined ? `localhost:${otherPort}` : new URL(api.url).host],
      ["MAPAE_PORT=4001", `MAPAE_PORT=${otherPort}`],
      ["localhost:4200", `localhost:${relayPort}`],
      [DATABASE, database?.href ?? DATABASE],
      [DATABASE.replace(/^.*@/, ""), database === null ? DATABASE : `${database.host}${database.pathname}`],
    ] as const;
    const real = (text: string) => replaced(text, ports);
    const shown = (text: string) =>
      replaced(
        text,
        ports.map(([shown, is]) => [is, shown] as const),
      );

    for (const { does, text } of scene.blocks) {
      const name = /^file=([\w.-]+)$/.exec(does)?.[1];
      if (name !== undefined) writeFileSync(join(folder, name), real(text));
    }
    const runs = scene.blocks.filter(({ does }) => does === "run");
    const script = runs.map(({ text, line }) => `${real(text)}\nprintf '${MARK}${line}\\n'\n`).join("");
    const { PATH = "" } = process.env;
    const printed = shell(script, folder, {
      ...environment({}),
      ...(database !== null && { MAPAE_DATABASE_PASSWORD: password }),
      LOGIN_PID: `${login.pid}`,
      LOGIN_PORT: new URL(login.url).port,
      PATH: `${dirname(process.execPath)}:${join(ROOT, "node_modules/.bin")}:${PATH}`,
      NODE_OPTIONS: FLAGS.join(" "),
    });
    return scene.blocks.flatMap((block, index) => {
      if (block.does !== "run") return [];
      const output = outputOf(scene.blocks, index);
      if (output?.does !== "output") return [];
      const found = difference(output, shown(printed.get(block.line) ?? ""));
      return found === null ? [] : [`line ${output.line}: the output ${found}`];
    });
  } finally {
    await api?.stop();
    await login.stop();
    await postgres?.remove();
  }
}

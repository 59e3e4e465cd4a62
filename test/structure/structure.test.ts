/**
 * The architecture, held: imports point down, nothing goes in circles, the world comes in through one door.
 *
 * A room of the server imports from rooms above it in the list, and from its own. Types count as well.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readSources, type Source } from "./sources.ts";

const SERVER = "packages/server/src/";

/** The rooms of the server from the ground up. A line is one floor: its rooms do not know each other. */
const FLOORS: readonly (readonly string[])[] = [
  ["prelude"],
  ["audit", "pages"],
  ["revocation"],
  ["vault", "passwords", "throttle", "clients", "sessions", "status", "delivery"],
  ["keys", "users"],
  ["tokens"],
  ["grants"],
  ["feed", "webhooks", "ssf"],
  ["signin", "admin", "oauth"],
  ["http"],
  ["settings"],
  ["storage"],
  ["server"],
  ["operator", "gate", "relay"],
  ["cli", "index"],
];

/** Where a program or a package begins, beside the rooms. */
const ROOM_OF_FILE: Readonly<Record<string, string>> = { "index.ts": "index", "bin.ts": "cli" };

/** What points up all the same, and why. */
const ARGUED: Readonly<Record<string, string>> = {};

const server = readSources([`${SERVER}**/*.ts`]);
const packages = readSources(["packages/*/src/**/*.ts"]);

function roomOf(path: string): string {
  const inside = path.slice(SERVER.length);
  const slash = inside.indexOf("/");
  return slash < 0 ? (ROOM_OF_FILE[inside] ?? `${inside} (no room)`) : inside.slice(0, slash);
}

const floorOf = (room: string): number => FLOORS.findIndex((rooms) => rooms.includes(room));

test("every room of the server has its floor", () => {
  const homeless = new Set(server.map(({ path }) => roomOf(path)).filter((room) => floorOf(room) < 0));
  assert.deepEqual([...homeless], []);
});

test("imports point down", () => {
  const up = server.flatMap(({ path, imports }) =>
    imports
      .filter(({ from }) => from.startsWith(SERVER))
      .filter(({ from }) => roomOf(from) !== roomOf(path) && floorOf(roomOf(from)) >= floorOf(roomOf(path)))
      .map(({ from }) => `${path} -> ${from}`)
      .filter((arrow) => ARGUED[arrow] === undefined),
  );
  assert.deepEqual(up, []);
});

test("every argued exception still exists", () => {
  const arrows = new Set(server.flatMap(({ path, imports }) => imports.map(({ from }) => `${path} -> ${from}`)));
  assert.deepEqual(
    Object.keys(ARGUED).filter((arrow) => !arrows.has(arrow)),
    [],
  );
});

test("the libraries know nothing of the server, and the server nothing of the client", () => {
  const wrong = packages.flatMap(({ path, imports }) =>
    imports
      .map(({ from }) => from)
      .filter((from) => {
        if (path.startsWith("packages/verifier/")) return from === "mapae" || from.startsWith("@mapae/");
        if (path.startsWith("packages/client/")) return from === "mapae" || from.startsWith("@mapae/");
        return from.startsWith("@mapae/client");
      })
      .map((from) => `${path} -> ${from}`),
  );
  assert.deepEqual(wrong, []);
});

test("no file imports across packages but by the package's name", () => {
  const across = packages.flatMap(({ path, imports }) =>
    imports
      .filter(({ from }) => from.startsWith("packages/") && from.split("/")[1] !== path.split("/")[1])
      .map(({ from }) => `${path} -> ${from}`),
  );
  assert.deepEqual(across, []);
});

/** The first circle there is, as the files along it. */
function circle(sources: readonly Source[]): readonly string[] {
  const known = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): readonly string[] => {
    const at = way.indexOf(path);
    if (at >= 0) return [...way.slice(at), path];
    if (done.has(path)) return [];
    for (const { from } of known.get(path)?.imports ?? []) {
      const found = known.has(from) ? visit(from, [...way, path]) : [];
      if (found.length > 0) return found;
    }
    done.add(path);
    return [];
  };
  for (const { path } of sources) {
    const found = visit(path, []);
    if (found.length > 0) return found;
  }
  return [];
}

test("no import goes in a circle", () => assert.deepEqual(circle(packages), []));

test("the look for circles finds one", () => {
  const file = (path: string, ...from: string[]): Source => ({
    path,
    text: "",
    code: "",
    lines: 1,
    imports: from.map((name) => ({ from: name, typesOnly: false })),
  });
  assert.deepEqual(circle([file("a", "b"), file("b", "c"), file("c", "b")]), ["b", "c", "b"]);
});

const everything = readSources(["packages/*/src/**/*.ts", "bench/**/*.ts", "scripts/**/*.ts", "test/**/*.ts"], true);

function matching(sources: readonly Source[], pattern: RegExp): readonly string[] {
  return sources.filter(({ code }) => pattern.test(code)).map(({ path }) => path);
}

test("no any, no suppressed check, no default export, nothing asserted to be there", () => {
  assert.deepEqual(matching(everything, /[:<,|&(]\s*any\b(?!\s*[:(])|\bas\s+any\b/), []);
  assert.deepEqual(
    everything.filter(({ text }) => /^\s*\/\/\s*@ts-(ignore|expect-error|nocheck)/m.test(text)).map(({ path }) => path),
    [],
  );
  // node:test loads a reporter by its default export.
  const byDefault = matching(everything, /\bexport\s+default\b/).filter((path) => path !== "scripts/summary.ts");
  assert.deepEqual(byDefault, []);
  assert.deepEqual(matching(everything, /[\w)\]]!(\.|\[|\)|;|,|\s*$)/m), []);
  // A namespace inside `declare global` is how a framework's own types are added to; it leaves no code.
  assert.deepEqual(matching(everything, /\benum\s+[A-Z]\w*\s*\{|^(export\s+)?namespace\s/m), []);
});

test("only the command line's programs read the environment", () => {
  const programs = /^packages\/server\/src\/(bin|cli\/(main|serve|compose))\.ts$/;
  const readers = matching(packages, /\bprocess\.env\b/).filter((path) => !programs.test(path));
  assert.deepEqual(readers, []);
});

test("time and randomness come in through world.ts, and nowhere else in the server", () => {
  const asking =
    /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\brandomInt\b|\bgetRandomValues\b|\bhrtime\b/;
  const elsewhere = matching(server, asking).filter((path) => path !== `${SERVER}prelude/world.ts`);
  assert.deepEqual(elsewhere, []);
});

test("only http/ and pages/ see cookies and headers", () => {
  const rooms = new Set(["http", "pages", "operator", "server", "index", "cli"]);
  const seen = server.filter(
    ({ path, code }) => !rooms.has(roomOf(path)) && /\b(HeaderReader|IncomingMessage|Headers|readCookie)\b/.test(code),
  );
  assert.deepEqual(
    seen.map(({ path }) => path),
    [],
  );
});

test("nobody but server/ and the command line knows a driver", () => {
  const knowing = server.flatMap(({ path, imports }) =>
    imports
      .filter(({ from }) => /\/storage\/(memory|sqlite)\//.test(from) && roomOf(path) !== "storage")
      .map(() => path),
  );
  assert.deepEqual(
    [...new Set(knowing)].filter((path) => floorOf(roomOf(path)) < floorOf("server")),
    [],
  );
});

/** Tables and migrations, and nothing but. */
const TABLES = /(\.table\.ts|settings\/config\.ts|cli\/commands\.ts|storage\/\w+\/schema\.ts)$/;
test("no file is longer than 400 lines, few than 300, and half of them are shorter than 120", () => {
  const lengths = packages.filter(({ path }) => !TABLES.test(path)).map(({ path, lines }) => ({ path, lines }));
  assert.deepEqual(
    lengths.filter(({ lines }) => lines > 400),
    [],
  );
  const long = lengths.filter(({ lines }) => lines > 300);
  assert.ok(long.length <= 5, JSON.stringify(long));
  const sorted = lengths.map(({ lines }) => lines).sort((a, b) => a - b);
  assert.ok((sorted[Math.floor(sorted.length / 2)] ?? 0) < 120);
});

test("no file inside a package only hands on what others export", () => {
  const handing = packages.filter(({ path, text }) => {
    if (/\/index\.ts$/.test(path)) return false;
    const rest = text
      .replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "")
      .replace(/export\s+(type\s+)?(\*|\{[^}]*\})\s+from\s+"[^"]+";/g, "");
    return rest.trim() === "";
  });
  assert.deepEqual(
    handing.map(({ path }) => path),
    [],
  );
});

test("no folder or file is named for having no name", () => {
  const nameless = packages.filter(({ path }) =>
    /(^|\/)(utils?|helpers?|common|misc|shared|types)(\.ts|\/)/.test(path),
  );
  assert.deepEqual(
    nameless.map(({ path }) => path),
    [],
  );
});

test("every file says at its top what it is", () => {
  const silent = packages.filter(({ path, text }) => !/^(#!.*\n)?\/\*\*/.test(text) && !/\.table\.ts$/.test(path));
  assert.deepEqual(
    silent.map(({ path }) => path),
    [],
  );
});

/**
 * `npm run bench -- NAME [--json]`: runs one benchmark. Without a name it lists them.
 *
 * On stdout a table for people; with `--json` one object a line and nothing else. What goes on is told on stderr.
 */
import { formatTable } from "./harness.js";

const BENCHES = {
  verify: {
    about: "CPU of one access-token verification, beside raw node:crypto, jose, jsonwebtoken and fast-jwt",
    load: () => import("./verify.js"),
  },
  refresh: {
    about: "full HTTP refreshes per second on SQLite, beside the bare rotation on the same file",
    load: () => import("./refresh.js"),
  },
};
const words = process.argv.slice(2);
const json = words.includes("--json");
const [name, ...args] = words.filter((word) => word !== "--json");
if (name === undefined) {
  const width = Math.max(...Object.keys(BENCHES).map((key) => key.length));
  for (const [key, { about }] of Object.entries(BENCHES)) console.log(`${key.padEnd(width)}  ${about}`);
} else {
  const entry = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (entry === undefined) {
    console.error(`bench: there is no ${JSON.stringify(name)}. There are: ${Object.keys(BENCHES).join(", ")}.`);
    process.exit(2);
  }
  const rows = [];
  const { run } = await entry.load();
  await run(
    (row) => {
      rows.push({ bench: name, ...row });
      if (json) console.log(JSON.stringify({ bench: name, ...row }));
    },
    { args },
  );
  if (!json) console.log(formatTable(rows));
}

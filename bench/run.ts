/**
 * `npm run bench -- NAME [--json]`: runs one benchmark. Without a name it lists them.
 *
 * On stdout a table for people; with `--json` one object a line and nothing else. What goes on is told on stderr.
 */
import { type Bench, formatTable, type Row } from "./harness.ts";

interface Entry {
  readonly about: string;
  readonly load: () => Promise<Bench>;
}

const BENCHES: Readonly<Record<string, Entry>> = {
  verify: {
    about: "CPU of one access-token verification, beside raw node:crypto, jose, jsonwebtoken and fast-jwt",
    load: () => import("./verify.ts"),
  },
  revocation: {
    about:
      "revocations: to the last of 1,000 verifiers (connected); checks with up to 1,000,000 entries, memory (alone)",
    load: () => import("./revocation.ts"),
  },
  "status-list": {
    about: "status lists of 100,000 and 1,000,000 slots: reading, signing, pauses of the event loop, size",
    load: () => import("./status-list.ts"),
  },
  seal: {
    about: "sealing and opening a file, beside bare AES-256-GCM and SHA-256 (--mib=256, --dir=/tmp)",
    load: () => import("./seal.ts"),
  },
  refresh: {
    about: "full HTTP refreshes per second on SQLite, beside the bare rotation on the same file",
    load: () => import("./refresh.ts"),
  },
  scale: {
    about:
      "refreshes on SQLite, PostgreSQL and Valkey beside the bare engines, with 10⁴ to 10⁶ log-ins (--full: 10⁷; --sizes=, --only=); 1, 2 and 4 nodes",
    load: () => import("./scale.ts"),
  },
  replicated: {
    about: "a server's copy of 10,000 and 100,000 log-ins: memory of each, time of the first snapshot (--sizes=)",
    load: () => import("./replicated.ts"),
  },
  login: {
    about: "log-ins per second beside bare Argon2id, and what bystanders notice of a storm",
    load: () => import("./login.ts"),
  },
  start: {
    about: "time from spawn to ready, and memory at rest and after 10,000 log-ins (--log-ins=N)",
    load: () => import("./start.ts"),
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
  const rows: Row[] = [];
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

/**
 * The table of checks. A check looks at the facts and says: ok, warn or fail, what it saw, and what to do about it.
 * `fail`: the server does not start or is not safe so. `warn`: it works, and somebody should know.
 */
import { isShared } from "../../keys/keyring.ts";
import { VERSION } from "../../prelude/version.ts";
import { isServed } from "../connection.ts";
import { plural, relative, size, span } from "../text.ts";
import type { Facts } from "./facts.ts";
import { freeBytes, modeOf, portFault } from "./machine.ts";
import { openingFault, secretsAtHand } from "./opening.ts";

export type Status = "ok" | "warn" | "fail";
export interface Finding {
  readonly status: Status;
  readonly says: string;
  /** What to do, where something is to be done. */
  readonly todo?: string;
}
type Check = (facts: Facts) => Finding | Promise<Finding>;

const OLDEST_NODE = 24;
/** This program was written in 2026: a clock that says less is wrong. */
const EARLIEST = Date.UTC(2026, 0, 1);
/** Seconds that a clock may be corrected by without anybody needing to know. */
const CLOCK_SLACK = 60;
const LITTLE_SPACE = 1e9;
const NO_SPACE = 1e8;

function ok(says: string): Finding {
  return { status: "ok", says };
}
function warn(says: string, todo: string): Finding {
  return { status: "warn", says, todo };
}
function fail(says: string, todo: string): Finding {
  return { status: "fail", says, todo };
}

function versions({ about }: Facts): Finding {
  const { node, sqlite } = process.versions;
  if (Number.parseInt(node, 10) < OLDEST_NODE) return fail(`Node ${node}`, `Use Node ${OLDEST_NODE} or later.`);
  const here = `Mapae ${VERSION}, Node ${node}, SQLite ${sqlite}`;
  if (about === null || about.version === VERSION) return ok(here);
  return warn(
    `${here}; the running server is ${about.version}`,
    "Restart the server, or run the command line of its version.",
  );
}

function settings({ config, settingFaults }: Facts): Finding {
  if (config === null) return fail(settingFaults.join(" "), "mapae help settings lists what there is.");
  if (config.rateLimit === "off")
    return warn("MAPAE_RATE_LIMIT is off: passwords can be guessed without limit", "Set it to on.");
  if (isShared(config.signingAlg)) {
    return warn(`${config.signingAlg}: whoever holds MAPAE_SHARED_SECRET can impersonate anyone`, "Prefer ES256.");
  }
  return ok("as this shell has them; the server's own may differ");
}

function dataFolder({ folder, places }: Facts): Finding {
  const mode = modeOf(folder);
  if (mode === null) return warn(`${folder} does not exist`, "The first start makes it.");
  if ((mode & 0o022) !== 0) {
    return fail(`${folder} can be written by others (mode ${mode.toString(8)})`, `chmod go-w ${folder}`);
  }
  const socket = modeOf(places.socket);
  if (socket !== null && (socket & 0o077) !== 0) {
    return fail(`${places.socket} can be opened by others (mode ${socket.toString(8)})`, `chmod 600 ${places.socket}`);
  }
  return ok(folder);
}

function secretFile({ config, places, database }: Facts): Finding {
  if (config?.secret) return ok("MAPAE_SECRET is set");
  const mode = modeOf(places.secret);
  if (mode === null) {
    if (database === null) return ok(`${places.secret} is made at the first start`);
    return warn(
      `there is no ${places.secret}, and MAPAE_SECRET is not set in this shell`,
      "Set MAPAE_SECRET as the server has it.",
    );
  }
  if ((mode & 0o077) !== 0) {
    return fail(`${places.secret} can be read by others (mode ${mode.toString(8)})`, `chmod 600 ${places.secret}`);
  }
  return ok(`${places.secret}, readable by its owner only. Backups do not hold it: keep a copy elsewhere`);
}

function database({ config, file, database: found }: Facts): Finding {
  if (config !== null && isServed(config)) return ok("PostgreSQL: the server checks it at every start");
  if (file === null) return warn("in memory: it ends with the server", "Use SQLite for anything that should last.");
  if (found === null) return ok(`${file} is made at the first start`);
  if (typeof found === "string") return fail(found, "Restore a backup (mapae restore), or correct MAPAE_DATA.");
  const { bytes, walBytes, schema, known, faults, moved } = found;
  if (moved?.gone === true) {
    return fail(`${file} was moved to PostgreSQL at ${moved.target}`, "Set MAPAE_DATABASE_URL to that address.");
  }
  if (faults.length > 0) {
    return fail(
      `${file} is damaged: ${faults[0]}`,
      "Keep a copy of it for inspection, and restore a backup (mapae restore).",
    );
  }
  const told = `${file}, whole, ${size(bytes)}${walBytes > 0 ? ` and ${size(walBytes)} of log` : ""}, schema ${schema}`;
  if (moved !== null) {
    const todo = "mapae move goes on with it; a server that starts here calls it off.";
    return warn(`${told}; a move to PostgreSQL at ${moved.target} was begun and not ended`, todo);
  }
  return schema < known ? warn(`${told} of ${known}`, "The next start migrates it: make a backup before.") : ok(told);
}

async function secretOpens({ config, database: found, about }: Facts): Promise<Finding> {
  if (about !== null) return ok("the running server has opened the database with it");
  if (found === null || typeof found === "string" || found.rows === null) return ok("there is nothing to open yet");
  const secrets = config === null ? undefined : secretsAtHand(config);
  if (secrets === undefined)
    return warn("not checked: there is no secret at hand", "Set MAPAE_SECRET as the server has it.");
  const fault = await openingFault(found.rows.dataKeys, secrets);
  if (fault === null) return ok("it opens the keys in the database");
  return fail(fault, "Set MAPAE_SECRET to the one that the database was made with.");
}

function keys({ config, database: found, now, about }: Facts): Finding {
  if (found === null || typeof found === "string" || found.rows === null) return ok("made at the first start");
  const { signingKeys } = found.rows;
  const active = signingKeys.find(({ state }) => state === "active");
  if (active === undefined) return warn("no signing key is active", "The next start makes one.");
  const alg = about?.signing_key.alg ?? config?.signingAlg;
  if (alg !== undefined && active.alg !== alg) {
    return warn(`the active key is for ${active.alg}, the setting says ${alg}`, "The next start changes it.");
  }
  const since = active.activatedAt ?? active.createdAt;
  const next = about?.signing_key.next_rotation_at;
  const rotation = config?.keyRotation ?? 0;
  const due = next != null ? Date.parse(next) : about === null && rotation > 0 ? since + rotation : null;
  const told = `${plural(signingKeys.length, "key")}, ${active.alg} signs since ${span((now - since) / 1000)}`;
  if (due === null) return ok(`${told}; it is rotated by hand only`);
  if (due < now && about !== null) {
    return warn(
      `${told}; its rotation was due ${relative(due, now)}`,
      "The upcoming key may be too young; otherwise look at the log.",
    );
  }
  return ok(`${told}; next rotation ${due < now ? "at the next start" : relative(due, now)}`);
}

function clock({ now, database: found, about }: Facts): Finding {
  const told = new Date(now).toISOString();
  const todo = "Set the clock, and keep it set (NTP): tokens and sessions expire by it.";
  if (now < EARLIEST) return fail(`the clock says ${told}`, todo);
  const newest = found !== null && typeof found === "object" ? found.rows?.newestEventAt : null;
  if (newest != null && newest - now > CLOCK_SLACK * 1000) {
    return fail(`the clock says ${told}, and the audit has events from ${relative(newest, now)}`, todo);
  }
  const server = about === null ? now : Date.parse(about.clock);
  if (Math.abs(server - now) > CLOCK_SLACK * 1000)
    return fail(`the server's clock differs by ${span((server - now) / 1000)}`, todo);
  return ok(told);
}

function disk({ folder, file, database: found }: Facts): Finding {
  const free = freeBytes(file ?? folder);
  if (free === null) return ok("not known");
  const needed = found !== null && typeof found === "object" ? found.bytes : 0;
  if (free < NO_SPACE) return fail(`${size(free)} free`, "Make room: without it, writes are answered with 503.");
  if (free < LITTLE_SPACE + needed)
    return warn(`${size(free)} free`, "A backup needs as much as the database; make room.");
  return ok(`${size(free)} free`);
}

function server({ presence, about, places }: Facts): Finding {
  if (presence === "forbidden")
    return warn(`a server runs; ${places.socket} is another user's`, "Run this as that user.");
  if (presence === "none") return ok("none runs on this data folder");
  if (about === null)
    return fail(`something holds ${places.socket} and does not answer as Mapae does`, "Look at the server's log.");
  if (about.store_fault !== null)
    return fail(`it runs, and its store fails: ${about.store_fault}`, "Look at disk and log.");
  return ok(`${about.issuer}, process ${about.pid}, up ${span(about.uptime)}, ${size(about.resident)}`);
}

async function port({ config, presence }: Facts): Promise<Finding> {
  if (config === null) return ok("not checked: the settings are wrong");
  if (presence !== "none") return ok("the server has it");
  const fault = await portFault(config.host, config.port);
  return fault === null
    ? ok(`${config.host}:${config.port} is free`)
    : fail(fault, "Free it, or set MAPAE_PORT or MAPAE_HOST.");
}

export const CHECKS: Readonly<Record<string, Check>> = {
  versions,
  settings,
  data: dataFolder,
  secret: secretFile,
  database,
  opening: secretOpens,
  keys,
  clock,
  disk,
  server,
  port,
};

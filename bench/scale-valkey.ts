/** `scale` on a Redis or Valkey of its own, beside SQLite: the driver, and bare `ioredis` at the driver's own script. */
import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import { asId, newId } from "../packages/server/src/prelude/ids.ts";
import { systemAlarm, systemWorld } from "../packages/server/src/prelude/world.ts";
import type { Position } from "../packages/server/src/revocation/entry.ts";
import { withLive } from "../packages/server/src/storage/live/compose.ts";
import { openSqlite } from "../packages/server/src/storage/sqlite/sqlite.ts";
import { accountText, beginning, secretText } from "../packages/server/src/storage/valkey/records.ts";
import { SESSION_SCRIPTS } from "../packages/server/src/storage/valkey/session-scripts.ts";
import { type OpenedValkey, openValkey } from "../packages/server/src/storage/valkey/valkey.ts";
import { type RedisServer, redisProgram, startRedis } from "../test/components/redis.ts";
import { closedLoop } from "./load.ts";
import { CLIENT, type Engine, inTurn, LANES, lanesOf, PER_USER, SESSION_MS, SETTINGS } from "./scale-engines.ts";

/** As docs/valkey.md says, and no rewrite of the file in the middle of a measurement. */
const MACHINE = ["appendonly yes", "appendfsync everysec", "auto-aof-rewrite-percentage 0"];
const PREFIX = "mapae:";
const CHUNK = 5000;

/** What `begin` and `confirm` write (lua.ts), for many: texts with the names of ids where ids belong. */
const FILL = `
local from, to, now, expires, idle, keep, session, grant, account, client, epoch, seq =
  tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local call, P = redis.call, '${PREFIX}'
for i = from, to - 1 do
  local n = string.format('%.0f', i)
  local secret = string.sub(redis.sha1hex(n), 1, 21) .. 'A'
  local ids = {
    SESSION = 'ses_' .. string.sub(redis.sha1hex('s' .. n), 1, 22), GRANT = 'gra_' .. string.sub(redis.sha1hex('g' .. n), 1, 22),
    USER = 'usr_' .. string.sub(redis.sha1hex('u' .. string.format('%.0f', math.floor(i / ${PER_USER}))), 1, 22),
  }
  local g, s, d = P .. 'g:' .. secret, P .. 's:' .. ids.SESSION, P .. 'i:' .. ids.GRANT
  call('HSET', g, 's', ids.SESSION, 'd', ids.GRANT, 'f', (string.gsub(grant, '%u%u%u%u+', ids)), 'c', client, 't', '1', 'n', '1',
    'm', '1', 'r', now, 'p', '', 'u', now, 'i', idle, 'v', '0')
  call('HSET', s, 'o', ids.USER, 'f', (string.gsub(session, '%u%u%u%u+', ids)), 'x', expires, 'be', epoch, 'bs', seq, 'a', account,
    'g', secret)
  call('SET', d, secret)
  for _, key in ipairs({ g, s, d }) do call('PEXPIRE', key, keep) end
  call('ZADD', P .. 'u:' .. ids.USER, now, ids.SESSION)
  call('ZADD', P .. 'w:' .. ids.USER, now, ids.SESSION)
  call('ZADD', P .. 'all', now, ids.SESSION)
  call('ZADD', P .. 'due', idle, ids.SESSION)
end
return to`;

export interface ValkeyEngine extends Engine {
  readonly server: RedisServer;
  /** Connects to it as another login server does. */
  connect(): Promise<OpenedValkey>;
}

/** The texts that are the same of each log-in, with `SESSION`, `GRANT` and `USER` in the place of ids. */
function texts(at: Position) {
  const now = Date.now();
  const session = {
    ...{
      id: asId("session", "SESSION"),
      user: asId("user", "USER"),
      client: CLIENT,
      address: "192.0.2.1",
      amr: ["pwd"],
    },
    device: { id: newId("device", systemWorld.random), name: "Chrome on macOS", class: "desktop" },
    ...{ createdAt: now, lastSeenAt: now, idleExpiresAt: now, expiresAt: now + SESSION_MS, ended: null },
  } as const;
  const grant = {
    ...{
      secretId: Buffer.alloc(16),
      id: asId("grant", "GRANT"),
      session: session.id,
      client: CLIENT,
      scope: ["account"],
    },
    ...{
      policy: { rotates: true, replayEnds: "session" } as const,
      generation: 1,
      macKey: 1,
      rotatedAt: now,
      proof: null,
    },
    ...{ usedAt: now, idleExpiresAt: now, createdAt: now, ended: null },
  } as const;
  const account = { roles: [], at };
  const begun: Parameters<typeof beginning>[0] = {
    session,
    grant,
    born: at,
    grantBorn: at,
    credentialVersion: 1,
    account,
  };
  const values = beginning(begun);
  return { session: String(values[13]), grant: String(values[4]), account: accountText(account) };
}

/** `null` where there is no server's program. */
export async function openValkeyEngine(folder: string): Promise<ValkeyEngine | null> {
  if (redisProgram === null) return null;
  const tasks: (() => unknown)[] = [];
  const server = await startRedis({ after: (task) => void tasks.unshift(task) }, { settings: MACHINE });
  const truth = await openSqlite(`${folder}/beside.db`, systemWorld);
  const installation = await truth.elsewhere.installation();
  const connect = () =>
    openValkey(
      { url: server.url, password: null, prefix: PREFIX, wait: 0, keepMs: 1000 },
      { clock: systemWorld.clock, alarm: systemAlarm, installation, tell: (line) => console.error(`bench: ${line}`) },
    );
  const opened = await connect();
  const storage = await withLive(truth, opened.live, {
    ...{ clock: systemWorld.clock, leaseMs: 30_000, sessionMs: SESSION_MS },
  });
  const client = new Redis(server.url);
  const { lua, sha } = SESSION_SCRIPTS.use;
  await client.script("LOAD", lua);
  const info = await server.info("server");
  return {
    name: `Redis ${info.redis_version}`,
    server,
    connect,
    storage,
    secretOf: (index) => {
      const hex = createHash("sha1").update(String(index)).digest("hex");
      return Buffer.from(`${hex.slice(0, 21)}A`, "base64url");
    },
    fill: async (from, to) => {
      const { session, grant, account } = texts(truth.revocation.head());
      const { epoch, seq } = truth.revocation.head();
      const now = Date.now();
      for (let at = from; at < to; at += CHUNK) {
        const times = [now, now + SESSION_MS, now + SETTINGS.idleMs, SESSION_MS];
        const same = [session, grant, account, CLIENT, epoch, seq];
        await client.eval(FILL, 0, at, Math.min(to, at + CHUNK), ...times, ...same);
      }
    },
    bare: async (held, seconds) => {
      const steps = lanesOf(held, LANES).map((own) => {
        const next = inTurn(own);
        return async () => {
          const one = next();
          const given = [PREFIX, "", secretText(one.secretId), CLIENT, one.generation, 1, "", SETTINGS.idleMs];
          const reply = (await client.evalsha(sha, 0, ...given)) as readonly unknown[];
          if (reply[1] === null) throw new Error("a rotation that found no row");
          one.generation += 1;
        };
      });
      const { done, seconds: took } = await closedLoop(steps, seconds);
      return { count: done, seconds: took };
    },
    cpuSeconds: async () => {
      const { used_cpu_user: user, used_cpu_sys: system } = await server.info("cpu");
      return Number(user) + Number(system);
    },
    bytes: async () => Number((await server.info("memory")).used_memory),
    close: async () => {
      client.disconnect();
      await storage.close();
      for (const task of tasks) await task();
    },
  };
}

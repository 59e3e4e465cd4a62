/**
 * The programs that the store runs: each is one atomic step over the keys of one installation, and none decides anything
 * that a rule decides, but for the usual refresh, which a property test holds against the rule.
 *
 *   g:<secret id>   hash     a grant: s session, f what never changes, c client, t rotates, n generation, m MAC key,
 *                            r rotated at, p proof, u used at, i idle expiry, v revision, d its id, e ended at, y why
 *   s:<session>     hash     a session: o user, f what never changes, x absolute expiry, be bs born, a copy of the user,
 *                            g its grant's key, e ended at, y why
 *   i:<grant id>    string   the secret id that it stands for
 *   u:<user>        zset     his sessions by creation                w:<user>   zset     those that nothing has ended
 *   all             zset     every session by creation               due        zset     unended ones, by when to look at them
 *   over            zset     ended ones, by when                     log        string   how far the log was carried out
 *   changes         stream   every change, for servers that hold a copy: k <secret> v <grant>, or x <session>; written
 *   streams         string   while this is there
 *   id              string   whose store this is                     t:<key>    hash     a bucket: l its level, a as of when
 *
 * The keys are made inside the programs, so this works on one primary and not on a cluster. Time is the server's, unless
 * a test gives another. Numbers are written by `int`: Lua would write a time as 1.7e+12.
 */
import { type Script, script } from "./connection.ts";

export const BEGIN = `
local P, given = ARGV[1], ARGV[2]
local call = redis.call
local function int(n) return string.format('%.0f', n) end
local now
if given ~= '' then now = tonumber(given) else
  local t = call('TIME')
  now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local function before(e1, s1, e2, s2) return e1 < e2 or (e1 == e2 and s1 < s2) end
`;

/** Reading: a session with the last use of its grant, a grant with its session; and taking away what is left of either. */
export const READ = `
local GRANT = { 's', 'f', 'n', 'm', 'r', 'p', 'u', 'i', 'v', 'e', 'y' }
local function session(sid)
  local s = call('HMGET', P .. 's:' .. sid, 'f', 'a', 'e', 'y', 'g', 'x', 'o')
  if not s[1] then return nil end
  local seen = call('HMGET', P .. 'g:' .. s[5], 'u', 'i')
  return { s[1], s[2], s[3] or '', s[4] or '', seen[1] or '0', seen[2] or '0' }, s
end
local function held(secret)
  local g = call('HMGET', P .. 'g:' .. secret, unpack(GRANT))
  if not g[1] then return nil end
  local s = session(g[1])
  if not s then return nil end
  for i = 2, #GRANT do s[#s + 1] = g[i] or '' end
  return s
end
local streams = call('EXISTS', P .. 'streams') == 1
local function change(...)
  if streams then call('XADD', P .. 'changes', 'MAXLEN', '~', '100000', '*', ...) end
end
local function changed(secret)
  local h = streams and held(secret)
  if h then change('k', secret, 'v', cjson.encode(h)) end
end
local function remove(sid)
  change('x', sid)
  local s = call('HMGET', P .. 's:' .. sid, 'o', 'g')
  call('ZREM', P .. 'all', sid)
  call('ZREM', P .. 'due', sid)
  call('ZREM', P .. 'over', sid)
  if not s[1] then return end
  call('ZREM', P .. 'u:' .. s[1], sid)
  call('ZREM', P .. 'w:' .. s[1], sid)
  local gid = call('HGET', P .. 'g:' .. s[2], 'd')
  if gid then call('DEL', P .. 'i:' .. gid) end
  call('DEL', P .. 'g:' .. s[2], P .. 's:' .. sid)
end
local function unended(user)
  local found = {}
  for _, sid in ipairs(call('ZREVRANGE', P .. 'w:' .. user, 0, -1)) do
    local s = session(sid)
    if s then found[#found + 1] = s else
      -- It ran out before it was confirmed.
      call('ZREM', P .. 'w:' .. user, sid)
      call('ZREM', P .. 'u:' .. user, sid)
      remove(sid)
    end
  end
  return found
end
`;

/** Marking: what ran out before it was ended ran out. */
export const MARK = `
local function mark(sid, at, reason)
  local s, row = session(sid)
  if not s or s[3] ~= '' then return end
  if math.min(tonumber(row[6]), tonumber(s[6])) <= tonumber(at) then reason = 'expired' end
  call('HSET', P .. 's:' .. sid, 'e', at, 'y', reason)
  call('ZREM', P .. 'w:' .. row[7], sid)
  call('ZREM', P .. 'due', sid)
  call('ZADD', P .. 'over', at, sid)
  changed(row[5])
end
local function markEarlier(sid, epoch, seq, at, reason)
  local born = call('HMGET', P .. 's:' .. sid, 'be', 'bs')
  if born[1] and before(tonumber(born[1]), tonumber(born[2]), epoch, seq) then mark(sid, at, reason) end
end
`;

/** A program out of its parts. */
export const program = (...parts: readonly string[]): Script => script(parts.join(""));

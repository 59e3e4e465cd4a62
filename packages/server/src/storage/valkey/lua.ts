/**
 * The programs that the store runs: each is one atomic step over the keys of one installation, and none decides anything
 * that a rule decides, but for the usual refresh, which a property test holds against the rule.
 *
 *   g:<secret id>   hash     a grant: s session, f what never changes, c client, t rotates, n generation, m MAC key,
 *                            r rotated at, p proof, u used at, i idle expiry, v revision, e ended at, y why
 *   s:<session>     hash     a session: o user, f what never changes, x absolute expiry, at created at, be bs born,
 *                            a copy of the user, g its grant's key, e ended at, y why
 *   i:<grant id>    string   the secret id that it stands for
 *   u:<user>        zset     his sessions by creation                w:<user>   zset     those that nothing has ended
 *   all             zset     every session by creation               due        zset     unended ones, by when to look at them
 *   over            zset     ended ones, by when                     log        string   how far the log was carried out
 *   changes         stream   every change, for servers that hold a copy: k <secret> v <grant>, or x <session>; written
 *   streams         string   while this is there
 *   id              string   whose store this is                     t:<key>    hash     a bucket of the throttle
 *
 * The keys are made inside the programs, so this works on one primary and not on a cluster. Time is the server's, unless
 * a test gives another. Numbers are written by `int`: Lua would write a time as 1.7e+12.
 */
import { type Script, script } from "./connection.ts";

const BEGIN = `
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
const READ = `
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
const MARK = `
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

const program = (...parts: readonly string[]): Script => script(`${parts.join("")}`);

export const SCRIPTS = {
  /** secret → now, grant or nothing */
  grant: program(BEGIN, READ, "return { int(now), held(ARGV[3]) or false }"),

  /** public id → now, secret, grant or nothing */
  grantById: program(
    BEGIN,
    READ,
    `local secret = call('GET', P .. 'i:' .. ARGV[3])
     return { int(now), secret, secret and held(secret) or false }`,
  ),

  session: program(BEGIN, READ, "return { int(now), (session(ARGV[3])) or false }"),

  unended: program(BEGIN, READ, "return { int(now), unended(ARGV[3]) }"),

  /** user or '', created at and id after which to begin ('' from the start), limit */
  list: program(
    BEGIN,
    READ,
    `
local key = ARGV[3] == '' and P .. 'all' or P .. 'u:' .. ARGV[3]
local at, id, limit = ARGV[4], ARGV[5], tonumber(ARGV[6])
local from = 0
if at ~= '' then
  from = call('ZCOUNT', key, '(' .. at, '+inf')
  for _, sid in ipairs(call('ZREVRANGEBYSCORE', key, at, at)) do
    if sid >= id then from = from + 1 end
  end
end
local found = {}
while #found < limit do
  local sids = call('ZREVRANGE', key, from, from + limit - 1)
  if #sids == 0 then break end
  for _, sid in ipairs(sids) do
    local s = #found < limit and session(sid)
    if s then found[#found + 1] = s end
  end
  from = from + #sids
end
return { int(now), found }`,
  ),

  countUnended: program(BEGIN, "return call('ZCARD', P .. 'due')"),

  /**
   * secret, grant id, session, user, fixed of the grant, client, rotates, generation, MAC key, rotated at, proof, used at, idle
   * expiry, fixed of the session, absolute expiry, created at, born (epoch, seq), copy of the user, whether the unended
   * sessions are given, those (ids, by commas), how long it lives unconfirmed
   */
  begin: program(
    BEGIN,
    READ,
    `
local secret, gid, sid, user = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if ARGV[21] == '1' then
  unended(user)
  if table.concat(call('ZREVRANGE', P .. 'w:' .. user, 0, -1), ',') ~= ARGV[22] then return 0 end
end
local g, s, i = P .. 'g:' .. secret, P .. 's:' .. sid, P .. 'i:' .. gid
call('HSET', g, 's', sid, 'd', gid, 'f', ARGV[7], 'c', ARGV[8], 't', ARGV[9], 'n', ARGV[10], 'm', ARGV[11], 'r', ARGV[12],
  'p', ARGV[13], 'u', ARGV[14], 'i', ARGV[15], 'v', '0')
call('HSET', s, 'o', user, 'f', ARGV[16], 'x', ARGV[17], 'be', ARGV[19], 'bs', ARGV[20], 'a', ARGV[23], 'g', secret)
call('SET', i, secret)
for _, key in ipairs({ g, s, i }) do call('PEXPIRE', key, ARGV[24]) end
call('ZADD', P .. 'u:' .. user, ARGV[18], sid)
call('ZADD', P .. 'w:' .. user, ARGV[18], sid)
call('ZADD', P .. 'all', ARGV[18], sid)
call('ZADD', P .. 'due', int(math.min(tonumber(ARGV[17]), tonumber(ARGV[15]))), sid)
return 1`,
  ),

  /** session, how long it is kept after its absolute expiry */
  confirm: program(
    BEGIN,
    READ,
    `
local s = call('HMGET', P .. 's:' .. ARGV[3], 'x', 'g')
if not s[1] then return 0 end
local ms = int(tonumber(s[1]) - now + tonumber(ARGV[4]))
call('PEXPIRE', P .. 's:' .. ARGV[3], ms)
call('PEXPIRE', P .. 'g:' .. s[2], ms)
call('PEXPIRE', P .. 'i:' .. call('HGET', P .. 'g:' .. s[2], 'd'), ms)
changed(s[2])
return 1`,
  ),

  discard: program(BEGIN, READ, "remove(ARGV[3]) return 1"),

  /**
   * secret, client, generation, MAC key, proof, idle time: grants/refresh-rule.ts where it says \`rotated\` or \`unrotated\`.
   * → now, what the grant had before (or nothing), the grant as it is
   */
  use: program(
    BEGIN,
    READ,
    `
local key = P .. 'g:' .. ARGV[3]
local g = call('HMGET', key, 's', 'c', 't', 'n', 'i', 'e', 'm', 'r', 'p', 'u', 'v')
if not g[1] then return { int(now), false, false } end
local s = call('HMGET', P .. 's:' .. g[1], 'x', 'e')
local was = false
if s[1] and g[2] == ARGV[4] and not g[6] and not s[2] and now < tonumber(s[1]) and now < tonumber(g[5]) and g[4] == ARGV[5] then
  was = { g[4], g[7], g[8], g[9], g[10], g[5] }
  local idle, v = int(now + tonumber(ARGV[8])), int(tonumber(g[11]) + 1)
  if g[3] == '1' then
    call('HSET', key, 'n', int(tonumber(g[4]) + 1), 'm', ARGV[6], 'r', int(now), 'p', ARGV[7], 'u', int(now), 'i', idle, 'v', v)
  else
    call('HSET', key, 'u', int(now), 'i', idle, 'v', v)
  end
  changed(ARGV[3])
end
return { int(now), was, held(ARGV[3]) or false }`,
  ),

  /** secret, revision, generation, MAC key, rotated at, proof, used at, idle expiry, copy of the user */
  write: program(
    BEGIN,
    READ,
    `
local key = P .. 'g:' .. ARGV[3]
local g = call('HMGET', key, 's', 'v', 'e')
if not g[1] or g[2] ~= ARGV[4] or g[3] then return 0 end
local s = P .. 's:' .. g[1]
if call('EXISTS', s) == 0 or call('HEXISTS', s, 'e') == 1 then return 0 end
call('HSET', key, 'n', ARGV[5], 'm', ARGV[6], 'r', ARGV[7], 'p', ARGV[8], 'u', ARGV[9], 'i', ARGV[10], 'v', int(tonumber(g[2]) + 1))
call('HSET', s, 'a', ARGV[11])
changed(ARGV[3])
return 1`,
  ),

  /** cursor → now, the next cursor, and of each session its secret and the grant as JSON */
  snapshot: program(
    BEGIN,
    READ,
    `
local scanned = call('ZSCAN', P .. 'all', ARGV[3], 'COUNT', 500)
local found = {}
for i = 1, #scanned[2], 2 do
  local secret = call('HGET', P .. 's:' .. scanned[2][i], 'g')
  local h = secret and held(secret)
  if h then
    found[#found + 1] = secret
    found[#found + 1] = cjson.encode(h)
  end
end
return { int(now), scanned[1], found }`,
  ),

  position: program(BEGIN, "return call('GET', P .. 'log')"),

  /** after (epoch, seq), then six of each entry: epoch, seq, kind, value, at, reason → where the store is afterwards */
  settle: program(
    BEGIN,
    READ,
    MARK,
    `
local e, q = tonumber(ARGV[3]), tonumber(ARGV[4])
local at = call('GET', P .. 'log')
if at then
  local ce, cq = string.match(at, '^(%d+)%.(%d+)$')
  ce, cq = tonumber(ce), tonumber(cq)
  if before(ce, cq, e, q) then return at end
  e, q = ce, cq
end
for i = 5, #ARGV, 6 do
  local epoch, seq, kind, value, when, why = tonumber(ARGV[i]), tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  if before(e, q, epoch, seq) then
    if kind == 'session' then mark(value, when, why)
    elseif kind == 'grant' then
      local secret = call('GET', P .. 'i:' .. value)
      local g = secret and P .. 'g:' .. secret
      if g and call('EXISTS', g) == 1 and call('HEXISTS', g, 'e') == 0 then
        call('HSET', g, 'e', when, 'y', why)
        changed(secret)
      end
    elseif kind == 'user' and why ~= 'roles_changed' then
      for _, sid in ipairs(call('ZRANGE', P .. 'w:' .. value, 0, -1)) do markEarlier(sid, epoch, seq, when, why) end
    end
    e, q = epoch, seq
  end
end
at = int(e) .. '.' .. int(q)
call('SET', P .. 'log', at)
return at`,
  ),

  /** An entry for everyone, in slices: cursor, epoch, seq, at, reason → the next cursor */
  markSlice: program(
    BEGIN,
    READ,
    MARK,
    `
local scanned = call('ZSCAN', P .. 'due', ARGV[3], 'COUNT', 500)
for i = 1, #scanned[2], 2 do markEarlier(scanned[2][i], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]) end
return scanned[1]`,
  ),

  /** three of each session: id, at, reason */
  end: program(
    BEGIN,
    READ,
    `
for i = 3, #ARGV, 3 do
  local user = call('HGET', P .. 's:' .. ARGV[i], 'o')
  if user and call('HEXISTS', P .. 's:' .. ARGV[i], 'e') == 0 then
    call('HSET', P .. 's:' .. ARGV[i], 'e', ARGV[i + 1], 'y', ARGV[i + 2])
    call('ZREM', P .. 'w:' .. user, ARGV[i])
    call('ZREM', P .. 'due', ARGV[i])
    call('ZADD', P .. 'over', ARGV[i + 1], ARGV[i])
    changed(call('HGET', P .. 's:' .. ARGV[i], 'g'))
  end
end
return 1`,
  ),

  /** limit, for how long nobody else is given them → now, whether there may be more, sessions */
  due: program(
    BEGIN,
    READ,
    `
local limit = tonumber(ARGV[3])
local sids = call('ZRANGEBYSCORE', P .. 'due', '-inf', int(now), 'LIMIT', 0, limit)
local found = {}
for _, sid in ipairs(sids) do
  local s, row = session(sid)
  if not s then remove(sid) else
    local over = math.min(tonumber(row[6]), tonumber(s[6]))
    if over > now then call('ZADD', P .. 'due', int(over), sid) else
      call('ZADD', P .. 'due', int(now + tonumber(ARGV[4])), sid)
      found[#found + 1] = s
    end
  end
end
return { int(now), #sids == limit and 1 or 0, found }`,
  ),

  /** before, limit → how many were removed */
  forget: program(
    BEGIN,
    READ,
    `
local sids = call('ZRANGEBYSCORE', P .. 'over', '-inf', '(' .. ARGV[3], 'LIMIT', 0, tonumber(ARGV[4]))
for _, sid in ipairs(sids) do remove(sid) end
return #sids`,
  ),
} as const;

/** The programs of upkeep (lua.ts): the log carried out, what ran out, what is forgotten. */
import { BEGIN, MARK, program, READ } from "./lua.ts";

export const UPKEEP_SCRIPTS = {
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

  /** Writes what is there once more, so that replicas can say that they still follow; a replica refuses in any case. */
  attest: program(
    BEGIN,
    `
call('PERSIST', P .. 'id')
local id = call('GET', P .. 'id')
if id then call('SET', P .. 'id', id) end
return 1`,
  ),

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

/** The programs about sessions and grants (lua.ts): looking, beginning, the usual refresh, and writing what a rule decided. */
import { BEGIN, program, READ } from "./lua.ts";

export const SESSION_SCRIPTS = {
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
} as const;

local origin, identity, hash, moment, actor, action, kept = take(), take(), take(), take(), take(), take(), take()
local subjects = subjects_of(identity)
local key = P .. 'i:' .. identity
local is_known = call('EXISTS', key) == 1 or #subjects > 0
local verification = call('HGET', key, 'verification')
if verification and verification ~= '' then
  call('ZREM', P .. 'v:' .. verification, identity)
end
call('DEL', key, P .. 'is:' .. identity)
for _, subject in ipairs(subjects) do
  call('DEL', P .. 'l:' .. subject)
end
for _, name in ipairs(call('HKEYS', P .. 'k:' .. identity)) do
  call('ZREM', P .. 'expires', identity .. ' ' .. name:sub(3))
end
call('DEL', P .. 'k:' .. identity)
for _, effect in ipairs(call('SMEMBERS', P .. 'xi:' .. identity)) do
  call('HDEL', P .. 'x:' .. effect, 'identity')
end
call('DEL', P .. 'xi:' .. identity)
local tombstone = P .. 'f:' .. hash
local before = call('GET', tombstone)
if not before or tonumber(before) < tonumber(moment) then
  call('SET', tombstone, moment)
end
audit(moment, actor, action, is_known and '1' or '0', kept)
if not is_known then
  return { '0' }
end
tell(origin, identity, subjects)
return { '1', unpack(subjects) }

-- One lot of everything that is past keeping.
local now, settled_before, tokens_before, dead_kept, lot = take(), take(), take(), tonumber(take()), tonumber(take())
local more = '0'
local function lot_of(key, max)
  local members = call('ZRANGEBYSCORE', P .. key, '-inf', max, 'LIMIT', 0, lot)
  if #members == lot then
    more = '1'
  end
  return members
end
local old = lot_of('settled', '(' .. settled_before)
for _, id in ipairs(old) do
  remove(id)
end
local surplus = call('ZCARD', P .. 's:dead') - dead_kept
if surplus > 0 then
  for _, id in ipairs(call('ZRANGE', P .. 's:dead', 0, math.min(surplus, lot) - 1)) do
    remove(id)
  end
  if surplus > lot then
    more = '1'
  end
end
for _, id in ipairs(lot_of('tokens', '(' .. tokens_before)) do
  call('HDEL', P .. 'e:' .. id, 'token', 'correlation')
  call('ZREM', P .. 'tokens', id)
end
for _, nonce in ipairs(lot_of('spent', '(' .. now)) do
  call('DEL', P .. 'c:' .. nonce)
  call('ZREM', P .. 'spent', nonce)
end
for _, member in ipairs(lot_of('expires', now)) do
  local identity, name = member:match('^(%S+) (%S+)$')
  call('HDEL', P .. 'k:' .. identity, 's:' .. name, 'e:' .. name, 'b:' .. name)
  call('ZREM', P .. 'expires', member)
end
for _, id in ipairs(lot_of('xsettled', '(' .. settled_before)) do
  local key = P .. 'x:' .. id
  local row = call('HMGET', key, 'state', 'identity')
  call('ZREM', P .. 'xs:' .. row[1], id)
  call('ZREM', P .. 'effects', id)
  call('ZREM', P .. 'xsettled', id)
  if row[2] then
    call('SREM', P .. 'xi:' .. row[2], id)
  end
  call('DEL', key)
end
return { text(#old), more }

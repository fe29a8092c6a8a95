-- One lot of everything that is past keeping: a script holds up every other client, so the caller repeats it.
local now, settled_before, tokens_before, confirmed_before, erased_before = take(), take(), take(), take(), take()
local dead_kept, lot = tonumber(take()), tonumber(take())
local more = '0'
local function lot_of(set, max)
  local members = call('ZRANGEBYSCORE', P .. set, '-inf', max, 'LIMIT', 0, lot)
  if #members == lot then
    more = '1'
  end
  return members
end
local old = lot_of('settled', '(' .. settled_before)
for _, id in ipairs(old) do
  remove(id)
end
local surplus = math.min(call('ZCARD', P .. 's:dead') - dead_kept, lot)
if surplus > 0 then
  for _, id in ipairs(call('ZRANGE', P .. 's:dead', 0, surplus - 1)) do
    remove(id)
  end
  if surplus == lot then
    more = '1'
  end
end
for _, id in ipairs(lot_of('tokens', '(' .. tokens_before)) do
  call('HDEL', P .. 'e:' .. id, 'token', 'correlation')
  call('ZREM', P .. 'tokens', id)
end
for _, nonce in ipairs(lot_of('nonces', '(' .. now)) do
  call('ZREM', P .. 'nonces', nonce)
end
for _, token in ipairs(lot_of('used_tokens:until', '(' .. now)) do
  call('HDEL', P .. 'used_tokens', token)
  call('ZREM', P .. 'used_tokens:until', token)
end
for _, subject in ipairs(lot_of('pending:until', '(' .. now)) do
  local identity = string.match(call('GET', P .. 'p:' .. subject) or '', '^%S+')
  if identity then
    call('ZREM', P .. 'ip:' .. identity, subject)
  end
  call('DEL', P .. 'p:' .. subject)
  call('ZREM', P .. 'pending:until', subject)
end
for _, subject in ipairs(lot_of('refused', '(' .. settled_before)) do
  call('DEL', P .. 'd:' .. subject)
  call('ZREM', P .. 'refused', subject)
end
for _, member in ipairs(lot_of('fields:until', now)) do
  local identity, name = member:match('^(%S+) (%S+)$')
  call('HDEL', P .. 'f:' .. identity, name)
  call('ZREM', P .. 'fields:until', member)
end
-- Scored with the oldest confirmation of the subject.
for _, subject in ipairs(lot_of('confirmed', '(' .. confirmed_before)) do
  local key = P .. 'c:' .. subject
  for _, gone in ipairs(call('ZRANGEBYSCORE', key, '-inf', '(' .. confirmed_before)) do
    call('ZREM', key, gone)
  end
  local oldest = call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  if oldest then
    call('ZADD', P .. 'confirmed', oldest, subject)
  else
    call('ZREM', P .. 'confirmed', subject)
  end
end
for _, id in ipairs(lot_of('erasures', '(' .. erased_before)) do
  call('DEL', P .. 'a:' .. id)
  call('ZREM', P .. 'audits', id)
  call('ZREM', P .. 'erasures', id)
end
for _, id in ipairs(lot_of('xsettled', '(' .. settled_before)) do
  local key = P .. 'x:' .. id
  local identity = call('HGET', key, 'identity')
  if identity then
    call('ZREM', P .. 'xi:' .. identity, id)
  end
  for _, set in ipairs({ 'xs:done', 'xs:dead', 'jobs', 'xsettled' }) do
    call('ZREM', P .. set, id)
  end
  call('DEL', key)
end
return { text(#old), more }

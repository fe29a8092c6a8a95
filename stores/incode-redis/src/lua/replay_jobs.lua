-- As `replay`, for jobs.
local after, one, handler, now = take(), take(), take(), take()
local entry, actor, action, kept, lot = take(), take(), take(), take(), take()
local ids
if one ~= '' then
  ids = { one }
else
  ids = call('ZRANGEBYSCORE', P .. 'xs:dead', '(' .. after, '+inf', 'LIMIT', 0, lot)
end
local replayed, last = 0, ''
for _, id in ipairs(ids) do
  local key = P .. 'x:' .. id
  local row = call('HMGET', key, 'state', 'handler')
  if row[1] == 'dead' and (handler == '' or row[2] == handler) then
    call('HINCRBY', key, 'lease', 1)
    call('HDEL', key, 'settled_at')
    call('HSET', key, 'state', 'pending', 'attempts', '0', 'due_at', now)
    call('ZREM', P .. 'xs:dead', id)
    call('ZREM', P .. 'xsettled', id)
    call('ZADD', P .. 'xs:pending', id, id)
    call('ZADD', P .. 'xd:' .. row[2], now, padded(id))
    replayed = replayed + 1
  end
  last = id
end
if entry == '' then
  entry = add_audit(now, actor, action, '0', text(replayed), kept)
else
  call('HINCRBY', P .. 'a:' .. entry, 'count', replayed)
end
if one ~= '' or #ids < tonumber(lot) then
  last = ''
end
return { text(replayed), last, entry }

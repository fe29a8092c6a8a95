-- One lot of the dead after an id; the entry in the trail grows with each.
local after, one, reason, kind, before, now = take(), take(), take(), take(), take(), take()
local entry, actor, action, kept, lot = take(), take(), take(), take(), take()
local ids
if one ~= '' then
  ids = { one }
else
  ids = call('ZRANGEBYSCORE', P .. 's:dead', '(' .. after, '+inf', 'LIMIT', 0, lot)
end
local replayed, last = 0, ''
for _, id in ipairs(ids) do
  local key = P .. 'e:' .. id
  local row = call('HMGET', key, 'state', 'object_key', 'delivery_key', 'object_id', 'reason', 'kind', 'received_at')
  if row[1] == 'dead' and row[4] and (reason == '' or row[5] == reason) and (kind == '' or row[6] == kind)
    and (before == '' or tonumber(row[7]) < tonumber(before)) then
    call('HINCRBY', key, 'lease', 1)
    call('HDEL', key, 'settled_at')
    call('HSET', key, 'state', 'pending', 'attempts', '0', 'due_at', now)
    leave(id, row[2], row[3], 'dead')
    enter(id, row[2], row[3], 'pending', now, now)
    replayed = replayed + 1
  end
  last = id
end
if entry == '' then
  entry = audit(now, actor, action, text(replayed), kept)
else
  call('HINCRBY', P .. 'a:' .. entry, 'count', replayed)
end
if one ~= '' or #ids < tonumber(lot) then
  last = ''
end
return { text(replayed), last, entry }

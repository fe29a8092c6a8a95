-- One lot of the dead after an id. The entry in the audit trail is written with the first lot and grows with each, so
-- that it is right wherever the process dies.
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
  local row = call('HMGET', key, 'state', 'keys', 'implausible', 'object_id', 'reason', 'kind', 'received_at')
  if row[1] == 'dead' and row[4] and (reason == '' or row[5] == reason) and (kind == '' or row[6] == kind)
    and (before == '' or tonumber(row[7]) < tonumber(before)) then
    local moved = { keys = row[2], implausible = row[3] }
    leave(id, moved, 'dead')
    call('HINCRBY', key, 'lease', 1)
    call('HDEL', key, 'settled_at')
    call('HSET', key, 'state', 'pending', 'attempts', '0', 'due_at', now)
    enter(id, moved, 'pending', now)
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

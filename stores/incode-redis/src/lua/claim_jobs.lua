local handler, now, lease_until, limit = take(), take(), take(), take()
local claimed = {}
for n, member in ipairs(call('ZRANGEBYSCORE', P .. 'xd:' .. handler, '-inf', now, 'LIMIT', 0, limit)) do
  local id = text(tonumber(member))
  local key = P .. 'x:' .. id
  local lease, attempts = call('HINCRBY', key, 'lease', 1), call('HINCRBY', key, 'attempts', 1)
  call('HSET', key, 'due_at', lease_until)
  call('ZADD', P .. 'xd:' .. handler, lease_until, member)
  local row = call('HMGET', key, 'event', 'kind', 'object_id', 'identity')
  row[5], row[6], row[7], row[8] = id, text(lease), text(attempts), false
  if row[4] then
    row[8] = call('HGET', P .. 'i:' .. row[4], 'row')
    for at, subject in ipairs(subjects_of(row[4])) do
      row[8 + at] = subject
    end
  end
  claimed[n] = row
end
return claimed

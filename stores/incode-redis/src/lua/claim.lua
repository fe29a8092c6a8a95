local now, lease_until, limit, newest = take(), take(), take(), take()
local due
if newest == '1' then
  due = call('ZREVRANGEBYSCORE', P .. 'due', now, '-inf', 'LIMIT', 0, limit)
else
  due = call('ZRANGEBYSCORE', P .. 'due', '-inf', now, 'LIMIT', 0, limit)
end
local claimed = {}
for n, member in ipairs(due) do
  local id = text(tonumber(member))
  local key = P .. 'e:' .. id
  local lease, attempts = call('HINCRBY', key, 'lease', 1), call('HINCRBY', key, 'attempts', 1)
  call('HSET', key, 'due_at', lease_until)
  call('ZADD', P .. 'due', lease_until, member)
  local row = call('HMGET', key, 'kind', 'object_id', 'token', 'correlation', 'vendor_time', 'received_at',
    'authenticated', 'object_key')
  row[8] = tostring(call('HEXISTS', P .. 'o:' .. row[8], 'done'))
  row[9], row[10], row[11] = id, text(lease), text(attempts)
  claimed[n] = row
end
return claimed

-- As `claim`, for one handler: two processes never get one job, and a job without a row is dropped and counted.
local handler, now, lease_until, limit = take(), take(), take(), take()
local due, claimed, lost = P .. 'xd:' .. handler, {}, 0
for _, member in ipairs(call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, limit)) do
  local id = text(tonumber(member))
  local key = P .. 'x:' .. id
  local row = call('HMGET', key, 'caused_at', 'cause', 'person', 'identity', 'lease', 'attempts')
  if row[1] then
    row[5], row[6] = text(call('HINCRBY', key, 'lease', 1)), text(call('HINCRBY', key, 'attempts', 1))
    row[7], row[8] = id, row[4] and call('GET', P .. 'i:' .. row[4])
    if row[4] then
      for n, subject in ipairs(call('ZRANGE', P .. 'il:' .. row[4], 0, -1)) do
        row[8 + n] = subject
      end
    end
    call('HSET', key, 'due_at', lease_until)
    call('ZADD', due, lease_until, member)
    claimed[#claimed + 1] = row
  else
    call('ZREM', due, member)
    call('ZREM', P .. 'xs:pending', id)
    call('ZREM', P .. 'jobs', id)
    lost = lost + 1
  end
end
return { claimed, first_due('xd:' .. handler), text(lost) }

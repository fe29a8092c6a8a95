-- Ends the lease of a job in one step: a lease that was lost writes nothing. A done job names no person any more.
local id, lease, how, moment, failure = take(), take(), take(), take(), take()
local key = P .. 'x:' .. id
local row = call('HMGET', key, 'state', 'lease', 'handler', 'attempts', 'identity')
if row[1] ~= 'pending' or row[2] ~= lease then
  return '0'
end
call('HINCRBY', key, 'lease', 1)
if failure ~= '' then
  call('HSET', key, 'failure', failure)
end
local due = P .. 'xd:' .. row[3]
if how == 'retry' or how == 'release' then
  call('HSET', key, 'due_at', moment)
  call('ZADD', due, moment, padded(id))
  if how == 'release' and tonumber(row[4]) > 0 then
    call('HINCRBY', key, 'attempts', -1)
  end
  return '1'
end
call('HSET', key, 'state', how, 'settled_at', moment)
call('HDEL', key, 'due_at')
call('ZREM', due, padded(id))
call('ZREM', P .. 'xs:pending', id)
call('ZADD', P .. 'xs:' .. how, id, id)
call('ZADD', P .. 'xsettled', moment, id)
if how == 'done' then
  call('HDEL', key, 'identity', 'person', 'failure')
  if row[5] then
    call('ZREM', P .. 'xi:' .. row[5], id)
  end
end
return '1'

-- Leases in one script, so that two workers never get one event. A member without a row (deleted or evicted by another
-- program) is dropped and counted: it must not hold up the rows behind it.
local now, lease_until, limit, newest = take(), take(), tonumber(take()), take()
local claimed, lost = {}, 0
local function drop(set, member, id)
  call('ZREM', set, member)
  call('ZREM', P .. 's:pending', id)
  call('ZREM', P .. 'events', id)
  count_all('pending', member:sub(17), '', -1)
  lost = lost + 1
end
local function claim_from(set)
  local left, due = limit - #claimed, nil
  if left <= 0 then
    return
  elseif newest == '1' then
    due = call('ZREVRANGEBYSCORE', set, now, '-inf', 'LIMIT', 0, left)
  else
    due = call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, left)
  end
  for _, member in ipairs(due) do
    local id = text(tonumber(member:sub(1, 16)))
    local key = P .. 'e:' .. id
    local row = call('HMGET', key, 'kind', 'object_id', 'token', 'correlation', 'vendor_time', 'received_at',
      'authenticated', 'lease', 'attempts')
    if row[1] then
      local lease, attempts = call('HINCRBY', key, 'lease', 1), call('HINCRBY', key, 'attempts', 1)
      call('HSET', key, 'due_at', lease_until)
      call('ZADD', set, lease_until, member)
      row[8], row[9], row[10] = text(lease), text(attempts), id
      row[11] = tostring(call('HEXISTS', P .. 'k:done', member:sub(49, 64)))
      claimed[#claimed + 1] = row
    else
      drop(set, member, id)
    end
  end
end
claim_from(P .. 'due')
claim_from(P .. 'due:implausible')
return { claimed, first_due('due', 'due:implausible'), text(lost) }

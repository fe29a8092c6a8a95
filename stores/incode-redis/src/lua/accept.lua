local kind, object_id, object, delivery, state, reason = take(), take(), take(), take(), take(), take()
local authenticated, vendor_time, received_at, correlation, token = take(), take(), take(), take(), take()
local waiting_kept, pending_kept, ignored_kept = tonumber(take()), tonumber(take()), tonumber(take())
local known = P .. 'o:' .. object
if call('HEXISTS', known, 'done') == 1 then
  return { 'known' }
end
if state == 'pending' then
  if call('HEXISTS', known, 'd:' .. delivery) == 1 then
    return { 'known' }
  end
  if tonumber(call('HGET', known, 'pending') or '0') >= waiting_kept
    or call('ZCARD', P .. 's:pending') >= pending_kept then
    return { 'crowded' }
  end
elseif state == 'ignored' then
  if call('HEXISTS', known, 'ignored') == 1 then
    return { 'known' }
  end
  while call('ZCARD', P .. 's:ignored') >= ignored_kept do
    remove(call('ZRANGE', P .. 's:ignored', 0, 0)[1])
  end
end
local id = next_id('event')
local row = { 'kind', kind, 'object_key', object, 'delivery_key', delivery, 'state', state, 'attempts', '0',
  'lease', '0', 'authenticated', authenticated, 'received_at', received_at }
local function put(name, value)
  if value ~= '' then
    row[#row + 1] = name
    row[#row + 1] = value
  end
end
put('object_id', object_id)
put('vendor_time', vendor_time)
put('correlation', correlation)
put('token', token)
put(state == 'pending' and 'due_at' or 'settled_at', received_at)
call('HSET', P .. 'e:' .. id, unpack(row))
call('ZADD', P .. 'events', id, id)
enter(id, object, delivery, state, received_at, received_at)
if state == 'dead' and token ~= '' then
  call('ZADD', P .. 'tokens', received_at, id)
end
give_reason(id, reason)
return { 'kept', id }

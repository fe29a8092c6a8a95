-- One script for each delivery: look the keys up, count, and write, without another delivery of the same event between.
local unless_done, unless_pending, unless_ignored, bounded_by = take(), take(), take(), take()
local per_object, pending_kept, ignored_kept = tonumber(take()), tonumber(take()), tonumber(take())
local state, keys, implausible, received_at, reason, has_token = take(), take(), take(), take(), take(), take()
if call('HEXISTS', P .. 'k:done', unless_done) == 1
  or unless_pending ~= '' and call('HEXISTS', P .. 'k:pending', unless_pending) == 1
  or unless_ignored ~= '' and call('HEXISTS', P .. 'k:ignored', unless_ignored) == 1 then
  return { 'known' }
end
if bounded_by ~= '' and (tonumber(call('HGET', P .. 'k:objects', bounded_by) or '0') >= per_object
  or call('ZCARD', P .. 's:pending') >= pending_kept) then
  return { 'crowded' }
end
while unless_ignored ~= '' and call('ZCARD', P .. 's:ignored') >= ignored_kept do
  remove(call('ZRANGE', P .. 's:ignored', 0, 0)[1])
end
local id = next_id('event')
call('HSET', P .. 'e:' .. id, 'state', state, 'keys', keys, 'received_at', received_at, unpack(ARGV, at + 1))
call('ZADD', P .. 'events', id, id)
enter(id, { keys = keys, implausible = implausible }, state, received_at)
if state == 'dead' and has_token == '1' then
  call('ZADD', P .. 'tokens', received_at, id)
end
if reason ~= '' then
  call('ZADD', P .. 'r:' .. reason, id, id)
end
return { 'kept', id }

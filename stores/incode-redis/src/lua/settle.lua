local origin, id, lease, how = take(), take(), take(), take()
local key = P .. 'e:' .. id
local row = call('HMGET', key, 'state', 'lease', 'object_key', 'delivery_key', 'kind', 'object_id', 'attempts')
if row[1] ~= 'pending' or row[2] ~= lease then
  return { 'lost' }
end
local object, delivery = row[3], row[4]
if how == 'retry' or how == 'release' then
  local due, reason = take(), take()
  call('HINCRBY', key, 'lease', 1)
  call('HSET', key, 'due_at', due)
  call('ZADD', P .. 'due', due, padded(id))
  if how == 'release' and tonumber(row[7]) > 0 then
    call('HINCRBY', key, 'attempts', -1)
  end
  if how == 'retry' or reason ~= '' then
    give_reason(id, reason)
  end
  return { 'written', '' }
end
if how == 'dead' then
  local reason, wipe, settled = take(), take(), take()
  call('HINCRBY', key, 'lease', 1)
  call('HDEL', key, 'due_at')
  call('HSET', key, 'state', 'dead', 'settled_at', settled)
  leave(id, object, delivery, 'pending')
  enter(id, object, delivery, 'dead', settled, settled)
  give_reason(id, reason)
  if wipe == '1' then
    call('HDEL', key, 'token', 'correlation')
  elseif call('HEXISTS', key, 'token') == 1 then
    call('ZADD', P .. 'tokens', settled, id)
  end
  return { 'written', '' }
end
local settled, handlers, seen, link = take(), {}, nil, nil
for n = 1, tonumber(take()) do
  handlers[n] = take()
end
local is_merged = false
if take() == '1' then
  is_merged = take() == '1'
  seen = take_seen()
end
if take() == '1' then
  link = take_link()
end
-- Nothing is written before all is known to be as the caller saw it. Of one identity the second builds on the first.
if seen and not is_current(seen) then
  return { 'stale' }
end
if link and not (seen and seen.id == link.seen.id) and not is_current(link.seen) then
  return { 'stale' }
end
local is_first = call('HEXISTS', P .. 'o:' .. object, 'done') == 0
call('HINCRBY', key, 'lease', 1)
call('HDEL', key, 'due_at', 'token', 'correlation')
call('HSET', key, 'state', 'done', 'settled_at', settled)
leave(id, object, delivery, 'pending')
enter(id, object, delivery, 'done', settled, settled)
give_reason(id, '')
local changed, is_news = '', false
if seen and is_merged then
  is_news = write_seen(seen)
  changed = seen.id
  if is_first then
    for _, handler in ipairs(handlers) do
      local effect = next_id('effect')
      call('HSET', P .. 'x:' .. effect, 'event', id, 'handler', handler, 'kind', row[5], 'object_id', row[6],
        'identity', seen.id, 'state', 'pending', 'attempts', '0', 'lease', '0', 'applied_at', settled,
        'due_at', settled)
      call('ZADD', P .. 'xs:pending', effect, effect)
      call('ZADD', P .. 'xd:' .. handler, settled, padded(effect))
      call('ZADD', P .. 'effects', effect, effect)
      call('SADD', P .. 'xi:' .. seen.id, effect)
    end
  end
end
if link then
  local outcome, linked = write_link(link)
  if outcome == 'done' then
    changed, is_news = link.seen.id, is_news or linked
  end
end
if changed == '' then
  return { 'written', '' }
end
local subjects = subjects_of(changed)
if is_news then
  tell(origin, changed, subjects)
end
return { 'written', changed, unpack(subjects) }

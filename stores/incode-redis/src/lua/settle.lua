-- Ends a lease that applies nothing. In one script, so that a lease that was lost writes nothing.
local id, lease, how, moment, reason, wipe = take(), take(), take(), take(), take(), take()
local key, row = P .. 'e:' .. id, held(id, lease)
if not row then
  return 'lost'
end
if how == 'done' then
  finish_done(id, row, moment, '')
elseif how == 'dead' then
  finish(id, row, 'dead', moment, '')
  set_reason(id, reason)
  if wipe == '1' then
    call('HDEL', key, 'token', 'correlation')
  elseif call('HEXISTS', key, 'token') == 1 then
    call('ZADD', P .. 'tokens', moment, id)
  end
else
  call('HINCRBY', key, 'lease', 1)
  call('HSET', key, 'due_at', moment)
  call('ZADD', due_set(row.implausible), moment, padded(id) .. row.keys)
  if how == 'release' and tonumber(row.attempts) > 0 then
    call('HINCRBY', key, 'attempts', -1)
  end
  if how == 'retry' or reason ~= '' then
    set_reason(id, reason)
  end
end
return 'written'

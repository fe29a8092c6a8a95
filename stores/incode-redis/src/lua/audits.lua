-- An entry of the audit trail. Erasures are kept by age, the others by number, so each kind has an index of its own.
local function add_audit(moment, actor, action, is_erasure, number, kept)
  local id = next_id('audit')
  call('HSET', P .. 'a:' .. id, 'at', moment, 'actor', actor, 'action', action, 'count', number)
  call('ZADD', P .. 'audits', id, id)
  if is_erasure == '1' then
    call('ZADD', P .. 'erasures', moment, id)
    return id
  end
  call('ZADD', P .. 'audits:other', id, id)
  for _, old in ipairs(call('ZRANGE', P .. 'audits:other', 0, -1 - tonumber(kept))) do
    call('DEL', P .. 'a:' .. old)
    call('ZREM', P .. 'audits:other', old)
    call('ZREM', P .. 'audits', old)
  end
  return id
end

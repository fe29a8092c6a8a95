-- The indexes of event rows. A row names its keys (object, delivery, done: 16 bytes each), and the rows of each key are
-- counted by state: a replayed event can be the second pending row of its key.
-- A member of `due` carries the keys too, so that the counts can be put right when the row itself is gone.
local function count(state, key, by)
  local counts = P .. 'k:' .. state
  if call('HINCRBY', counts, key, by) <= 0 then
    call('HDEL', counts, key)
  end
end
local function due_set(implausible)
  return implausible == '1' and P .. 'due:implausible' or P .. 'due'
end
local function count_all(state, keys, applied, by)
  if state == 'pending' then
    count('pending', keys:sub(17, 32), by)
    count('objects', keys:sub(1, 16), by)
  elseif state == 'done' then
    count('done', keys:sub(33, 48), by)
    if applied and applied ~= '' then
      count('applied', applied, by)
    end
  elseif state == 'ignored' then
    count('ignored', keys:sub(1, 16), by)
  end
end
local function enter(id, row, state, moment)
  call('ZADD', P .. 's:' .. state, id, id)
  if state == 'pending' then
    call('ZADD', due_set(row.implausible), moment, padded(id) .. row.keys)
  else
    call('ZADD', P .. 'settled', moment, id)
  end
  count_all(state, row.keys, row.applied, 1)
end
local function leave(id, row, state)
  call('ZREM', P .. 's:' .. state, id)
  if state == 'pending' then
    call('ZREM', due_set(row.implausible), padded(id) .. row.keys)
  else
    call('ZREM', P .. 'settled', id)
    call('ZREM', P .. 'tokens', id)
  end
  count_all(state, row.keys, row.applied, -1)
end
local function set_reason(id, reason)
  local key = P .. 'e:' .. id
  local known = call('HGET', key, 'reason')
  if known then
    call('ZREM', P .. 'r:' .. known, id)
    call('HDEL', key, 'reason')
  end
  if reason ~= '' then
    call('ZADD', P .. 'r:' .. reason, id, id)
    call('HSET', key, 'reason', reason)
  end
end
-- Also of a row that is gone: no index names it afterwards.
local function remove(id)
  local key = P .. 'e:' .. id
  local row = call('HMGET', key, 'state', 'keys', 'implausible', 'applied')
  if row[1] then
    leave(id, { keys = row[2], implausible = row[3], applied = row[4] }, row[1])
    set_reason(id, '')
    call('DEL', key)
  else
    for _, set in ipairs({ 's:done', 's:dead', 's:ignored', 'settled', 'tokens' }) do
      call('ZREM', P .. set, id)
    end
  end
  call('ZREM', P .. 'events', id)
end
-- The row, if this lease still holds it.
local function held(id, lease)
  local row = call('HMGET', P .. 'e:' .. id, 'state', 'lease', 'keys', 'implausible', 'attempts')
  if row[1] ~= 'pending' or row[2] ~= lease then
    return nil
  end
  return { keys = row[3], implausible = row[4], attempts = row[5] }
end
local function finish(id, row, state, moment, applied)
  local key = P .. 'e:' .. id
  leave(id, row, 'pending')
  call('HINCRBY', key, 'lease', 1)
  call('HDEL', key, 'due_at')
  call('HSET', key, 'state', state, 'settled_at', moment)
  if applied ~= '' then
    call('HSET', key, 'applied', applied)
    row.applied = applied
  end
  enter(id, row, state, moment)
end
local function finish_done(id, row, moment, applied)
  finish(id, row, 'done', moment, applied)
  call('HDEL', P .. 'e:' .. id, 'token', 'correlation')
  set_reason(id, '')
end

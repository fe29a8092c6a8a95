-- Compare and set: the caller decided from rows that it had loaded, and this writes only while they are unchanged. What
-- is written comes as data; no rule is here. The notice goes out in the same step, so that the death of the process can't
-- separate the two; `pcall`, because an answer that was written must not fail for a notice.
local fingerprint = take()
local rows, current = load_rows()
local identity = rows[1][1]
local event, lease, settled_at, applied = take(), take(), take(), take()
local row
if event ~= '' then
  row = held(event, lease)
  if not row then
    return { 'lost' }
  end
end
if current ~= fingerprint then
  return { 'changed' }
end
if row then
  finish_done(event, row, settled_at, applied)
end
for _ = 1, tonumber(take()) do
  local command = {}
  for n = 1, tonumber(take()) do
    command[n] = take()
  end
  command[2] = P .. command[2]
  call(unpack(command))
end
local forgotten_at = take()
if forgotten_at ~= '' then
  call('SET', P .. 't:' .. redis.sha1hex(identity), forgotten_at)
end
if take() == '1' then
  for _, id in ipairs(call('ZRANGE', P .. 'xi:' .. identity, 0, -1)) do
    call('HDEL', P .. 'x:' .. id, 'identity')
  end
  call('DEL', P .. 'xi:' .. identity)
end
for _ = 1, tonumber(take()) do
  local handler, of, caused_at, column, cause = take(), take(), take(), take(), take()
  local id = next_id('job')
  call('HSET', P .. 'x:' .. id, 'handler', handler, 'identity', of, column, cause, 'state', 'pending', 'attempts', '0',
    'lease', '0', 'caused_at', caused_at, 'due_at', caused_at)
  call('ZADD', P .. 'xs:pending', id, id)
  call('ZADD', P .. 'xd:' .. handler, caused_at, padded(id))
  call('ZADD', P .. 'jobs', id, id)
  call('ZADD', P .. 'xi:' .. of, id, id)
end
if take() == '1' then
  add_audit(take(), take(), take(), take(), take(), take())
end
local channel, payload, published = take(), take(), '-'
if channel ~= '' then
  local answer = redis.pcall('PUBLISH', channel, payload)
  published = type(answer) == 'number' and '1' or '0'
end
return { 'written', published }

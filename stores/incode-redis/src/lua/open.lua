-- Claims the keys for one version, and keeps the key of the notices: the first process to open writes both, in one step,
-- so that all processes read the same. Before, it tries each command that the other scripts need: a right that is missing
-- must be named now, not halfway through a script, which Redis does not undo.
local probe, missing = P .. 'probe', {}
for _, arguments in ipairs({ { 'SET', '0' }, { 'GET' }, { 'EXISTS' }, { 'DEL' }, { 'HSET', 'a', '1' }, { 'HSETNX', 'a', '1' },
  { 'HGET', 'a' }, { 'HMGET', 'a' }, { 'HGETALL' }, { 'HEXISTS', 'a' }, { 'HINCRBY', 'a', '1' }, { 'HDEL', 'a' },
  { 'ZADD', '0', 'a' }, { 'ZSCORE', 'a' }, { 'ZCARD' }, { 'ZRANGE', '0', '0' }, { 'ZREVRANGE', '0', '0' },
  { 'ZRANGEBYSCORE', '0', '0' }, { 'ZREVRANGEBYSCORE', '0', '0' }, { 'ZREM', 'a' }, { 'TIME' } }) do
  local name = table.remove(arguments, 1)
  local answer
  if name == 'TIME' then
    answer = redis.pcall(name)
  else
    answer = redis.pcall(name, probe, unpack(arguments))
  end
  if type(answer) == 'table' and answer.err then
    -- The servers of 7.0 and of later versions say it in different words.
    if answer.err:find('ermission', 1, true) or answer.err:find('user executing the script', 1, true) then
      missing[#missing + 1] = name
    else
      return answer
    end
  end
end
if #missing > 0 then
  return { 'missing', table.concat(missing, ' ') }
end
local version, feed_key = take(), take()
call('HSETNX', P .. 'meta', 'version', version)
local known = call('HGET', P .. 'meta', 'version')
if known == version then
  call('HSETNX', P .. 'meta', 'feed_key', feed_key)
end
return { known, call('HGET', P .. 'meta', 'feed_key') }

-- Shared by all scripts. Every key starts with KEYS[1], whose braces keep all of them in one slot of a cluster.
-- Numbers travel as text: what Lua itself makes of a large one is not exact.
local P = KEYS[1]
local call = redis.call
local at = 0
local function take()
  at = at + 1
  return ARGV[at]
end
local function text(number)
  return string.format('%.0f', number)
end
-- Of one length, so that the order of letters is that of numbers.
local function padded(id)
  return string.format('%016.0f', tonumber(id))
end
local function next_id(of)
  return text(call('HINCRBY', P .. 'n', of, 1))
end

-- Of an object: how many events are done, ignored, pending, and pending with each token.
local function count(object, field, by)
  local key = P .. 'o:' .. object
  if call('HINCRBY', key, field, by) <= 0 then
    call('HDEL', key, field)
  end
end
local function enter(id, object, delivery, state, due, settled)
  call('ZADD', P .. 's:' .. state, id, id)
  if state == 'pending' then
    call('ZADD', P .. 'due', due, padded(id))
    count(object, 'pending', 1)
    count(object, 'd:' .. delivery, 1)
  else
    call('ZADD', P .. 'settled', settled, id)
    if state ~= 'dead' then
      count(object, state, 1)
    end
  end
end
local function leave(id, object, delivery, state)
  call('ZREM', P .. 's:' .. state, id)
  if state == 'pending' then
    call('ZREM', P .. 'due', padded(id))
    count(object, 'pending', -1)
    count(object, 'd:' .. delivery, -1)
  else
    call('ZREM', P .. 'settled', id)
    call('ZREM', P .. 'tokens', id)
    if state ~= 'dead' then
      count(object, state, -1)
    end
  end
end
local function give_reason(id, reason)
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
local function remove(id)
  local key = P .. 'e:' .. id
  local row = call('HMGET', key, 'object_key', 'delivery_key', 'state')
  if row[3] then
    leave(id, row[1], row[2], row[3])
    give_reason(id, '')
    call('ZREM', P .. 'events', id)
    call('DEL', key)
  end
end

-- The subjects of an identity, and the news of it.
local function subjects_of(identity)
  return call('SMEMBERS', P .. 'is:' .. identity)
end
local function tell(origin, identity, subjects)
  local news = { from = origin, identity = identity }
  if #subjects > 0 then
    news.subjects = subjects
  end
  call('PUBLISH', P .. 'news', cjson.encode(news))
end

-- An observation as the caller merged it: with what the row was when he did, to be compared.
local function take_seen()
  local seen = { id = take(), hash = take(), known = take(), forgotten = take(), write = take() == '1',
    merged = take(), verification = take(), sent_at = take(), fields = {} }
  for n = 1, tonumber(take()) do
    seen.fields[n] = { name = take(), expires_at = take(), sealed = take() }
  end
  return seen
end
local function is_current(seen)
  return (call('HGET', P .. 'i:' .. seen.id, 'row') or '') == seen.known
    and (call('GET', P .. 'f:' .. seen.hash) or '') == seen.forgotten
end
-- Byte by byte: the order of letters that Lua knows is that of the server's language.
local function is_greater(a, b)
  for n = 1, math.min(#a, #b) do
    local x, y = a:byte(n), b:byte(n)
    if x ~= y then
      return x > y
    end
  end
  return #a > #b
end
local function keep_field(seen, field)
  local key = P .. 'k:' .. seen.id
  local known = call('HMGET', key, 's:' .. field.name, 'e:' .. field.name, 'b:' .. field.name)
  if known[1] then
    local sent, expires = tonumber(seen.sent_at), tonumber(field.expires_at)
    local known_sent, known_expires = tonumber(known[1]), tonumber(known[2])
    if sent < known_sent then return end
    if sent == known_sent then
      if expires < known_expires then return end
      if expires == known_expires and not is_greater(field.sealed, known[3]) then return end
    end
  end
  call('HSET', key, 's:' .. field.name, seen.sent_at, 'e:' .. field.name, field.expires_at,
    'b:' .. field.name, field.sealed)
  call('ZADD', P .. 'expires', field.expires_at, seen.id .. ' ' .. field.name)
end
-- True when the row is another than before.
local function write_seen(seen)
  for _, field in ipairs(seen.fields) do
    keep_field(seen, field)
  end
  if not seen.write then
    return false
  end
  local key = P .. 'i:' .. seen.id
  local known = call('HGET', key, 'verification') or ''
  if known ~= seen.verification then
    if known ~= '' then
      call('ZREM', P .. 'v:' .. known, seen.id)
    end
    if seen.verification ~= '' then
      call('ZADD', P .. 'v:' .. seen.verification, 0, seen.id)
    end
  end
  call('HSET', key, 'row', seen.merged, 'verification', seen.verification)
  return true
end

local function take_link()
  return { subject = take(), proof = take(), linked_at = take(), nonce = take(), nonce_expires = take(),
    shared = take() == '1', is_late = take() == '1', seen = take_seen() }
end
-- What became of it, and whether that is news.
local function write_link(link)
  local identity = link.seen.id
  if link.is_late or link.nonce ~= '' and call('EXISTS', P .. 'c:' .. link.nonce) == 1 then
    return 'spent', false
  end
  local key = P .. 'l:' .. link.subject
  local known = call('HGET', key, 'identity')
  if known and known ~= identity then
    return 'subject', false
  end
  if not known then
    if not link.shared and call('SCARD', P .. 'is:' .. identity) > 0 then
      return 'identity', false
    end
    call('HSET', key, 'identity', identity, 'proof', link.proof, 'linked_at', link.linked_at)
    call('SADD', P .. 'is:' .. identity, link.subject)
  end
  if link.nonce ~= '' then
    call('SET', P .. 'c:' .. link.nonce, '1')
    call('ZADD', P .. 'spent', link.nonce_expires, link.nonce)
  end
  return 'done', write_seen(link.seen) or not known
end

local function audit(moment, actor, action, number, kept)
  local id = next_id('audit')
  call('HSET', P .. 'a:' .. id, 'at', moment, 'actor', actor, 'action', action, 'count', number)
  call('ZADD', P .. 'audits', id, id)
  local old = call('ZRANGE', P .. 'audits', 0, -1 - tonumber(kept))
  for _, gone in ipairs(old) do
    call('DEL', P .. 'a:' .. gone)
    call('ZREM', P .. 'audits', gone)
  end
  return id
end

-- The rows a command reads, and their fingerprint. `load` and `write` share it: `write` goes on only while every row, and
-- every absence, is as it was loaded. Sets are read in order, or equal rows could give two fingerprints.
local function linked_rows(index, prefix, identity)
  local rows = {}
  for _, subject in ipairs(call('ZRANGE', P .. index .. identity, 0, -1)) do
    rows[#rows + 1] = subject
    rows[#rows + 1] = call('GET', P .. prefix .. subject)
  end
  return rows
end
local function field_rows(identity)
  local all, names, values, rows = call('HGETALL', P .. 'f:' .. identity), {}, {}, {}
  for n = 1, #all, 2 do
    names[#names + 1], values[all[n]] = all[n], all[n + 1]
  end
  table.sort(names)
  for _, name in ipairs(names) do
    rows[#rows + 1], rows[#rows + 2] = name, values[name]
  end
  return rows
end
-- Lengths come before texts: no two sets of rows may spell the same bytes.
local function spell(value, into)
  if type(value) == 'table' then
    into[#into + 1] = '[' .. #value
    for _, part in ipairs(value) do
      spell(part, into)
    end
  else
    into[#into + 1] = value and #value .. ':' .. value or '-'
  end
end
local function load_rows()
  local identity, subject, nonce, token, applied = take(), take(), take(), take(), take()
  local confirmations, links, pending_links, fields = {}, {}, {}, {}
  -- Identity, its row, its tombstone, the subject's link, its pending link, nonce, token, applied.
  local one = { '', false, false, false, false, false, false, '0' }
  if subject ~= '' then
    one[4], one[5] = call('GET', P .. 'l:' .. subject), call('GET', P .. 'p:' .. subject)
    confirmations = call('ZREVRANGE', P .. 'c:' .. subject, 0, -1)
    if identity == '' then
      identity = string.match(one[4] or one[5] or '', '^%S+') or ''
    end
  end
  one[1] = identity
  if identity ~= '' then
    one[2] = call('GET', P .. 'i:' .. identity)
    one[3] = call('GET', P .. 't:' .. redis.sha1hex(identity))
    links, pending_links = linked_rows('il:', 'l:', identity), linked_rows('ip:', 'p:', identity)
    fields = field_rows(identity)
  end
  if nonce ~= '' then
    one[6] = call('ZSCORE', P .. 'nonces', nonce)
  end
  if token ~= '' then
    one[7] = call('HGET', P .. 'used_tokens', token)
  end
  if applied ~= '' then
    one[8] = text(call('HEXISTS', P .. 'k:applied', applied))
  end
  local rows, spelled = { one, confirmations, links, pending_links, fields }, {}
  spell(rows, spelled)
  return rows, redis.sha1hex(table.concat(spelled))
end

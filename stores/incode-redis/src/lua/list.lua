-- A part of a list, newest first: how far it was looked through, then the rows that meet all conditions. In parts,
-- because a script holds up every other client. A member without a row is taken out of the index.
local index, prefix, before, limit, scan = take(), take(), take(), tonumber(take()), tonumber(take())
local conditions, columns = {}, {}
for n = 1, tonumber(take()) do
  conditions[n] = { take(), take() }
end
for n = 1, tonumber(take()) do
  columns[n] = take()
end
local ids = call('ZREVRANGEBYSCORE', P .. index, '(' .. before, '-inf', 'LIMIT', 0, scan)
local rows, last = {}, ''
for _, id in ipairs(ids) do
  local key, fits = P .. prefix .. id, true
  for _, condition in ipairs(conditions) do
    fits = fits and call('HGET', key, condition[1]) == condition[2]
  end
  if fits and call('EXISTS', key) == 0 then
    call('ZREM', P .. index, id)
  elseif fits then
    local row = call('HMGET', key, unpack(columns))
    row[#columns + 1] = id
    rows[#rows + 1] = row
  end
  last = id
  if #rows == limit then
    break
  end
end
if #ids < scan and #rows < limit then
  last = ''
end
return { last, rows }

-- One event with what is known of its keys, at one instant.
local key, columns = P .. 'e:' .. take(), {}
for n = 1, tonumber(take()) do
  columns[n] = take()
end
local row = call('HMGET', key, unpack(columns))
if not row[1] then
  return {}
end
local keys = call('HGET', key, 'keys')
row[#columns + 1] = tostring(call('HEXISTS', key, 'token'))
row[#columns + 2] = tostring(call('HEXISTS', P .. 'k:done', keys:sub(33, 48)))
return row

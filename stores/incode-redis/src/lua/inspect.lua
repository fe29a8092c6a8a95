local id = take()
local row = call('HMGET', P .. 'e:' .. id, 'kind', 'object_id', 'state', 'reason', 'attempts', 'received_at', 'due_at',
  'settled_at', 'vendor_time', 'object_key')
if not row[1] then
  return {}
end
row[10] = tostring(call('HEXISTS', P .. 'o:' .. row[10], 'done'))
row[11] = tostring(call('HEXISTS', P .. 'e:' .. id, 'token'))
return row

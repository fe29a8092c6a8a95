local link = call('HMGET', P .. 'l:' .. take(), 'identity', 'proof', 'linked_at')
local row = link[1] and call('HGET', P .. 'i:' .. link[1], 'row')
if not row then
  return {}
end
return { link[1], link[2], link[3], row }

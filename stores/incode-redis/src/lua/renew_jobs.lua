-- Moves the due time of leases that are still held: the check and the write must see the same lease.
local lease_until = take()
for _ = 1, tonumber(take()) do
  local id, lease = take(), take()
  local key = P .. 'x:' .. id
  local row = call('HMGET', key, 'state', 'lease', 'handler')
  if row[1] == 'pending' and row[2] == lease then
    call('HSET', key, 'due_at', lease_until)
    call('ZADD', P .. 'xd:' .. row[3], lease_until, padded(id))
  end
end
return 1

-- Moves the due time of leases that are still held: the check and the write must see the same lease.
local lease_until = take()
for _ = 1, tonumber(take()) do
  local id, lease = take(), take()
  local row = held(id, lease)
  if row then
    call('HSET', P .. 'e:' .. id, 'due_at', lease_until)
    call('ZADD', due_set(row.implausible), lease_until, padded(id) .. row.keys)
  end
end
return 1

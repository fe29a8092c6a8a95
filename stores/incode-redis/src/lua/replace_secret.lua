-- Compare-and-set in one step: what another process wrote meanwhile is not overwritten.
local name, kept, by = take(), take(), take()
if call('HGET', P .. 'meta', name) ~= kept then
  return '0'
end
call('HSET', P .. 'meta', name, by)
return '1'

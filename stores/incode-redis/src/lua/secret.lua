-- Reads and writes in one step: of two processes that start together with two secrets, one must get `other`.
local name, value = take(), take()
if call('HSETNX', P .. 'meta', name, value) == 1 then
  return 'new'
end
return call('HGET', P .. 'meta', name) == value and 'same' or 'other'

-- All counts at one instant.
local function size(set)
  return text(call('ZCARD', P .. set))
end
local function oldest(set, prefix, column)
  local id = call('ZRANGE', P .. set, 0, 0)[1]
  return id and call('HGET', P .. prefix .. id, column)
end
return { size('s:pending'), size('s:done'), size('s:dead'), size('s:ignored'),
  oldest('s:pending', 'e:', 'received_at') or false, size('xs:pending'), size('xs:dead'),
  oldest('xs:pending', 'x:', 'caused_at') or false }

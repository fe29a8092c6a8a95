local all = call('HGETALL', P .. 'k:' .. take())
local now, by_name, found = tonumber(take()), {}, {}
for n = 1, #all, 2 do
  local part, name = all[n]:sub(1, 1), all[n]:sub(3)
  by_name[name] = by_name[name] or {}
  by_name[name][part] = all[n + 1]
end
for name, field in pairs(by_name) do
  if tonumber(field.e) > now then
    found[#found + 1] = { name, field.e, field.b }
  end
end
return found

local origin, seen = take(), nil
seen = take_seen()
if not is_current(seen) then
  return { 'stale' }
end
local is_news = write_seen(seen)
local subjects = subjects_of(seen.id)
if is_news then
  tell(origin, seen.id, subjects)
end
return { 'done', unpack(subjects) }

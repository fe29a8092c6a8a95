local origin = take()
local link = take_link()
if not is_current(link.seen) then
  return { 'stale' }
end
local outcome, is_news = write_link(link)
if outcome ~= 'done' then
  return { outcome }
end
local subjects = subjects_of(link.seen.id)
if is_news then
  tell(origin, link.seen.id, subjects)
end
return { 'done', unpack(subjects) }

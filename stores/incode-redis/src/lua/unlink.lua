local origin, subject = take(), take()
local key = P .. 'l:' .. subject
local identity = call('HGET', key, 'identity')
if not identity then
  return {}
end
local subjects = subjects_of(identity)
call('DEL', key)
call('SREM', P .. 'is:' .. identity, subject)
tell(origin, identity, subjects)
return { identity, unpack(subjects) }

-- Shared by all scripts. Redis runs a script from start to end without another client in between: that is the isolation.
-- Every key starts with KEYS[1], whose braces keep all of them in one slot.
-- Numbers travel as text: Lua's own text of a large number is not exact.
local P = KEYS[1]
local call = redis.call
local at = 0
local function take()
  at = at + 1
  return ARGV[at]
end
local function text(number)
  return string.format('%.0f', number)
end
-- Of one length, so that the order of the letters is that of the numbers.
local function padded(id)
  return string.format('%016.0f', tonumber(id))
end
local function next_id(of)
  return text(call('HINCRBY', P .. 'n', of, 1))
end
-- The instant of the first member of the sorted sets, whichever is less; false when all are empty.
local function first_due(...)
  local first = false
  for _, set in ipairs({ ... }) do
    local score = call('ZRANGE', P .. set, 0, 0, 'WITHSCORES')[2]
    if score and (not first or tonumber(score) < first) then
      first = tonumber(score)
    end
  end
  return first and text(first)
end

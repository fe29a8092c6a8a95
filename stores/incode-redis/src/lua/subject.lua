-- A link and the identity it leads to, at one instant: two reads could show a link without its identity.
local subject = take()
local link = call('GET', P .. 'l:' .. subject)
local identity = link and call('GET', P .. 'i:' .. string.match(link, '^%S+'))
return { link, identity, call('GET', P .. 'p:' .. subject), call('ZREVRANGE', P .. 'c:' .. subject, 0, -1) }

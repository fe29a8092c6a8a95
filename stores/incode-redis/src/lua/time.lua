-- The clock, and the proof that the server takes writes: HSETNX of a name that is there changes nothing, costs no sync,
-- and is refused all the same by a replica, a full server or one that can't write its file. Where the name is gone,
-- another program emptied the store: what every process relies on is put back, and the caller logs it.
local restored = call('HSETNX', P .. 'meta', 'version', take())
call('HSETNX', P .. 'meta', 'feed_key', take())
local now = call('TIME')
return { now[1], now[2], text(restored) }

local oldest = call('ZRANGE', P .. 'xs:pending', 0, 0)[1]
local applied = oldest and call('HGET', P .. 'x:' .. oldest, 'applied_at')
return { text(call('ZCARD', P .. 'xs:pending')), text(call('ZCARD', P .. 'xs:dead')), applied }

local oldest = call('ZRANGE', P .. 's:pending', 0, 0)[1]
local received = oldest and call('HGET', P .. 'e:' .. oldest, 'received_at')
return { text(call('ZCARD', P .. 's:pending')), text(call('ZCARD', P .. 's:done')), text(call('ZCARD', P .. 's:dead')),
  text(call('ZCARD', P .. 's:ignored')), received }

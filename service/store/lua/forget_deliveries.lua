#!lua flags=allow-oom
-- forget_deliveries: drops dead letters that were kept long enough.
-- KEYS 1 deliveries  2 dead
-- ARGV 1 dead before, ms  2 how many at most
-- Returns how many were dropped
local old = redis.call('ZRANGE', KEYS[2], '-inf', '(' .. ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, id in ipairs(old) do
  redis.call('ZREM', KEYS[2], id)
  redis.call('HDEL', KEYS[1], id)
end
return #old

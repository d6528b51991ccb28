#!lua flags=allow-oom
-- release: gives a lease back, if it is the holder's.
-- KEYS 1 leases  2 holders
-- ARGV 1 id  2 holder
-- Returns 1 released | 0 nobody's | -2 somebody else's
local held = redis.call('HGET', KEYS[2], ARGV[1])
if not held then return 0 end
if string.match(held, '^[^\n]*') ~= ARGV[2] then return -2 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1

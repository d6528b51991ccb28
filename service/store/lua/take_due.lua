#!lua flags=allow-oom
-- take_due: leases what is due: until the lease ends, or it is asked for again, nobody else gets it.
-- KEYS 1 due
-- ARGV 1 now, ms  2 end of the lease, ms  3 how many at most
-- Returns {name, name, ...}
local names = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[3])
for _, name in ipairs(names) do redis.call('ZADD', KEYS[1], ARGV[2], name) end
return names

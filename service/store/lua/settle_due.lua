#!lua flags=allow-oom
-- settle_due: ends what was leased, or puts it off, unless it was asked for again meanwhile.
-- KEYS 1 due
-- ARGV 1 name  2 end of the lease, ms  3 when it is due again, ms ('' = never)
-- Returns 1 | 0 it was asked for again, or taken by another
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not at or tonumber(at) ~= tonumber(ARGV[2]) then return 0 end
if ARGV[3] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
end
return 1

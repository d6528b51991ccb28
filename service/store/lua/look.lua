#!lua flags=allow-oom
-- look: leases one comment of a queue to a holder, unless somebody else has it.
-- KEYS 1 queue  2 leases  3 holders
-- ARGV 1 id  2 ttl, ms  3 holder  4 token
-- Returns expiry in ms | -1 not in this queue | -2 somebody else's
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return -1 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = redis.call('ZSCORE', KEYS[2], ARGV[1])
local held = redis.call('HGET', KEYS[3], ARGV[1]) or ''
if ends and tonumber(ends) > now and string.match(held, '^[^\n]*') ~= ARGV[3] then return -2 end
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[2]), ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3] .. '\n' .. ARGV[4])
return now + tonumber(ARGV[2])
